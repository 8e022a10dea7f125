/* SPDX-License-Identifier: MIT */
/* An expression tells which of its conditions decided, and what they saw. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event_fixture.h"
#include "lang/expr.h"

/* "text=value" of each condition that was asked: + it holds, - it does not, ! it
 * decides; and of what it saw. */
static void
show(struct il_text *out, const char *text, const struct expr_explained *x)
{
    for (uint32_t i = 0; i < x->count; i++) {
        const struct expr_condition *c = &x->list[i];
        text_printf(out, "%s%s",
                    c->holds < 0 ? "?"
                    : c->holds   ? "+"
                                 : "-",
                    c->decides ? "!" : "");
        expr_source(out, text, c->at, c->end);
        for (uint32_t k = 0; k < c->seen_count; k++) {
            const struct expr_seen *s = &x->seen[c->seen_from + k];
            text_puts(out, k ? ", " : " [");
            expr_source(out, text, s->at, s->end);
            text_puts(out, "=");
            if (s->value.type == IL_MISSING)
                text_puts(out, "?");
            else if (s->value.type == IL_TIME)
                text_puts(out, "time");
            else
                json_write(out, &s->value, 0);
        }
        text_puts(out, c->seen_count ? "]; " : "; ");
    }
}

struct row {
    const char *expr, *payload, *says;
};

static void
check_row(const struct row *r)
{
    static struct expr_explained x;
    struct il_expr *expr = NULL;
    struct lang_error error;
    struct event_fixture f;
    struct il_text got = { 0 };
    ck_assert_msg(!expr_compile(r->expr, strlen(r->expr), &expr, &error),
                  "%s: %s", r->expr, error.message);
    fixture_open(&f, r->payload);
    int holds = expr_true(expr, &f.event);
    ck_assert_int_eq(expr_explain(expr, &f.event, &x), holds);
    ck_assert_int_eq(x.holds, holds);
    show(&got, r->expr, &x);
    ck_assert_str_eq(text_str(&got), r->says);
    text_clear(&got);
    expr_free(expr);
    fixture_close(&f);
}

static const struct row rows[] = {
    { "plan == free", "{\"plan\":\"pro\"}", "-!plan == free [plan=\"pro\"]; " },
    { "plan != free", "{}", "+!plan != free [plan=?]; " },
    /* the first that does not hold decides, and the others are not asked */
    { "a == 1 and b == 2 and c == 3", "{\"a\":1,\"b\":1}",
      "+a == 1 [a=1]; -!b == 2 [b=1]; " },
    { "a == 1 and b == 2", "{\"a\":1,\"b\":2}",
      "+!a == 1 [a=1]; +!b == 2 [b=2]; " },
    { "a == 1 or b == 2 or c == 3", "{\"a\":0,\"b\":2}",
      "-a == 1 [a=0]; +!b == 2 [b=2]; " },
    { "a == 1 or b == 2", "{}", "-!a == 1 [a=?]; -!b == 2 [b=?]; " },
    /* inside each other, and turned round */
    { "not (a == 1 or b == 2) and c", "{\"b\":2,\"c\":true}",
      "-a == 1 [a=?]; +!b == 2 [b=2]; " },
    { "c and (a == 1 or b == 2)", "{\"b\":2,\"c\":true}",
      "+!c [c=true]; -a == 1 [a=?]; +!b == 2 [b=2]; " },
    { "not  a   == 1", "{\"a\":1}", "-!not a == 1 [a=1]; " },
    /* what a function was given, and what it made of it */
    { "len(name) > 3", "{\"name\":\"abc\"}",
      "-!len(name) > 3 [len(name)=3, name=\"abc\"]; " },
    { "number(n) == 5", "{\"n\":\"5x\"}",
      "-!number(n) == 5 [number(n)=?, n=\"5x\"]; " },
    { "exists(x)", "{}", "-!exists(x) [exists(x)=false, x=?]; " },
    /* both sides, and members that are references */
    { "a > $event.payload.b", "{\"a\":1,\"b\":2}",
      "-!a > $event.payload.b [a=1, $event.payload.b=2]; " },
    { "a in {x, $event.payload.b}", "{\"a\":\"q\",\"b\":\"z\"}",
      "-!a in {x, $event.payload.b} [a=\"q\", $event.payload.b=\"z\"]; " },
    { "$entity.user.plan == pro", "{}",
      "+!$entity.user.plan == pro [$entity.user.plan=\"pro\"]; " },
    /* comments and lines go, quotes stay */
    { "a == 'x  #y' # why\n  and b == 1", "{\"a\":\"x  #y\"}",
      "+a == 'x  #y' [a=\"x  #y\"]; -!b == 1 [b=?]; " },
};

START_TEST(conditions_say_what_they_saw)
{
    check_row(&rows[_i]);
}
END_TEST

/* More conditions than there is room for are counted, and the answer stays. */
START_TEST(too_many_are_counted)
{
    static struct expr_explained x;
    struct il_text text = { 0 };
    struct il_expr *expr = NULL;
    struct lang_error error;
    struct event_fixture f;
    for (int i = 0; i < EXPR_CONDITIONS_MAX + 9; i++)
        text_printf(&text, "%sa%d == 1", i ? " or " : "", i);
    text_puts(&text, " or last == 1");
    ck_assert_int_eq(expr_compile(text.data, text.len, &expr, &error), 0);
    fixture_open(&f, "{\"last\":1}");
    ck_assert_int_eq(expr_explain(expr, &f.event, &x), 1);
    ck_assert_uint_eq(x.count, EXPR_CONDITIONS_MAX);
    ck_assert_uint_eq(x.more, 10);
    fixture_close(&f);
    expr_free(expr);
    text_clear(&text);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("expr-explains");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, conditions_say_what_they_saw, 0,
                        sizeof rows / sizeof *rows);
    tcase_add_test(all, too_many_are_counted);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

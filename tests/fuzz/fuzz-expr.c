/* SPDX-License-Identifier: MIT */
/* Any text is an expression or a complaint that points into it; what compiles
 * decides, and its negation decides the other way.  The same text as a
 * reference and as a template. */
#include <errno.h>
#include <string.h>

#include "../unit/event_fixture.h"
#include "lang/expr.h"
#include "fuzz.h"
#include "lang/lexis.h"
#include "lang/template.h"

static const char payload[] =
    "{\"a\":1.50,\"b\":\"Text\\ud800\",\"c\":[1,\"x\",null,true],"
    "\"d\":{\"e\":{\"f\":-7}},\"t\":true,\"z\":null,\"feature\":\"csv.export\","
    "\"s\":\"\\u00c4\\u0130\\u1e9e 9007199254740993\",\"n\":1e400}";

/* What explains it agrees with what decides, and points into the text. */
static void
try_explain(const char *text, size_t len, const struct il_expr *expr,
            const struct batch_event *e, int holds)
{
    static struct expr_explained why;
    struct il_text source = { 0 };
    uint32_t deciding = 0;
    CLAIM(expr_explain(expr, e, &why) == holds && why.count);
    for (uint32_t i = 0; i < why.count; i++) {
        const struct expr_condition *c = &why.list[i];
        CLAIM(c->at < c->end && c->end <= len);
        CLAIM(c->seen_from + c->seen_count <= why.seen_count);
        CLAIM(expr_source(&source, text, c->at, c->end) == 0);
        deciding += c->decides != 0;
    }
    CLAIM(deciding || why.more);
    for (uint32_t i = 0; i < why.seen_count; i++)
        CLAIM(why.seen[i].at < why.seen[i].end && why.seen[i].end <= len);
    text_clear(&source);
}

static void
try_expr(const char *text, size_t len, const struct batch_event *e)
{
    struct il_expr *expr = NULL;
    struct lang_error error;
    int err = expr_compile(text, len, &expr, &error);
    if (err) {
        struct il_text shown = { 0 };
        CLAIM(err == -EINVAL && error.offset <= len && error.message[0]);
        CLAIM(lang_error_show(&shown, text, len, &error) == 0);
        text_clear(&shown);
        return;
    }
    int holds = expr_true(expr, e);
    CLAIM(holds == 0 || holds == 1 || holds == -E2BIG);
    CLAIM(expr_true(expr, e) == holds);
    try_explain(text, len, expr, e, holds);
    expr_free(expr);

    struct il_text negated = { 0 };
    CLAIM(text_puts(&negated, "not (") == 0
          && text_put(&negated, text, len) == 0
          && text_puts(&negated, "\n)") == 0);
    /* Too long or too deep by what was added is all that may be wrong. */
    err = expr_compile(negated.data, negated.len, &expr, &error);
    CLAIM(err == 0 || strstr(error.message, "nested")
          || strstr(error.message, "longer"));
    if (!err) {
        CLAIM(expr_true(expr, e) == (holds < 0 ? holds : !holds));
        expr_free(expr);
    }
    text_clear(&negated);
}

static void
try_reference(const char *text, size_t len, const struct batch_event *e)
{
    struct il_field *field = NULL;
    struct lang_error error;
    struct il_value v;
    int err = ref_parse(text, len, REF_BARE, &field, &error);
    CLAIM(err == 0 || (err == -EINVAL && error.offset <= len));
    if (err)
        return;
    CLAIM(ref_get(field, e, &v) == (v.type != IL_MISSING));
    ref_free(field);
}

static int
join(void *arg, const char *text, size_t len, int of_event)
{
    (void) of_event;
    return text_put(arg, text, len);
}

static void
try_template(const char *text, size_t len, struct il_batch *batch)
{
    struct il_template *t = NULL;
    struct lang_error error;
    struct il_value v;
    int err = template_compile(text, len, &t, &error);
    CLAIM(err == 0 || (err == -EINVAL && error.offset <= len));
    if (err)
        return;
    CLAIM(template_render(t, batch, 0, &v) == 0);
    if (!template_lone(t)) {
        struct il_text joined = { 0 };
        CLAIM(template_pieces(t, batch->events, join, &joined) == 0);
        CLAIM(joined.len == v.len
              && (!v.len || !memcmp(joined.data, v.str, v.len)));
        text_clear(&joined);
    }
    template_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_fixture f;
    struct il_batch *batch = batch_new();
    const char *text = (const char *) data;
    CLAIM(batch);
    fixture_open(&f, payload);
    struct batch_event *own = batch->events;
    batch->events = &f.event;
    try_expr(text, size, &f.event);
    try_reference(text, size, &f.event);
    try_template(text, size, batch);
    batch->events = own;
    batch_free(batch);
    fixture_close(&f);
    return 0;
}

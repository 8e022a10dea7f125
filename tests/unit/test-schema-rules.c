/* SPDX-License-Identifier: MIT */
/* Rules of values, nested declarations, and what is told of problems. */
#include "codec/json.h"
#include "schema/schema.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct schema *schema;
static struct schema_event *event;
static char found[1 << 16];
static int told;

static void
tell(void *arg, const char *path, const char *rule, const char *message)
{
    size_t len = strlen(found);
    (void) arg;
    told++;
    snprintf(found + len, sizeof(found) - len, "%s|%s|%s\n", path, rule,
             message);
}

static int
check(const char *json)
{
    struct il_text text = { 0 };
    struct json_error error;
    found[0] = 0;
    told = 0;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &text, &error), 0);
    int n = schema_check(event, slice_of(text.data, text.len), tell, NULL);
    text_clear(&text);
    return n;
}

static void
setup(void)
{
    schema = schema_new();
    ck_assert_int_eq(schema_add_event(schema, "order.placed", 0, &event), 0);
}

static void
teardown(void)
{
    schema_free(schema);
}

static struct schema_node *
field(struct schema_object *object, const char *name, int type, int required)
{
    struct schema_node *node = NULL;
    ck_assert_int_eq(schema_add_field(object, name, type, required, &node), 0);
    return node;
}

static struct il_value
number(const char *text)
{
    struct il_value v;
    const char *p;
    static struct il_text packed;
    struct json_error error;
    packed.len = 0;
    ck_assert_int_eq(json_to_msgpack(text, strlen(text), &packed, &error), 0);
    p = packed.data;
    ck_assert_int_eq(msg_head(&p, p + packed.len, &v), 0);
    return v;
}

START_TEST(formats_take_what_their_rfc_says)
{
    static const char l64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                              "aaaaaaaaaaaaaaaa";
    static const struct {
        const char *format, *text;
        int fits;
    } rows[] = {
        { "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", 1 },
        { "uuid", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", 1 },
        { "uuid", "00000000-0000-0000-0000-000000000000", 1 },
        { "uuid", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", 0 },
        { "uuid", "f81d4fae7dec11d0a76500a0c91e6bf6", 0 },
        { "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", 0 },
        { "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bg6", 0 },
        { "uuid", "f81d4fae-7dec-11d0-a76500a0c91e6bf6-", 0 },
        { "uuid", "", 0 },
        { "email", "ada@acme.com", 1 },
        { "email", "a.b+c_d%e@sub.acme.co.uk", 1 },
        { "email", "!#$%&'*+-/=?^_`{|}~@x", 1 },
        { "email", "root@localhost", 1 },
        { "email", "a@xn--bcher-kva.example", 1 },
        { "email", "ada", 0 },
        { "email", "@acme.com", 0 },
        { "email", "ada@", 0 },
        { "email", ".ada@acme.com", 0 },
        { "email", "ada.@acme.com", 0 },
        { "email", "a..b@acme.com", 0 },
        { "email", "a b@acme.com", 0 },
        { "email", "a@b@acme.com", 0 },
        { "email", "\"a b\"@acme.com", 0 },
        { "email", "a@[192.0.2.1]", 0 },
        { "email", "a@acme..com", 0 },
        { "email", "a@-acme.com", 0 },
        { "email", "a@acme-.com", 0 },
        { "email", "a@acme.com-", 0 },
        { "email", "a@acme.com.", 0 },
        { "email", "a@b\xc3\xbc" "cher.example", 0 },
        { "email", "Ada <ada@acme.com>", 0 },
        { "uri", "https://acme.com", 1 },
        { "uri", "https://u:p@acme.com:8080/a/b;c=1?q=1/2?&r#f/?", 1 },
        { "uri", "mailto:ada@acme.com", 1 },
        { "uri", "urn:isbn:0451450523", 1 },
        { "uri", "file:///etc/hosts", 1 },
        { "uri", "http://[2001:db8::1]:80/", 1 },
        { "uri", "http://[v1.fe80::a+en1]/", 1 },
        { "uri", "a:", 1 },
        { "uri", "x+y-z.1:%41", 1 },
        { "uri", "", 0 },
        { "uri", "/relative", 0 },
        { "uri", "//acme.com/a", 0 },
        { "uri", "acme.com/a", 0 },
        { "uri", "1http://a", 0 },
        { "uri", ":a", 0 },
        { "uri", "http://a b", 0 },
        { "uri", "http://a/\xc3\xbc", 0 },
        { "uri", "http://a/%4", 0 },
        { "uri", "http://a/%zz", 0 },
        { "uri", "http://a#b#c", 0 },
        { "uri", "http://a:8x/", 0 },
        { "uri", "http://[2001:db8::1/", 0 },
        { "uri", "http://[::1]x/", 0 },
        { "uri", "http://[nonsense]/", 0 },
        { "uri", "http://[v.x]/", 0 },
        { "uri", "http://[]/", 0 },
        { "uri", "http://a/[x]", 0 },
        { "uri", "http://a/<x>", 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(schema_format_fits(schema_format_parse(rows[i].format),
                                         rows[i].text, strlen(rows[i].text))
                          == rows[i].fits,
                      "%s %s", rows[i].format, rows[i].text);
    char text[400];
    for (size_t n = 62; n <= 66; n++) {
        int len = snprintf(text, sizeof(text), "%.*s%.*s@x", 32, l64,
                           (int) n - 32, l64);
        ck_assert_int_eq(schema_format_fits(SCHEMA_EMAIL, text, (size_t) len),
                         n <= 64);
        len = snprintf(text, sizeof(text), "x@%.*s%.*s", 32, l64, (int) n - 32,
                       l64);
        ck_assert_int_eq(schema_format_fits(SCHEMA_EMAIL, text, (size_t) len),
                         n <= 63);
    }
    /* 64 + 1 + 3 labels of 62 and their dots = 254; one more is too long */
    for (int extra = 0; extra < 2; extra++) {
        int len = snprintf(text, sizeof(text), "%s@%.62s.%.62s.%.*s", l64, l64,
                           l64, 63 + extra, l64);
        ck_assert_int_eq(schema_format_fits(SCHEMA_EMAIL, text, (size_t) len),
                         len <= 254 && extra == 0);
    }
    ck_assert_int_eq(schema_format_fits(SCHEMA_UUID, "f81d4fae-7dec-11d0-a765-"
                                                     "00a0c91e6b\0f", 36), 0);
    ck_assert_int_eq(schema_format_fits(SCHEMA_URI, "a:\0b", 4), 0);
    ck_assert_int_eq(schema_format_fits(SCHEMA_EMAIL, "a\0b@c", 5), 0);
}
END_TEST

START_TEST(ranges_are_exact)
{
    static const struct {
        const char *min, *max, *value;
        int fits;
    } rows[] = {
        { "1", "10", "1", 1 },
        { "1", "10", "10", 1 },
        { "1", "10", "0", 0 },
        { "1", "10", "11", 0 },
        { "1", "10", "10.000000000000000000001", 0 },
        { "1", "10", "9.999999999999999999999", 1 },
        { "1", "10", "1e1", 1 },
        { "0.1", "0.3", "0.30", 1 },
        { "0.1", "0.3", "0.30000000000000000001", 0 },
        { "-0.5", "9007199254740993", "9007199254740993", 1 },
        { "-0.5", "9007199254740993", "9007199254740994", 0 },
        { "-9223372036854775808", "18446744073709551615",
          "18446744073709551615", 1 },
        { "-9223372036854775808", "18446744073709551615",
          "18446744073709551616", 0 },
        { "-9223372036854775808", "18446744073709551615",
          "-9223372036854775809", 0 },
        { NULL, "1e400", "1e399", 1 },
        { NULL, "1e400", "1e401", 0 },
        { "1e-400", NULL, "0", 0 },
        { "0", NULL, "-0", 1 },
        { "0", NULL, "123456789012345678901234567890", 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[8], json[100], rule[20];
        snprintf(name, sizeof(name), "f%zu", i);
        struct schema_node *node
            = field(&event->object, name, SCHEMA_NUMBER, 0);
        struct il_value v;
        if (rows[i].min) {
            v = number(rows[i].min);
            ck_assert_int_eq(schema_set_min(node, &v), 0);
        }
        if (rows[i].max) {
            v = number(rows[i].max);
            ck_assert_int_eq(schema_set_max(node, &v), 0);
        }
        snprintf(json, sizeof(json), "{\"%s\":%s}", name, rows[i].value);
        ck_assert_msg(check(json) == !rows[i].fits, "%s: %s", json, found);
        snprintf(rule, sizeof(rule), "payload.%s|m", name);
        ck_assert(rows[i].fits || !strncmp(found, rule, strlen(rule)));
    }
    ck_assert_int_eq(check("{\"f0\":0}"), 1);
    ck_assert_str_eq(found, "payload.f0|min|expected 1 or more, got 0\n");
    ck_assert_int_eq(check("{\"f0\":123456789012345678901234567890"
                           "12345678901234567890}"), 1);
    ck_assert_str_eq(found, "payload.f0|max|expected 10 or less, got a number "
                            "of 50 bytes\n");
}
END_TEST

START_TEST(choices_are_exact)
{
    struct schema_node *s = field(&event->object, "s", SCHEMA_STRING, 0);
    struct schema_node *n;
    static const char *const texts[] = { "new", "paid", "", "gr\xc3\xbcn" };
    static const char *const numbers[] = { "3", "1.10", "-7", "1e2",
                                           "9007199254740993" };
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(schema_add_text(s, texts[i], strlen(texts[i])), 0);
    ck_assert_int_eq(schema_add_text(s, "paid", 4), -EEXIST);
    n = field(&event->object, "n", SCHEMA_NUMBER, 0);
    for (size_t i = 0; i < 5; i++) {
        struct il_value v = number(numbers[i]);
        ck_assert_int_eq(schema_add_number(n, &v), 0);
    }
    struct il_value v = number("100.0");
    ck_assert_int_eq(schema_add_number(n, &v), -EEXIST);
    static const struct {
        const char *json;
        int fits;
    } rows[] = {
        { "{\"s\":\"new\"}", 1 },  { "{\"s\":\"\"}", 1 },
        { "{\"s\":\"gr\\u00fcn\"}", 1 }, { "{\"s\":\"New\"}", 0 },
        { "{\"s\":\"pai\"}", 0 },  { "{\"s\":\"paid \"}", 0 },
        { "{\"n\":3}", 1 },        { "{\"n\":3.0}", 1 },
        { "{\"n\":1.1}", 1 },      { "{\"n\":100}", 1 },
        { "{\"n\":-7}", 1 },       { "{\"n\":7}", 0 },
        { "{\"n\":9007199254740993}", 1 },
        { "{\"n\":9007199254740992}", 0 },
        { "{\"n\":1.1000000000000000000001}", 0 },
        { "{\"n\":1e999999999}", 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(check(rows[i].json) == !rows[i].fits, "%s: %s",
                      rows[i].json, found);
    ck_assert_int_eq(check("{\"s\":\"piad\",\"n\":2}"), 2);
    ck_assert_str_eq(found,
                     "payload.s|enum|expected one of \"new\", \"paid\", \"\", "
                     "\"gr\xc3\xbcn\", got \"piad\"; did you mean \"paid\"?\n"
                     "payload.n|enum|expected one of 3, 1.10, -7, 1e2, "
                     "9007199254740993, got 2\n");
}
END_TEST

START_TEST(many_choices_are_not_all_told)
{
    struct schema_node *s = field(&event->object, "s", SCHEMA_STRING, 0);
    char text[20], json[2000];
    for (int i = 0; i < SCHEMA_CHOICES_MAX; i++) {
        snprintf(text, sizeof(text), "choice%d", i);
        ck_assert_int_eq(schema_add_text(s, text, strlen(text)), 0);
    }
    ck_assert_int_eq(schema_add_text(s, "more", 4), -E2BIG);
    ck_assert_int_eq(check("{\"s\":\"choice1023\"}"), 0);
    snprintf(json, sizeof(json), "{\"s\":\"%01000d\"}", 0);
    ck_assert_int_eq(check(json), 1);
    ck_assert_ptr_nonnull(strstr(found, " more, got a string of 1000 bytes"));
    ck_assert_uint_lt(strlen(found), 300);
}
END_TEST

START_TEST(sizes_count_characters_and_elements)
{
    static const int types[] = { SCHEMA_STRING, SCHEMA_ARRAY };
    for (int i = 0; i < 2; i++) {
        struct schema_node *n
            = field(&event->object, i ? "a" : "s", types[i], 0);
        n->least = 2;
        n->most = 3;
        n->rules = 1;
    }
    static const struct {
        const char *json, *found;
    } rows[] = {
        { "{\"s\":\"ab\",\"a\":[1,2,3]}", "" },
        { "{\"s\":\"\\u20ac\\ud83d\\ude00\",\"a\":[[],[4,5,6,7]]}", "" },
        { "{\"s\":\"\\u20ac\"}",
          "payload.s|min_length|expected 2 or more characters, got 1\n" },
        { "{\"s\":\"abcd\"}",
          "payload.s|max_length|expected 3 or fewer characters, got 4\n" },
        { "{\"a\":[]}",
          "payload.a|min_items|expected 2 or more elements, got 0\n" },
        { "{\"a\":[1,2,3,4]}",
          "payload.a|max_items|expected 3 or fewer elements, got 4\n" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(rows[i].json);
        ck_assert_str_eq(found, rows[i].found);
    }
}
END_TEST

/* { id!, customer: { name!, address: { zip } (open) }!,
 *   items: [ { sku!, tags: [string] } ] } */
static void
declare_order(void)
{
    struct schema_node *n;
    struct schema_object *o;
    field(&event->object, "id", SCHEMA_STRING, 1);
    n = field(&event->object, "customer", SCHEMA_OBJECT, 1);
    o = schema_add_object(n, 0);
    field(o, "name", SCHEMA_STRING, 1);
    n = field(o, "address", SCHEMA_OBJECT, 0);
    o = schema_add_object(n, 1);
    field(o, "zip", SCHEMA_STRING, 0);
    n = field(&event->object, "items", SCHEMA_ARRAY, 0);
    n = schema_add_items(n, SCHEMA_OBJECT);
    o = schema_add_object(n, 0);
    field(o, "sku", SCHEMA_STRING, 1);
    n = field(o, "tags", SCHEMA_ARRAY, 0);
    schema_add_items(n, SCHEMA_STRING);
    field(&event->object, "free", SCHEMA_OBJECT, 0);
}

START_TEST(nested_values_have_paths)
{
    static const struct {
        const char *json, *found;
    } rows[] = {
        { "{\"id\":\"1\",\"customer\":{\"name\":\"a\"}}", "" },
        { "{\"free\":{\"a\":[{\"b\":null}]},\"items\":[],\"customer\":"
          "{\"address\":{\"zip\":null,\"more\":[1]},\"name\":\"a\"},"
          "\"id\":\"1\"}", "" },
        { "{\"id\":\"1\",\"customer\":{\"name\":\"a\"},\"items\":"
          "[{\"sku\":\"a\"},{\"sku\":\"b\",\"tags\":[\"x\",\"y\"]}]}", "" },
        { "{}", "payload.id|required|is required and missing\n"
                "payload.customer|required|is required and missing\n" },
        { "{\"id\":1,\"customer\":{\"nam\":\"a\",\"address\":[]},"
          "\"items\":[{\"sku\":\"a\"},{\"tags\":[\"x\",null,2]},null,3]}",
          "payload.id|type|expected a string, got a number\n"
          "payload.customer.nam|unknown|is not declared for this event; did "
          "you mean \"name\"?\n"
          "payload.customer.address|type|expected an object, got an array\n"
          "payload.customer.name|required|is required and missing\n"
          "payload.items[1].tags[1]|type|expected a string, got null\n"
          "payload.items[1].tags[2]|type|expected a string, got a number\n"
          "payload.items[1].sku|required|is required and missing\n"
          "payload.items[2]|type|expected an object, got null\n"
          "payload.items[3]|type|expected an object, got a number\n" },
        { "{\"id\":\"1\",\"customer\":{\"name\":\"a\",\"a.b\":1,\"\":2,"
          "\"c\\\"d\":3}}",
          "payload.customer[\"a.b\"]|unknown|is not declared for this event\n"
          "payload.customer[\"\"]|unknown|is not declared for this event\n"
          "payload.customer[\"c?d\"]|unknown|is not declared for this "
          "event\n" },
    };
    declare_order();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(rows[i].json);
        ck_assert_str_eq(found, rows[i].found);
    }
}
END_TEST

START_TEST(null_is_a_value_where_it_is_declared)
{
    struct schema_node *n = field(&event->object, "a", SCHEMA_STRING, 1);
    n->nullable = 1;
    n = field(&event->object, "list", SCHEMA_ARRAY, 0);
    schema_add_items(n, SCHEMA_INTEGER)->nullable = 1;
    ck_assert_int_eq(check("{\"a\":null,\"list\":[1,null]}"), 0);
    ck_assert_int_eq(check("{\"list\":null}"), 1);
    ck_assert_str_eq(found, "payload.a|required|is required and missing\n");
}
END_TEST

START_TEST(problems_are_many_but_not_endless)
{
    struct il_text json = { 0 };
    declare_order();
    text_puts(&json, "{\"id\":\"1\",\"customer\":{\"name\":\"x\"},\"items\":[");
    for (int i = 0; i < 63; i++)
        text_puts(&json, "1,");
    text_puts(&json, "1]}");
    ck_assert_int_eq(check(text_str(&json)), 64);
    ck_assert_int_eq(told, 64);
    json.len -= 2;
    text_puts(&json, ",1,1,1],\"x\":1}");
    ck_assert_int_eq(check(text_str(&json)), 64);
    ck_assert_int_eq(told, 65);
    ck_assert_ptr_nonnull(strstr(found, "\npayload|more|has further problems"));
    text_clear(&json);
}
END_TEST

/* Senders' nesting is bounded by the declaration's; what is not declared is
 * stepped over. */
START_TEST(depth_is_that_of_the_declaration)
{
    struct schema_node *n = field(&event->object, "a", SCHEMA_ARRAY, 0);
    struct il_text json = { 0 };
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++)
        n = schema_add_items(n, SCHEMA_ARRAY);
    text_puts(&json, "{\"a\":");
    for (int i = 0; i < 120; i++)
        text_puts(&json, "[[],");
    text_puts(&json, "1");
    for (int i = 0; i < 120; i++)
        text_puts(&json, "]");
    text_puts(&json, "}");
    ck_assert_int_eq(check(text_str(&json)), 0);
    json.len = 0;
    text_puts(&json, "{\"a\":");
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++)
        text_puts(&json, "[");
    text_puts(&json, "1");
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++)
        text_puts(&json, "]");
    text_puts(&json, "}");
    ck_assert_int_eq(check(text_str(&json)), 1);
    ck_assert_ptr_nonnull(strstr(found, "[0][0]|type|expected an array"));
    text_clear(&json);
}
END_TEST

START_TEST(broken_bytes_are_a_problem)
{
    declare_order();
    struct il_text text = { 0 };
    struct json_error error;
    static const char json[]
        = "{\"id\":\"1\",\"customer\":{\"name\":\"a\"},\"items\":[{\"sku\":"
          "\"a\",\"tags\":[\"x\",\"y\"]}],\"free\":{\"a\":[1,2]}}";
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &text, &error), 0);
    ck_assert_int_eq(schema_check(event, slice_of(text.data, text.len), tell,
                                  NULL), 0);
    for (size_t len = 0; len < text.len; len++)
        ck_assert_int_ge(schema_check(event, slice_of(text.data, len), tell,
                                      NULL), 1);
    text_clear(&text);
}
END_TEST

START_TEST(references_lead_into_declarations)
{
    static const struct {
        const char *ref;
        int what, type, required;
        const char *meant;
    } rows[] = {
        { "$event.id", SCHEMA_FREE, 0, 0, "" },
        { "$entity.user.plan", SCHEMA_FREE, 0, 0, "" },
        { "$event.payload", SCHEMA_FREE, 0, 0, "" },
        { "$event.payload.id", SCHEMA_NAMED, SCHEMA_STRING, 1, "" },
        { "$event.payload.customer.name", SCHEMA_NAMED, SCHEMA_STRING, 1, "" },
        { "$event.payload.customer.nme", SCHEMA_NEVER, 0, 0, "customer.name" },
        { "$event.payload.custmer.name", SCHEMA_NEVER, 0, 0, "customer" },
        { "$event.payload.customer.address.zip", SCHEMA_NAMED, SCHEMA_STRING,
          0, "" },
        { "$event.payload.customer.address.any.thing", SCHEMA_FREE, 0, 0, "" },
        { "$event.payload.items[0].sku", SCHEMA_NAMED, SCHEMA_STRING, 0, "" },
        { "$event.payload.items[-1].tag", SCHEMA_NEVER, 0, 0,
          "items[-1].tags" },
        { "$event.payload.items[0].tags[3]", SCHEMA_NAMED, SCHEMA_STRING, 0,
          "" },
        { "$event.payload.items.sku", SCHEMA_NEVER, 0, 0, "" },
        { "$event.payload.customer[0]", SCHEMA_NEVER, 0, 0, "" },
        { "$event.payload.id.x", SCHEMA_NEVER, 0, 0, "" },
        { "$event.payload.free.a.b[2]", SCHEMA_FREE, 0, 0, "" },
    };
    declare_order();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct il_field *ref = NULL;
        struct lang_error error;
        struct schema_place place;
        struct il_text meant = { 0 };
        ck_assert_int_eq(ref_parse(rows[i].ref, strlen(rows[i].ref), 0, &ref,
                                   &error), 0);
        int what = schema_place(event, ref, &place);
        ck_assert_msg(what == rows[i].what, "%s: %d", rows[i].ref, what);
        if (what == SCHEMA_NAMED) {
            ck_assert_int_eq(place.node->type, rows[i].type);
            ck_assert_msg(place.required == rows[i].required, "%s",
                          rows[i].ref);
        }
        if (what == SCHEMA_NEVER)
            ck_assert_int_eq(schema_suggest(ref, &place, &meant), 0);
        ck_assert_str_eq(text_str(&meant), rows[i].meant);
        text_clear(&meant);
        ref_free(ref);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("schema-rules");
    TCase *t = tcase_create("rules");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, formats_take_what_their_rfc_says);
    tcase_add_test(t, ranges_are_exact);
    tcase_add_test(t, choices_are_exact);
    tcase_add_test(t, many_choices_are_not_all_told);
    tcase_add_test(t, sizes_count_characters_and_elements);
    tcase_add_test(t, nested_values_have_paths);
    tcase_add_test(t, null_is_a_value_where_it_is_declared);
    tcase_add_test(t, problems_are_many_but_not_endless);
    tcase_add_test(t, depth_is_that_of_the_declaration);
    tcase_add_test(t, broken_bytes_are_a_problem);
    tcase_add_test(t, references_lead_into_declarations);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

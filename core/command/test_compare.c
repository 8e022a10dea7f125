/* SPDX-License-Identifier: MIT */
/* What a destination would have sent against what a test expects: of rows and
 * objects only what the test names counts. */
#include "reply.h"
#include "test.h"

#include "base/number.h"
#include "base/time.h"
#include "codec/json.h"
#include "codec/json_out.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN 300 /* bytes of a value */

/* A value that was read from JSON; clear it with text_clear(&packed). */
struct read_value {
    struct il_text packed;
    struct il_value value;
};

static int
read_json(struct read_value *r, const char *json, size_t len)
{
    struct json_error error;
    *r = (struct read_value){ .value = { .type = IL_MISSING } };
    if (json_to_msgpack(json, len, &r->packed, &error))
        return -EINVAL;
    const char *p = r->packed.data;
    return msg_value(&p, r->packed.data + r->packed.len, &r->value);
}

static void
read_setting(struct read_value *r, const struct conf *conf,
             const config_setting_t *s)
{
    struct il_text json = { 0 };
    conf_value_json(conf, s, &json);
    read_json(r, json.data, json.len);
    text_clear(&json);
}

/* As people read it. */
static const char *
shown(const struct test_verdict *v, const struct il_value *value)
{
    struct il_text text = { 0 };
    struct json_out o;
    if (value->type == IL_MISSING) {
        text_puts(&text, "(nothing)");
    } else {
        json_out_begin(&o, &text);
        json_out_value(&o, NULL, value);
    }
    size_t len = text.len;
    if (len > SHOWN) {
        len = SHOWN;
        while (len && ((unsigned char) text.data[len] & 0xc0) == 0x80)
            len--;
    }
    const char *copy =
        conf_printf(v->result->memory, "%.*s%s", (int) len, text_str(&text),
                    len < text.len ? "..." : "");
    text_clear(&text);
    return copy;
}

/* --- values ---------------------------------------------------------------- */

static size_t compare(struct test_verdict *, const char *at,
                      const struct il_value *want, const struct il_value *got);

static int
is_number(const struct il_value *v)
{
    return v->type == IL_INT || v->type == IL_UINT || v->type == IL_DECIMAL;
}

/* As RFC 3339 has it, or as Postgres: "2026-11-28 10:00:00.5+00". */
static int
read_time(const struct il_value *v, int64_t *us)
{
    char text[48];
    if (!time_parse(v->str, v->len, us))
        return 0;
    if (v->len < 22 || v->len > 40 || v->str[10] != ' '
        || (v->str[v->len - 3] != '+' && v->str[v->len - 3] != '-'))
        return -EINVAL;
    int len = snprintf(text, sizeof(text), "%.10sT%.*s:00", v->str,
                       (int) v->len - 11, v->str + 11);
    return time_parse(text, (size_t) len, us);
}

static int
same_time(const struct il_value *a, const struct il_value *b)
{
    int64_t x, y;
    return !read_time(a, &x) && !read_time(b, &y) && x == y;
}

static int
same_text(const struct il_value *a, const struct il_value *b)
{
    return (a->len == b->len && memcmp(a->str, b->str, a->len) == 0)
           || same_time(a, b);
}

/* Scalars, of which a row has all as texts. */
static int
same(const struct il_value *want, const struct il_value *got)
{
    struct il_value number;
    if (want->type == IL_STRING && got->type == IL_STRING)
        return same_text(want, got);
    if (got->type == IL_NULL)
        return command_is(want, "\\N");
    if (want->type == IL_BOOL && got->type == IL_STRING)
        return want->num.i ? command_is(got, "true") || command_is(got, "t")
                           : command_is(got, "false") || command_is(got, "f");
    if (want->type == IL_BOOL)
        return got->type == IL_BOOL && got->num.i == want->num.i;
    if (is_number(want) && is_number(got))
        return number_compare(want, got) == 0;
    if (!is_number(want) || got->type != IL_STRING
        || !number_valid(got->str, got->len))
        return 0;
    number_view(got->str, got->len, &number);
    return number_compare(want, &number) == 0;
}

static size_t
compare_map(struct test_verdict *v, const char *at, const struct il_value *want,
            const struct il_value *got)
{
    size_t iter = 0, n = 0;
    struct il_value key, value, have;
    while (msg_item(want, &iter, &key, &value)) {
        const char *below = conf_printf(v->result->memory, "%s%s%.*s", at,
                                        *at ? "." : "", (int) key.len, key.str);
        if (!msg_find(got, key.str, key.len, &have))
            have = (struct il_value){ .type = IL_MISSING };
        n += compare(v, below, &value, &have);
    }
    return n;
}

static size_t
compare_array(struct test_verdict *v, const char *at,
              const struct il_value *want, const struct il_value *got)
{
    size_t iter = 0, n = 0;
    struct il_value value, have;
    for (int64_t i = 0; msg_item(want, &iter, NULL, &value); i++) {
        msg_at(got, i, &have);
        n += compare(
            v, conf_printf(v->result->memory, "%s[%lld]", at, (long long) i),
            &value, &have);
    }
    return n;
}

/* A row has all as texts: quotes would look as if they were what is wrong. */
static size_t
differs(struct test_verdict *v, const char *at, const struct il_value *want,
        const struct il_value *got)
{
    struct il_value plain = *got;
    if (want->type != IL_STRING && got->type == IL_STRING
        && number_valid(got->str, got->len))
        plain.type = IL_DECIMAL;
    command_test_differs(v, at, shown(v, want), shown(v, &plain));
    return 1;
}

static size_t
compare(struct test_verdict *v, const char *at, const struct il_value *want,
        const struct il_value *got)
{
    if (want->type != IL_MAP && want->type != IL_ARRAY)
        return same(want, got) ? 0 : differs(v, at, want, got);
    if (got->type == IL_STRING) { /* JSON in a column */
        struct read_value inner;
        int err = read_json(&inner, got->str, got->len);
        size_t n = err || inner.value.type == IL_STRING
                       ? differs(v, at, want, got)
                       : compare(v, at, want, &inner.value);
        text_clear(&inner.packed);
        return n;
    }
    if (got->type != want->type
        || (want->type == IL_ARRAY && want->count != got->count))
        return differs(v, at, want, got);
    return want->type == IL_MAP ? compare_map(v, at, want, got)
                                : compare_array(v, at, want, got);
}

/* A setting against JSON, or against a text. */
static size_t
compare_setting(struct test_verdict *v, const char *at,
                const config_setting_t *s, const struct il_value *got)
{
    struct read_value want;
    read_setting(&want, v->test->conf, s);
    size_t n = compare(v, at, &want.value, got);
    text_clear(&want.packed);
    return n;
}

/* --- a row ------------------------------------------------------------------ */

size_t
command_test_row(struct test_verdict *v, const config_setting_t *want,
                 const char *row)
{
    struct read_value got;
    size_t n;
    if (read_json(&got, row, strlen(row)) || got.value.type != IL_MAP) {
        command_test_differs(v, "", "a row",
                             *row ? row
                                  : "nothing that can be shown: the "
                                    "destination has no render()");
        n = 1;
    } else {
        n = compare_setting(v, "", want, &got.value);
    }
    text_clear(&got.packed);
    return n;
}

size_t
command_test_object(struct test_verdict *v, const config_setting_t *want,
                    const char *json)
{
    struct read_value got;
    read_json(&got, json, strlen(json));
    size_t n = compare_setting(v, "", want, &got.value);
    text_clear(&got.packed);
    return n;
}

/* --- a request --------------------------------------------------------------- */

void
command_test_request_read(const char *text, struct test_request *out)
{
    const char *line = text + strcspn(text, "\n");
    const char *blank = memchr(text, ' ', (size_t) (line - text));
    const char *url = blank ? blank + 1 : text;
    const char *headers = line + (*line == '\n');
    const char *end = *headers == '\n' ? headers : strstr(headers, "\n\n");
    const char *body =
        end ? end + (*headers == '\n' ? 1 : 2) : headers + strlen(headers);
    size_t len = strlen(body);
    *out = (struct test_request){
        .method = slice_of(text, blank ? (size_t) (blank - text) : 0),
        .url = slice_of(url, (size_t) (line - url)),
        .headers = slice_of(headers, (size_t) ((end ? end : body) - headers)),
        .body = slice_of(body, len && body[len - 1] == '\n' ? len - 1 : len)
    };
}

static struct il_value
text_value(struct slice s)
{
    return (struct il_value){ .type = IL_STRING, .str = s.ptr, .len = s.len };
}

static struct il_value
header_value(struct slice headers, const char *name)
{
    const char *at = headers.ptr, *end = at + headers.len;
    const size_t len = strlen(name);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));
        stop = stop ? stop : end;
        if ((size_t) (stop - at) > len && at[len] == ':'
            && strncasecmp(at, name, len) == 0) {
            at += len + 1;
            at += at < stop && *at == ' ';
            return text_value(slice_of(at, (size_t) (stop - at)));
        }
        at = stop + 1;
    }
    return (struct il_value){ .type = IL_MISSING };
}

static size_t
compare_headers(struct test_verdict *v, const config_setting_t *want,
                struct slice headers)
{
    size_t n = 0;
    for (int i = 0; i < config_setting_length(want); i++) {
        const config_setting_t *s = config_setting_get_elem(want, (unsigned) i);
        const struct il_value got = header_value(headers, s->name);
        n += compare_setting(
            v, conf_printf(v->result->memory, "headers.%s", s->name), s, &got);
    }
    return n;
}

static size_t
contains(struct test_verdict *v, const config_setting_t *want,
         const char *request)
{
    const int list = config_setting_is_aggregate(want);
    const int count = list ? config_setting_length(want) : 1;
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        const char *text = list ? config_setting_get_string_elem(want, i)
                                : config_setting_get_string(want);
        if (text && strstr(request, text))
            continue;
        const struct il_value all =
            text_value(slice_of(request, strlen(request)));
        command_test_differs(v, "contains", text ? text : "a text",
                             shown(v, &all));
        n++;
    }
    return n;
}

size_t
command_test_request(struct test_verdict *v, const config_setting_t *want,
                     const char *request)
{
    struct test_request r;
    command_test_request_read(request, &r);
    const struct il_value method = text_value(r.method),
                          url = text_value(r.url), body = text_value(r.body);
    size_t n = 0;
    for (int i = 0; i < config_setting_length(want); i++) {
        const config_setting_t *s = config_setting_get_elem(want, (unsigned) i);
        if (strcmp(s->name, "headers") == 0)
            n += compare_headers(v, s, r.headers);
        else if (strcmp(s->name, "contains") == 0)
            n += contains(v, s, request);
        else
            n += compare_setting(v, s->name, s,
                                 s->name[0] == 'm'   ? &method
                                 : s->name[0] == 'u' ? &url
                                                     : &body);
    }
    return n;
}

/* SPDX-License-Identifier: MIT */
/* The pull reader: the envelope around events is taken step by step, so that
 * its members go where they belong and unknown ones are refused by name; what
 * is inside (payload, traits) goes to msgpack whole, by json_value(). */
#include "private.h"

#include <stdio.h>
#include <string.h>

#include "base/scan.h"

const char *
json_fail(struct json_reader *r, enum json_code code, const char *at,
          const char *message)
{
    if (r->error.code == JSON_OK) {
        r->error.code = code;
        r->error.offset = (size_t) (at - r->begin);
        snprintf(r->error.message, sizeof(r->error.message), "%s", message);
    }
    return NULL;
}

const char *
json_fail_end(struct json_reader *r)
{
    return json_fail(r, JSON_END, r->end,
                     r->end == r->begin ? "the text is empty"
                                        : "the text ends too early");
}

const char *
json_fail_expected(struct json_reader *r, const char *at, const char *expected)
{
    char message[120], found[24];

    if (at == r->end)
        return json_fail_end(r);
    unsigned char c = (unsigned char) *at;
    if (c == '\'')
        snprintf(found, sizeof(found), "a single quote");
    else if (c > 0x20 && c < 0x7f)
        snprintf(found, sizeof(found), "'%c'", c);
    else
        snprintf(found, sizeof(found), "byte 0x%02x", c);
    snprintf(message, sizeof(message), "expected %s, found %s", expected,
             found);
    return json_fail(r, JSON_SYNTAX, at, message);
}

int
json_failed(const struct json_reader *r)
{
    if (r->error.code == JSON_OK)
        return 0;
    return r->error.code == JSON_MEMORY ? -ENOMEM : -EINVAL;
}

void
json_open(struct json_reader *r, const char *json, size_t len,
          uint32_t depth_max)
{
    if (depth_max == 0 || depth_max > MSG_DEPTH_MAX)
        depth_max = MSG_DEPTH_MAX;
    r->p = r->begin = json;
    r->end = json + len;
    r->depth = 0;
    r->depth_max = depth_max;
    r->objects[0] = r->objects[1] = 0;
    r->shape = NULL;
    r->error.code = JSON_OK;
    r->error.offset = 0;
    r->error.message[0] = 0;
    /* Its msgpack, half as long again, has 32-bit places. */
    if (len > INT32_MAX)
        json_fail(r, JSON_MEMORY, json, "the text is 2 GiB or longer");
    /* No part of the text (RFC 8259, 8.1), and some begin with it. */
    else if (len >= 3 && !memcmp(json, "\xef\xbb\xbf", 3))
        r->p += 3;
}

int
json_peek(struct json_reader *r)
{
    if (r->error.code)
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p == r->end)
        return 0;
    switch (*r->p) {
    case '{':
    case '[':
    case '"':
    case 'n':
    case 't':
    case 'f':
        return *r->p;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return '0';
    case '+':
    case '.':
    case 'N':
    case 'I':
        json_fail(r, JSON_NUMBER, r->p, "JSON has no such number");
        return -EINVAL;
    default:
        json_fail_expected(r, r->p, "a value");
        return -EINVAL;
    }
}

int
json_enter(struct json_reader *r)
{
    if (r->error.code)
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p == r->end || (*r->p != '{' && *r->p != '[')) {
        json_fail_expected(r, r->p, "'{' or '['");
        return -EINVAL;
    }
    if (r->depth == r->depth_max) {
        json_fail(r, JSON_DEPTH, r->p, "nested too deep");
        return -EINVAL;
    }
    uint64_t bit = (uint64_t) 1 << (r->depth & 63);
    uint64_t *word = &r->objects[r->depth >> 6];
    *word = *r->p == '{' ? *word | bit : *word & ~bit;
    r->depth++;
    r->p++;
    return 0;
}

int
json_next(struct json_reader *r, int first)
{
    if (r->error.code)
        return json_failed(r);
    const char *p = json_space(r->p, r->end);
    uint32_t level = r->depth - 1;
    int object = r->objects[level >> 6] >> (level & 63) & 1;

    if (p < r->end && *p == (object ? '}' : ']')) {
        r->p = p + 1;
        r->depth--;
        return 0;
    }
    if (!first) {
        if (p == r->end || *p != ',') {
            json_fail_expected(r, p, object ? "',' or '}'" : "',' or ']'");
            return -EINVAL;
        }
        p++;
    } else if (p == r->end) {
        json_fail_end(r);
        return -EINVAL;
    }
    r->p = p;
    return 1;
}

/* A string at r->p, as json_key() and json_string() give it. */
static int
take_string(struct json_reader *r, struct il_text *scratch, struct slice *out)
{
    int escaped = 0;
    const char *p = r->p + 1, *close = scan_plain(p, r->end);

    if (close == r->end || *close != '"')
        close = json_scan_string(r, p, &escaped);
    if (!close)
        return json_failed(r);
    *out = slice_of(p, (size_t) (close - p));
    if (escaped) {
        if (scratch->cap < out->len || !scratch->data) {
            scratch->len = 0;
            if (text_reserve(scratch, out->len)) {
                json_fail(r, JSON_MEMORY, p, "no memory");
                return -ENOMEM;
            }
        }
        scratch->len =
            (size_t) (json_unescape(scratch->data, p, close) - scratch->data);
        *out = slice_of(scratch->data, scratch->len);
    }
    r->p = close + 1;
    return 0;
}

int
json_string(struct json_reader *r, struct il_text *scratch, struct slice *out)
{
    if (r->error.code)
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p == r->end || *r->p != '"') {
        json_fail_expected(r, r->p, "a string");
        return -EINVAL;
    }
    return take_string(r, scratch, out);
}

int
json_key(struct json_reader *r, struct il_text *scratch, struct slice *key)
{
    if (r->error.code)
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p == r->end || *r->p != '"') {
        json_fail_expected(r, r->p, "a key in double quotes");
        return -EINVAL;
    }
    if (take_string(r, scratch, key))
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p == r->end || *r->p != ':') {
        json_fail_expected(r, r->p, "':'");
        return -EINVAL;
    }
    r->p++;
    return 0;
}

int
json_close(struct json_reader *r)
{
    if (r->error.code)
        return json_failed(r);
    r->p = json_space(r->p, r->end);
    if (r->p < r->end) {
        json_fail(r, JSON_TRAILING, r->p,
                  "something follows after the end of the value");
        return -EINVAL;
    }
    return 0;
}

int
json_to_msgpack(const char *json, size_t len, struct il_text *out,
                struct json_error *error)
{
    struct json_reader r;
    size_t before = out->len;

    json_open(&r, json, len, MSG_DEPTH_MAX);
    if (json_value(&r, out) == 0 && json_close(&r))
        out->len = before;
    if (error && r.error.code)
        *error = r.error;
    else if (error)
        *error = (struct json_error){ 0 };
    return json_failed(&r);
}

/* SPDX-License-Identifier: MIT */
/* warehouse.pg's rows against an independent reader.  The bytes choose columns
 * and events; the encoder writes COPY data, binary or text; the reader below
 * takes that apart by the words of Postgres's manual, and each field must be
 * what the event's value means for the column's type.  An event that cannot be
 * a row is refused with a code, and only such.
 *
 * What a value means is computed from the choices, not from the JSON, and is
 * compared as a canonical text. */
#include <config.h>

#include "../../plugins/warehouse.pg/decimal.c"
#include "../../plugins/warehouse.pg/encode.c"
#include "../../plugins/warehouse.pg/encode_field.c"
#define is_null fold_is_null
#define by_set fold_by_set
#define arrange fold_arrange
#define add_event fold_add_event
#include "../../plugins/warehouse.pg/fold.c"
#undef is_null
#undef by_set
#undef arrange
#undef add_event
#include "../../plugins/warehouse.pg/partition_row.c"
#include "../../plugins/warehouse.pg/put_numeric.c"
#undef _GNU_SOURCE /* it defines it itself */
#include "../../plugins/warehouse.pg/put_scalar.c"
#include "../../plugins/warehouse.pg/put_text.c"
#include "../../plugins/warehouse.pg/put_time.c"

#include "fuzz.h"
#include "base/api.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "host/api.h"

#define COLUMNS_MAX 5
#define EVENTS_MAX 3
#define ITEMS_MAX 4
#define CANON_MAX 4096

/* What plan.c has, which needs a server. */
struct plan *
plan_ref(struct plan *p)
{
    return p;
}
void
plan_unref(struct plan *p)
{
    (void) p;
}
int
put_record(struct encoder *e, const struct column *c, const struct il_value *v)
{
    (void) c;
    (void) v;
    return encode_bad(e, "22P02", "no target has composite columns");
}

/* --- the choices ---------------------------------------------------------- */

struct bytes {
    const uint8_t *at, *end;
};

static unsigned
pick(struct bytes *b, unsigned below)
{
    return b->at < b->end ? *b->at++ % below : 0;
}

enum kind {
    T_INT2,
    T_INT8,
    T_NUMERIC,
    T_FLOAT8,
    T_BOOL,
    T_TEXT,
    T_VARCHAR,
    T_UUID,
    T_BYTEA,
    T_JSON,
    T_JSONB,
    T_OTHER,
    KINDS
};

static const struct {
    uint32_t oid;
    pg_put *put;
} kinds[KINDS] = {
    { 21, put_int2 },      { 20, put_int8 },    { 1700, put_numeric },
    { 701, put_float8 },   { 16, put_bool },    { 25, put_text },
    { 1043, put_varchar }, { 2950, put_uuid },  { 17, put_bytea },
    { 114, put_json },     { 3802, put_jsonb }, { 3615, put_other },
};

enum what { V_MISSING, V_NULL, V_BOOL, V_INT, V_DECIMAL, V_STRING, V_ARRAY };

struct value {
    enum what what;
    int64_t number;
    char text[64]; /* of a string, as UTF-8; of a decimal */
    size_t len;
    int bad; /* characters that Postgres cannot have */
    unsigned count;
    struct value *items;
};

/* The one text that is one. */
static const char uuid[] = "0123ABCD-89ab-cdef-0123-456789abcdef";

static struct value pool[COLUMNS_MAX * EVENTS_MAX * 24 + 8];
static size_t pool_used;

/* No letter begins a word that a type has (true, nan, infinity), and no digit
 * is 0: what only the server can tell is not among them, but for NULL. */
static const struct {
    const char *utf8, *json;
    size_t len;
} letters[] = {
    { "a", "a", 1 },        { "5", "5", 1 },
    { "\t", "\\t", 1 },     { "\n", "\\n", 1 },
    { "\\", "\\\\", 1 },    { "\"", "\\\"", 1 },
    { "{", "{", 1 },        { "}", "}", 1 },
    { ",", ",", 1 },        { " ", " ", 1 },
    { "NULL", "NULL", 4 },  { ".", ".", 1 },
    { "-", "-", 1 },        { "\xc3\xa9", "\xc3\xa9", 2 },
    { "\0", "\\u0000", 1 }, { "\xed\xa0\x80", "\\ud800", 3 },
    { "\\.", "\\\\.", 2 },  { "\r", "\\r", 1 },
    { "7", "7", 1 },        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 4 },
};
#define LETTERS (sizeof letters / sizeof *letters)

static void
say(struct il_text *json, const char *s)
{
    CLAIM(text_puts(json, s) == 0);
}

static void
make_string(struct bytes *in, struct value *v, struct il_text *json)
{
    unsigned n = pick(in, 14);
    v->what = V_STRING;
    say(json, "\"");
    if (n == 13) {
        memcpy(v->text, uuid, v->len = sizeof uuid - 1);
        say(json, uuid);
    }
    for (unsigned i = 0; i < n && n < 13; i++) {
        unsigned k = pick(in, LETTERS);
        memcpy(v->text + v->len, letters[k].utf8, letters[k].len);
        v->len += letters[k].len;
        v->bad |= k == 14 || k == 15;
        say(json, letters[k].json);
    }
    say(json, "\"");
}

static void
make_value(struct bytes *in, struct value *v, struct il_text *json, int depth)
{
    static const int64_t edges[] = { 0,         1,      -1,       32767,
                                     32768,     -32768, -32769,   INT64_MAX,
                                     INT64_MIN, 10000,  100000000 };
    static const char *const decimals[] = {
        "1.50", "-0.0001", "0.0", "3.0", "12345.6789", "100000.00001", "-7.000",
        "0.00000001",
        /* as a sender may write them */
        "-0", "-0.0", "0e-5", "1e-7", "-1E-07", "1e3", "1.50e1", "-12.34E+0003",
        "123456e-4",
        /* as many digits as numeric(38) has, and more than an integer */
        "12345678901234567890123456789012345678",
        "-0.99999999999999999999999999999999999999",
        "1234567890123456789.0123456789012345678", "18446744073709551615",
        "-9223372036854775809",
        /* ends of what a double holds */
        "1e40", "-1e-40", "1e400", "-1e-400", "2.2250738585072014e-308"
    };
    unsigned choice = pick(in, 12);
    *v = (struct value){ 0 };
    switch (choice) {
    case 0:
    case 1:
        v->what = V_NULL;
        say(json, "null");
        break;
    case 2:
        v->what = V_BOOL;
        v->number = pick(in, 2);
        say(json, v->number ? "true" : "false");
        break;
    case 3:
    case 4:
        v->what = V_INT;
        v->number = edges[pick(in, sizeof edges / sizeof *edges)];
        v->len = (size_t) snprintf(v->text, sizeof v->text, "%lld",
                                   (long long) v->number);
        say(json, v->text);
        break;
    case 5:
        v->what = V_DECIMAL;
        v->len = (size_t) snprintf(
            v->text, sizeof v->text, "%s",
            decimals[pick(in, sizeof decimals / sizeof *decimals)]);
        say(json, v->text);
        break;
    case 6:
    case 7:
    case 8:
        make_string(in, v, json);
        break;
    default:
        if (depth == 2) {
            make_string(in, v, json);
            break;
        }
        v->what = V_ARRAY;
        v->count = pick(in, ITEMS_MAX + 1 - (unsigned) depth);
        v->items = pool + pool_used;
        pool_used += v->count;
        CLAIM(pool_used <= sizeof pool / sizeof *pool);
        say(json, "[");
        for (unsigned i = 0; i < v->count; i++) {
            say(json, i ? "," : "");
            make_value(in, &v->items[i], json, depth + 1);
        }
        say(json, "]");
    }
}

/* --- what a value means for a column -------------------------------------- */

enum meaning {
    M_NULL,
    M_VALUE,
    M_RAW /* text for the server to read */,
    M_BAD
};

struct canon {
    enum meaning meaning;
    size_t len;
    char text[CANON_MAX];
};

static void
add(struct canon *c, const char *s, size_t len)
{
    CLAIM(c->len + len < sizeof c->text);
    memcpy(c->text + c->len, s, len);
    c->len += len;
}

static void
add_clean(struct canon *c, const struct value *v)
{
    for (size_t i = 0; i < v->len; i++)
        if (!v->text[i]) {
            add(c, "\xef\xbf\xbd", 3);
        } else if (v->text[i] == '\xed') {
            add(c, "\xef\xbf\xbd", 3);
            i += 2;
        } else {
            add(c, v->text + i, 1);
        }
}

static void
add_json(struct canon *c, const struct value *v)
{
    struct canon own = { .len = 0 };
    switch (v->what) {
    case V_NULL:
    case V_MISSING:
        add(c, "null", 4);
        return;
    case V_BOOL:
        add(c, v->number ? "true" : "false", v->number ? 4 : 5);
        return;
    case V_STRING:
        add_clean(&own, v);
        add(c, "\"", 1);
        for (size_t i = 0; i < own.len; i++) {
            const char *at = strchr("\tt\nn\rr\"\"\\\\", own.text[i]);
            if (at && (own.text[i] < ' ' || strchr("\"\\", own.text[i]))) {
                add(c, "\\", 1);
                add(c, at + 1, 1);
            } else {
                add(c, own.text + i, 1);
            }
        }
        add(c, "\"", 1);
        return;
    case V_ARRAY:
        add(c, "[", 1);
        for (unsigned i = 0; i < v->count; i++) {
            add(c, ",", i > 0);
            add_json(c, &v->items[i]);
        }
        add(c, "]", 1);
        return;
    default:
        add(c, v->text, v->len);
    }
}

/* Where the point is, counted in digits, is moved by what s says; there are
 * digits on both sides of it or at it then.  0: that is no exponent. */
static int
move_point(char *digits, size_t size, size_t *n, size_t *whole, const char *s,
           size_t len)
{
    int minus = len && *s == '-';
    size_t by = 0;
    if (len && (*s == '-' || *s == '+'))
        s++, len--;
    if (!len)
        return 0;
    for (; len; s++, len--) {
        if (*s < '0' || *s > '9')
            return 0;
        by = by * 10 + (size_t) (*s - '0');
    }
    size_t more = minus ? by - (by < *whole ? by : *whole)
                        : by - (by < *n - *whole ? by : *n - *whole);
    CLAIM(*n + more <= size);
    if (minus)
        memmove(digits + more, digits, *n);
    memset(minus ? digits : digits + *n, '0', more);
    *n += more;
    *whole = minus ? *whole + more - by : *whole + by;
    return 1;
}

/* -?digits[.digits][e-?digits], without what says nothing; 0: it is none.
 * Spaces around it are nothing.  point: may it have one, and an exponent? */
static int
add_number(struct canon *c, const char *s, size_t len, int point)
{
    char digits[600];
    size_t n = 0, whole = 0, dots = 0, at = 0;
    int negative = 0, zero = 1;
    while (len && strchr(" \t\n\r", s[0]) && s[0])
        s++, len--;
    while (len && strchr(" \t\n\r", s[len - 1]) && s[len - 1])
        len--;
    if (len && (*s == '-' || *s == '+'))
        negative = *s == '-', s++, len--;
    size_t end = 0;
    while (end < len && (!point || (s[end] | 0x20) != 'e'))
        end++;
    for (size_t i = 0; i < end; i++) {
        if (s[i] == '.' && point && !dots++) {
            whole = n;
        } else if (s[i] >= '0' && s[i] <= '9') {
            zero &= s[i] == '0';
            digits[n++] = s[i];
        } else {
            return 0;
        }
    }
    if (!n)
        return 0;
    if (!dots)
        whole = n;
    if (end < len
        && !move_point(digits, sizeof digits, &n, &whole, s + end + 1,
                       len - end - 1))
        return 0;
    while (at < whole && digits[at] == '0')
        at++;
    add(c, "-", negative && !zero);
    if (at == whole)
        add(c, "0", 1);
    add(c, digits + at, whole - at);
    if (n > whole) {
        add(c, ".", 1);
        add(c, digits + whole, n - whole);
    }
    return 1;
}

/* A number as the double that it is nearest to; 0 has a sign.  0: it is none;
 * -1: there is no such double. */
static int
add_float(struct canon *c, const char *s, size_t len)
{
    if (!add_number(c, s, len, 1))
        return 0;
    c->text[c->len] = 0;
    errno = 0;
    double d = strtod(c->text, NULL);
    if (errno == ERANGE && (d == 0 || isinf(d)))
        return -1;
    while (len && strchr(" \t\n\r", *s) && *s)
        s++, len--;
    if (d == 0 && *s == '-')
        d = -d;
    c->len = (size_t) snprintf(c->text, 40, "%.17g", d);
    return 1;
}

static void
mean_int(struct canon *c, const struct value *v, int64_t most)
{
    struct canon n = { .len = 0 };
    char *end;
    c->meaning = M_BAD;
    if (v->what == V_STRING && v->len && v->text[0] == '0') {
        c->meaning = M_RAW; /* 0x1f */
        add_clean(c, v);
        return;
    }
    if ((v->what != V_INT && v->what != V_DECIMAL && v->what != V_STRING)
        || !add_number(&n, v->text, v->len, v->what == V_DECIMAL))
        return;
    n.text[n.len] = 0;
    errno = 0;
    long long value = strtoll(n.text, &end, 10);
    if (errno || value > most || value < -most - 1)
        return;
    if (*end && strspn(end, ".0") != strlen(end))
        return;
    c->meaning = M_VALUE;
    add(c, n.text, (size_t) (end - n.text));
    if (c->len == 2 && !memcmp(c->text, "-0", 2))
        c->text[0] = '0', c->len = 1;
}

static void
mean_number(struct canon *c, const struct value *v, int is_float)
{
    if (v->what != V_INT && v->what != V_DECIMAL && v->what != V_STRING) {
        c->meaning = M_BAD;
        return;
    }
    int is = is_float ? add_float(c, v->text, v->len)
                      : add_number(c, v->text, v->len, 1);
    if (is < 0) {
        c->meaning = M_BAD;
    } else if (!is) {
        const char *s = v->text;
        size_t len = v->len;
        while (len && strchr(" \t\n\r", *s) && *s)
            s++, len--;
        if (len > 1 && *s == '-')
            s++, len--;
        c->meaning = !is_float && len && *s == 'N' ? M_RAW : M_BAD;
        c->len = 0;
        if (c->meaning == M_RAW)
            add_clean(c, v);
    }
}

static void
add_hex(struct canon *c, unsigned char byte)
{
    add(c, &"0123456789abcdef"[byte >> 4], 1);
    add(c, &"0123456789abcdef"[byte & 15], 1);
}

static void
mean_bytea(struct canon *c, const struct value *v)
{
    c->meaning = v->what == V_STRING ? M_VALUE : M_BAD;
    for (size_t i = 0; i < v->len && c->meaning == M_VALUE; i++) {
        if (v->text[i] == '\\' && (++i == v->len || v->text[i] != '\\'))
            c->meaning = M_BAD;
        else
            add_hex(c, (unsigned char) v->text[i]);
    }
}

static int
is_bad_text(const struct value *v)
{
    int bad = v->bad;
    for (unsigned i = 0; i < v->count; i++)
        bad |= is_bad_text(&v->items[i]);
    return bad;
}

static void
mean_text(struct canon *c, const struct value *v)
{
    if (v->what == V_STRING)
        add_clean(c, v);
    else
        add_json(c, v);
}

static void
mean_varchar(struct canon *c, const struct value *v)
{
    size_t chars = 0;
    mean_text(c, v);
    for (size_t i = 0; i < c->len; i++)
        if (((unsigned char) c->text[i] & 0xc0) != 0x80 && ++chars > 3
            && c->text[i] != ' ')
            c->meaning = M_BAD;
}

/* No array: of an array's elements too. */
static void
mean(struct canon *c, enum kind kind, const struct value *v, int refuse_bad)
{
    c->meaning = M_VALUE;
    c->len = 0;
    if (v->what == V_NULL || v->what == V_MISSING) {
        c->meaning = M_NULL;
        return;
    }
    switch (kind) {
    case T_INT2:
        mean_int(c, v, 32767);
        return;
    case T_INT8:
        mean_int(c, v, INT64_MAX);
        return;
    case T_NUMERIC:
    case T_FLOAT8:
        mean_number(c, v, kind == T_FLOAT8);
        break;
    case T_BOOL:
        if (v->what == V_BOOL || (v->what == V_INT && v->number >> 1 == 0))
            add(c, v->number ? "t" : "f", 1);
        else
            c->meaning = M_BAD;
        return;
    case T_UUID:
        c->meaning = v->what == V_STRING && v->len == sizeof uuid - 1
                             && memcmp(v->text, uuid, v->len) == 0
                         ? M_VALUE
                         : M_BAD;
        for (size_t i = 0; i < v->len && c->meaning == M_VALUE; i++)
            if (v->text[i] != '-')
                add(c, &(char){ (char) tolower(v->text[i]) }, 1);
        return;
    case T_BYTEA:
        mean_bytea(c, v);
        return;
    case T_JSON:
    case T_JSONB:
        add_json(c, v);
        break;
    case T_VARCHAR:
        mean_varchar(c, v);
        break;
    case T_OTHER:
        mean_text(c, v);
        c->meaning = M_RAW;
        break;
    default:
        mean_text(c, v);
    }
    if (refuse_bad && is_bad_text(v))
        c->meaning = M_BAD;
}

/* An array is its elements, each behind its length, between brackets; any that
 * has none is []. */
static void
add_item(struct canon *c, const struct canon *item, int is_null)
{
    char head[24];
    int n = is_null ? snprintf(head, sizeof head, "~;")
                    : snprintf(head, sizeof head, "%zu:", item->len);
    add(c, head, (size_t) n);
    if (!is_null)
        add(c, item->text, item->len);
}

static int
is_json(enum kind kind)
{
    return kind == T_JSON || kind == T_JSONB;
}

static void
mean_items(struct canon *c, enum kind kind, const struct value *v, int refuse,
           const unsigned *sizes, unsigned dims)
{
    if (v->what != V_ARRAY || v->count != *sizes) {
        c->meaning = M_BAD;
        return;
    }
    add(c, "[", 1);
    for (unsigned i = 0; i < v->count && c->meaning != M_BAD; i++) {
        static struct canon item;
        if (dims > 1) {
            mean_items(c, kind, &v->items[i], refuse, sizes + 1, dims - 1);
            continue;
        }
        if (v->items[i].what == V_ARRAY && !is_json(kind)) {
            c->meaning = M_BAD;
            return;
        }
        mean(&item, kind, &v->items[i], refuse);
        if (item.meaning == M_BAD || item.meaning == M_RAW)
            c->meaning = item.meaning;
        add_item(c, &item, item.meaning == M_NULL);
    }
    add(c, "]", 1);
}

static void
mean_array(struct canon *c, enum kind kind, const struct value *v, int refuse)
{
    unsigned sizes[8] = { 0 }, dims = 0;
    const struct value *at = v;
    c->len = 0;
    c->meaning = M_BAD;
    if (v->what == V_NULL || v->what == V_MISSING)
        c->meaning = M_NULL;
    if (v->what == V_STRING && !(refuse && v->bad)) {
        c->meaning = M_RAW; /* '{1,2}', by the server */
        add_clean(c, v);
    }
    if (v->what != V_ARRAY)
        return;
    c->meaning = M_VALUE;
    while (at->what == V_ARRAY && (!dims || !is_json(kind))) {
        sizes[dims++] = at->count;
        if (!at->count)
            break;
        at = at->items;
    }
    mean_items(c, kind, v, refuse, sizes, dims);
    if (!sizes[dims - 1]) {
        c->len = 0;
        add(c, "[]", 2);
    }
}

/* --- the reader ----------------------------------------------------------- */

static uint64_t
big_endian(const char *p, size_t size)
{
    uint64_t n = 0;
    while (size--)
        n = n << 8 | (unsigned char) *p++;
    return n;
}

static void
read_numeric(struct canon *c, const char *p, size_t len)
{
    char text[1100];
    size_t n = 0;
    CLAIM(len >= 8);
    int groups = (int16_t) big_endian(p, 2),
        weight = (int16_t) big_endian(p + 2, 2);
    unsigned sign = (unsigned) big_endian(p + 4, 2);
    int scale = (int) big_endian(p + 6, 2);
    CLAIM(len == 8 + 2 * (size_t) groups && (!sign || sign == 0x4000));
    CLAIM(weight < 120 && scale < 500);
    if (sign)
        text[n++] = '-';
    text[n++] = '0';
    for (int at = weight > 0 ? weight : 0; at >= -((scale + 3) / 4); at--) {
        int i = weight - at, group = 0;
        if (i >= 0 && i < groups)
            group = (int) big_endian(p + 8 + 2 * i, 2);
        CLAIM(group < 10000);
        if (at == -1)
            text[n++] = '.';
        n += (size_t) snprintf(text + n, sizeof text - n, "%04d", group);
    }
    CLAIM(weight - groups + 1 >= -((scale + 3) / 4) || !groups);
    CLAIM(add_number(c, text, n - (size_t) ((4 - scale % 4) % 4), 1));
}

static void
read_binary(struct canon *c, enum kind kind, const char *p, size_t len)
{
    char text[64];
    double d;
    uint64_t bits;
    c->len = 0;
    switch (kind) {
    case T_INT2:
        CLAIM(len == 2);
        add(c, text,
            (size_t) snprintf(text, sizeof text, "%d",
                              (int16_t) big_endian(p, 2)));
        return;
    case T_INT8:
        CLAIM(len == 8);
        add(c, text,
            (size_t) snprintf(text, sizeof text, "%lld",
                              (long long) big_endian(p, 8)));
        return;
    case T_NUMERIC:
        read_numeric(c, p, len);
        return;
    case T_FLOAT8:
        CLAIM(len == 8);
        bits = big_endian(p, 8);
        memcpy(&d, &bits, 8);
        add(c, text, (size_t) snprintf(text, sizeof text, "%.17g", d));
        return;
    case T_BOOL:
        CLAIM(len == 1 && (unsigned char) *p <= 1);
        add(c, *p ? "t" : "f", 1);
        return;
    case T_UUID:
        CLAIM(len == 16);
        /* fall through */
    case T_BYTEA:
        for (size_t i = 0; i < len; i++)
            add_hex(c, (unsigned char) p[i]);
        return;
    case T_JSONB:
        CLAIM(len && *p == 1);
        add(c, p + 1, len - 1);
        return;
    default:
        CLAIM(kind != T_OTHER);
        add(c, p, len);
    }
}

static void
read_text(struct canon *c, enum kind kind, const char *p, size_t len)
{
    c->len = 0;
    switch (kind) {
    case T_INT2:
    case T_INT8:
    case T_NUMERIC:
        if (add_number(c, p, len, kind >= T_NUMERIC))
            return;
        c->len = 0; /* for the server */
        break;
    case T_FLOAT8:
        if (add_float(c, p, len) > 0)
            return;
        c->len = 0;
        break;
    case T_UUID:
        for (size_t i = 0; i < len; i++)
            if (p[i] != '-')
                add(c, &(char){ (char) tolower(p[i]) }, 1);
        return;
    case T_BYTEA:
        CLAIM(len >= 2 && !memcmp(p, "\\x", 2));
        add(c, p + 2, len - 2);
        return;
    default:
        break;
    }
    add(c, p, len);
}

struct walk {
    enum kind kind;
    const char *p, *end;
    const char *sizes; /* of dimensions, in binary */
    unsigned items;
    int nulls;
};

static void
walk_binary(struct canon *c, struct walk *w, uint32_t dim, uint32_t dims)
{
    static struct canon item;
    uint64_t n = big_endian(w->sizes + 8 * dim, 4);
    CLAIM(big_endian(w->sizes + 8 * dim + 4, 4) == 1);
    add(c, "[", 1);
    for (uint64_t i = 0; i < n; i++) {
        if (dim + 1 < dims) {
            walk_binary(c, w, dim + 1, dims);
            continue;
        }
        CLAIM(w->end - w->p >= 4);
        int32_t len = (int32_t) big_endian(w->p, 4);
        w->p += 4;
        w->items++;
        w->nulls |= len == -1;
        CLAIM(len >= -1 && len <= w->end - w->p);
        if (len >= 0)
            read_binary(&item, w->kind, w->p, (size_t) len);
        w->p += len > 0 ? len : 0;
        add_item(c, &item, len < 0);
    }
    add(c, "]", 1);
}

static void
read_array_binary(struct canon *c, enum kind kind, const char *p, size_t len)
{
    CLAIM(len >= 12);
    uint32_t dims = (uint32_t) big_endian(p, 4);
    struct walk w = { kind, p + 12 + 8 * (size_t) dims, p + len, p + 12, 0, 0 };
    CLAIM(dims <= 6 && w.p <= w.end && big_endian(p + 8, 4) == kinds[kind].oid);
    if (dims)
        walk_binary(c, &w, 0, dims);
    else
        add(c, "[]", 2);
    CLAIM(w.p == w.end && big_endian(p + 4, 4) == (uint64_t) w.nulls);
}

static void
walk_item(struct canon *c, struct walk *w)
{
    static struct canon item, raw;
    w->items++;
    if (w->end - w->p > 4 && !memcmp(w->p, "NULL", 4)) {
        w->p += 4;
        add_item(c, &item, 1);
        return;
    }
    CLAIM(*w->p++ == '"');
    for (raw.len = 0; w->p < w->end && *w->p != '"'; w->p++) {
        w->p += *w->p == '\\';
        CLAIM(w->p < w->end);
        add(&raw, w->p, 1);
    }
    CLAIM(w->p++ < w->end);
    read_text(&item, w->kind, raw.text, raw.len);
    add_item(c, &item, 0);
}

static void
walk_text(struct canon *c, struct walk *w)
{
    CLAIM(w->p < w->end && *w->p++ == '{');
    add(c, "[", 1);
    for (int first = 1; w->p < w->end && *w->p != '}'; first = 0) {
        CLAIM(first || *w->p++ == ',');
        CLAIM(w->p < w->end);
        if (*w->p == '{')
            walk_text(c, w);
        else
            walk_item(c, w);
    }
    CLAIM(w->p < w->end && *w->p++ == '}');
    add(c, "]", 1);
}

static void
read_array_text(struct canon *c, enum kind kind, const char *p, size_t len)
{
    struct walk w = { kind, p, p + len, NULL, 0, 0 };
    walk_text(c, &w);
    CLAIM(w.p == w.end);
    if (!w.items) {
        c->len = 0;
        add(c, "[]", 2);
    }
}

/* One field of COPY's text format, up to the tab or newline behind it. */
static const char *
unescape(const char *p, const char *end, struct canon *out, int *is_null)
{
    out->len = 0;
    *is_null =
        end - p > 2 && !memcmp(p, "\\N", 2) && (p[2] == '\t' || p[2] == '\n');
    for (; p < end && *p != '\t' && *p != '\n'; p++) {
        CLAIM(*p != '\r' && *p);
        if (*p != '\\') {
            add(out, p, 1);
            continue;
        }
        CLAIM(++p < end);
        const char *at = strchr("t\tn\nr\r\\\\NN", *p);
        CLAIM(at && (*p != 'N' || *is_null));
        add(out, at + 1, 1);
    }
    CLAIM(p < end);
    return p;
}

/* --- both ----------------------------------------------------------------- */

static enum kind column_kinds[COLUMNS_MAX];
static struct value values[EVENTS_MAX][COLUMNS_MAX];

static void
meaning(struct canon *c, const struct column *col, unsigned k,
        const struct value *v, int refuse)
{
    if (col->is_array)
        mean_array(c, column_kinds[k], v, refuse);
    else
        mean(c, column_kinds[k], v, refuse);
}

/* A field that is there, its bytes taken out of the format. */
static void
check_field(const struct column *col, unsigned k, const struct canon *want,
            const char *p, size_t len, int binary)
{
    static struct canon got;
    enum kind kind = column_kinds[k];
    got.len = 0;
    CLAIM(want->meaning != M_RAW || !binary);
    if (col->is_array
        && (want->meaning != M_RAW || (len && want->text[0] == '[')))
        (binary ? read_array_binary : read_array_text)(&got, kind, p, len);
    else if (want->meaning == M_RAW)
        add(&got, p, len);
    else
        (binary ? read_binary : read_text)(&got, kind, p, len);
    CLAIM(want->len == got.len && !memcmp(want->text, got.text, got.len));
}

static void
check_row(const struct job *job, const struct plan *plan,
          const uint64_t *left_out, const struct value *row, const char *p,
          const char *end, int refuse)
{
    static struct canon want, raw;
    unsigned count = 0, seen = 0;
    for (unsigned k = 0; k < plan->count; k++)
        count += !plan_left_out(&plan->columns[k], left_out);
    CLAIM(count);
    if (job->binary) {
        CLAIM(end - p >= 2 && big_endian(p, 2) == count);
        p += 2;
    }
    for (unsigned k = 0; k < plan->count; k++) {
        const struct column *col = &plan->columns[k];
        if (plan_left_out(col, left_out)) {
            CLAIM(row[k].what == V_MISSING);
            continue;
        }
        CLAIM(row[k].what != V_MISSING || col->optional < 0 || count == 1);
        meaning(&want, col, k, &row[k], refuse);
        CLAIM(want.meaning != M_BAD);
        int is_null;
        seen++;
        if (job->binary) {
            CLAIM(end - p >= 4);
            int32_t len = (int32_t) big_endian(p, 4);
            p += 4;
            is_null = len == -1;
            CLAIM(len >= -1 && len <= end - p);
            if (!is_null)
                check_field(col, k, &want, p, (size_t) len, 1);
            p += is_null ? 0 : len;
        } else {
            p = unescape(p, end, &raw, &is_null);
            CLAIM(*p++ == (seen < count ? '\t' : '\n'));
            if (!is_null)
                check_field(col, k, &want, raw.text, raw.len, 0);
        }
        CLAIM(is_null == (want.meaning == M_NULL));
    }
    CLAIM(p == end);
}

static void
check_job(const struct job *job, const struct plan *plan, int refuse)
{
    static struct canon want;
    int seen[EVENTS_MAX] = { 0 };
    for (uint32_t i = 0; i < job->part_count; i++)
        for (uint32_t r = job->parts[i].first; r < job->parts[i].end; r++) {
            size_t from = r ? job->rows[r - 1].end : 0;
            uint32_t event = job->rows[r].event;
            CLAIM(event < job->batch->count && !seen[event]++);
            check_row(job, plan, job->parts[i].omitted, values[event],
                      job->wire->data + from,
                      job->wire->data + job->rows[r].end, refuse);
        }
    CLAIM(!job->row_count
          || job->rows[job->row_count - 1].end == job->wire->len);
    for (uint32_t i = 0; i < job->batch->count; i++) {
        int bad = 0;
        const struct batch_event *e = &job->batch->events[i];
        for (unsigned k = 0; k < plan->count; k++) {
            meaning(&want, &plan->columns[k], k, &values[i][k], refuse);
            bad |= want.meaning == M_BAD;
        }
        CLAIM(bad == !seen[i]);
        CLAIM(bad == (e->state == BATCH_REJECTED));
        CLAIM(!bad || (e->reason->code && strlen(e->reason->code) == 5));
    }
}

/* All of a host that is needed to make rows. */
static struct il_host *
host(void)
{
    static struct {
        const struct il_api *api;
    } made;
    if (!made.api) {
        host_api_init();
        made.api = api_table();
    }
    return (struct il_host *) (void *) &made;
}

static struct plan *
make_plan(struct bytes *in, char names[COLUMNS_MAX][4])
{
    unsigned n = 1 + pick(in, COLUMNS_MAX);
    struct plan *plan = calloc(1, sizeof *plan + n * sizeof plan->columns[0]);
    CLAIM(plan);
    plan->host = host();
    plan->count = plan->unique = n;
    for (unsigned k = 0; k < n; k++) {
        struct column *c = &plan->columns[k];
        unsigned choice = pick(in, KINDS), how = pick(in, 4);
        column_kinds[k] = (enum kind) choice;
        snprintf(names[k], 4, "c%u", k);
        *c = (struct column){ .name = names[k],
                              .type = kinds[choice].oid,
                              .modifier = choice == T_VARCHAR ? 7 : -1,
                              .type_name = "some",
                              .put = kinds[choice].put,
                              .is_array = how & 1,
                              .optional = -1 };
        if (how & 2)
            c->optional = (int) plan->optional_count++;
        plan->text_only |= choice == T_OTHER;
        CLAIM(!il_field_named(host(), IL_FIELD_ANY, names[k], &c->field));
    }
    return plan;
}

static void
add_event(struct bytes *in, struct il_batch *batch, const struct plan *plan,
          unsigned i, struct il_text *payload)
{
    struct il_text json = { 0 };
    struct json_error error;
    const char *comma = "";
    say(&json, "{");
    for (unsigned k = 0; k < plan->count; k++) {
        values[i][k] = (struct value){ 0 };
        if (pick(in, 8) == 7)
            continue;
        say(&json, comma);
        say(&json, "\"");
        say(&json, plan->columns[k].name);
        say(&json, "\":");
        make_value(in, &values[i][k], &json, 0);
        comma = ",";
    }
    say(&json, "}");
    CLAIM(json_to_msgpack(json.data, json.len, payload, &error) == 0);
    struct event e = { .id = SLICE("evt_1"),
                       .type = SLICE("t"),
                       .source_id = SLICE("app"),
                       .received_us = INT64_C(1795000000000000),
                       .timestamp_us = EVENT_NO_TIME,
                       .payload = slice_of(payload->data, payload->len) };
    CLAIM(batch_add_event(batch, i + 1, NULL, 0, &e) == 0);
    text_clear(&json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = { data, data + size };
    char names[COLUMNS_MAX][4];
    struct il_text payloads[EVENTS_MAX] = { 0 };
    struct encoder e;
    int refuse = (int) pick(&in, 2);
    unsigned n = 1 + pick(&in, EVENTS_MAX);
    struct plan *plan = make_plan(&in, names);
    struct il_batch *batch = batch_new();
    CLAIM(batch && !encode_open(&e, host(), refuse));
    pool_used = 0;
    for (unsigned i = 0; i < n; i++)
        add_event(&in, batch, plan, i, &payloads[i]);
    batch_seal(batch);
    batch_enter(batch, BATCH_AT_DESTINATION, NULL);
    struct job job = {
        .batch = batch, .wire = il_text_new(host()), .end = 1, .connections = 1
    };
    CLAIM(job.wire && encode_job(&e, &job, plan) == 0);
    check_job(&job, plan, refuse);

    il_text_free(host(), job.wire);
    free(job.rows);
    free(job.parts);
    free(job.order);
    free(job.sets);
    encode_close(&e);
    batch_enter(batch, BATCH_NOBODY, NULL);
    batch_free(batch);
    for (unsigned k = 0; k < plan->count; k++)
        il_field_free(host(), plan->columns[k].field);
    for (unsigned i = 0; i < n; i++)
        text_clear(&payloads[i]);
    free(plan);
    return 0;
}

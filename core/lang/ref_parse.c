/* SPDX-License-Identifier: MIT */
/* References from their text. */
#include "lexis.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REF_INDEX_MAX 9 /* digits of an element number */

/* Reading of one path, done twice: to measure (field NULL), then to fill. */
struct reader {
    const char *begin, *p, *end;
    struct lang_error *error;
    struct il_field *field;
    char *keys; /* where the next key's bytes go */
    uint32_t count;
    size_t key_bytes;
};

static int
fail(const struct reader *r, const char *message)
{
    return lang_fail(r->error, (size_t) (r->p - r->begin), "%s", message);
}

static int
add_part(struct reader *r, const char *key, size_t len, int64_t index)
{
    if (r->count == REF_DEPTH_MAX)
        return fail(r, "this path is too deep (32 parts at most)");
    if (r->field) {
        struct ref_part *part = &r->field->parts[r->count];
        part->key = key ? r->keys : NULL;
        part->len = len;
        part->index = index;
        if (key && key != r->keys) /* lang_quoted_read() puts it there itself */
            memcpy(r->keys, key, len);
        if (key)
            r->keys += len;
    }
    r->count++;
    r->key_bytes += key ? len : 0;
    return 0;
}

/* [3], [-1] */
static int
read_index(struct reader *r, const char *p)
{
    int negative = *p == '-';
    const char *first = p += negative;
    int64_t index = 0;
    while (p < r->end && *p >= '0' && *p <= '9' && p - first < REF_INDEX_MAX)
        index = index * 10 + (*p++ - '0');
    if (p == first || p == r->end || *p != ']') {
        r->p = p;
        return fail(r, "expected an element number of at most 9 digits and ]");
    }
    int err = add_part(r, NULL, 0, negative ? -index : index);
    r->p = p + 1;
    return err;
}

/* ["a.b"] */
static int
read_bracket(struct reader *r)
{
    const char *p = r->p + 1;
    size_t len, used;
    if (p < r->end && (*p == '"' || *p == '\'')) {
        char *into = r->field ? r->keys : NULL;
        used = lang_quoted_read(r->begin, p, r->end, into, &len, r->error);
        if (!used)
            return -EINVAL;
        p += used;
        if (p == r->end || *p != ']') {
            r->p = p;
            return fail(r, "expected ]");
        }
        int err = add_part(r, into ? into : p, len, 0);
        r->p = p + 1;
        return err;
    }
    if (p < r->end && (*p == '-' || (*p >= '0' && *p <= '9')))
        return read_index(r, p);
    r->p = p;
    return fail(r, "expected an element number or a quoted name, as in "
                   "items[0] or [\"a.b\"]");
}

static int
read_name(struct reader *r)
{
    size_t len = lang_name_len(r->p, r->end);
    if (len == 0) {
        if (r->p < r->end && *r->p >= '0' && *r->p <= '9')
            return fail(r, "an element is written [0], a name that begins "
                           "with a digit [\"0\"]");
        return fail(r, "expected a name");
    }
    int err = add_part(r, r->p, len, 0);
    r->p += len;
    return err;
}

/* Any number of .name and [..]. */
static int
read_path(struct reader *r)
{
    int err = 0;
    while (!err && r->p < r->end && (*r->p == '.' || *r->p == '[')) {
        if (*r->p == '[') {
            err = read_bracket(r);
        } else {
            r->p++;
            err = read_name(r);
        }
    }
    return err;
}

/* To columns and the like that have a name alone, `key` is the field of the
 * payload, as many have one. */
static int
envelope_root(const char *name, size_t len)
{
    static const struct {
        const char *name;
        int root;
    } roots[] = { { "id", ROOT_ID },
                  { "type", ROOT_TYPE },
                  { "source_id", ROOT_SOURCE },
                  { "received_at", ROOT_RECEIVED },
                  { "timestamp", ROOT_TIMESTAMP } };
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (strlen(roots[i].name) == len
            && memcmp(roots[i].name, name, len) == 0)
            return roots[i].root;
    return ROOT_PAYLOAD;
}

/* After "$event": .id, .payload, .payload.x, .x, ["x"]. */
static int
read_event(struct reader *r, int *root)
{
    *root = ROOT_PAYLOAD;
    if (r->p == r->end || (*r->p != '.' && *r->p != '['))
        return fail(r, "expected a field of the event, as in "
                       "$event.payload.user_id or $event.type");
    if (*r->p == '.') {
        size_t len = lang_name_len(r->p + 1, r->end);
        const char *name = r->p + 1, *after = name + len;
        *root = len == 3 && !memcmp(name, "key", 3) ? ROOT_KEY
                                                    : envelope_root(name, len);
        if (*root != ROOT_PAYLOAD) {
            r->p = after;
            if (after < r->end && (*after == '.' || *after == '['))
                return fail(r, "this field of the event has no parts");
            return 0;
        }
        if (len == 7 && memcmp(name, "payload", 7) == 0)
            r->p = after;
    }
    if (r->p + 1 < r->end && *r->p == '['
        && (r->p[1] == '-' || (r->p[1] >= '0' && r->p[1] <= '9')))
        return fail(r, "the payload is an object and has no elements");
    return read_path(r);
}

static int
starts(const struct reader *r, const char *word)
{
    size_t len = strlen(word);
    return (size_t) (r->end - r->p) >= len && memcmp(r->p, word, len) == 0
           && !lang_name_next(r->p + len, r->end);
}

/* After "$entity": .user, .user.plan. */
static int
read_entity(struct reader *r, const struct il_kind **kind)
{
    if (r->p == r->end || *r->p != '.')
        return fail(r, "expected a kind of entity, as in $entity.user.plan");
    r->p++;
    size_t len = lang_name_len(r->p, r->end);
    if (!len)
        return fail(r, "expected a kind of entity, as in $entity.user.plan");
    if (r->field) {
        *kind = batch_kind(r->p, len);
        if (!*kind)
            return -ENOMEM;
    }
    r->p += len;
    /* When it was seen: no trait of this name can be in the way but by [".."]. */
    if (starts(r, ".@seen")) {
        int err = add_part(r, r->p + 1, 5, 0);
        r->p += 6;
        return err;
    }
    return read_path(r);
}

#define STEP_NAME_MAX 128 /* bytes, as a config has them */

/* A kind that a step's results are under, which no entity can have. */
static const struct il_kind *
step_kind(const char *name, size_t len)
{
    char text[sizeof REF_STEP + STEP_NAME_MAX];
    memcpy(text, REF_STEP, strlen(REF_STEP));
    memcpy(text + strlen(REF_STEP), name, len);
    return batch_kind(text, strlen(REF_STEP) + len);
}

/* After "$step": .exports, .exports.nth, ["slack.1"].nth. */
static int
read_step(struct reader *r, const struct il_kind **kind)
{
    static const char expected[] =
        "expected the name of a step, as in $step.exports.count or "
        "$step[\"slack.1\"].count";
    char quoted[STEP_NAME_MAX];
    const char *name = r->p + 1;
    size_t len = 0, used = 0;
    if (r->p < r->end && *r->p == '.') {
        used = len = lang_name_len(name, r->end);
    } else if (r->p < r->end && *r->p == '[') {
        const char *end = memchr(r->p, ']', (size_t) (r->end - r->p));
        if (!end || end - name > STEP_NAME_MAX)
            return fail(r, expected);
        used = lang_quoted_read(r->begin, name, end, quoted, &len, r->error);
        if (!used || name + used != end)
            return fail(r, expected);
        name = quoted;
        used++;
    }
    if (!len)
        return fail(r, expected);
    if (len > STEP_NAME_MAX)
        return fail(r, "no step has a name as long as this");
    if (r->field && !(*kind = step_kind(name, len)))
        return -ENOMEM;
    r->p += 1 + used;
    return read_path(r);
}

static int
read_reference(struct reader *r, int flags, int *root,
               const struct il_kind **kind)
{
    *root = ROOT_PAYLOAD;
    if (starts(r, "$event")) {
        r->p += strlen("$event");
        return read_event(r, root);
    }
    if (starts(r, "$entity")) {
        *root = ROOT_ENTITY;
        r->p += strlen("$entity");
        return read_entity(r, kind);
    }
    if (starts(r, "$step")) {
        *root = ROOT_ENTITY;
        r->p += strlen("$step");
        return read_step(r, kind);
    }
    if (r->p < r->end && *r->p == '$')
        return fail(r, "a reference begins with $event, $entity or $step");
    if (!(flags & REF_BARE))
        return fail(r, "expected a reference, as in $event.payload.user_id "
                       "or $entity.user.plan");
    int err = r->p < r->end && *r->p == '[' ? read_bracket(r) : read_name(r);
    return err ? err : read_path(r);
}

int
ref_parse_prefix(const char *text, size_t len, int flags, size_t *used,
                 struct il_field **out, struct lang_error *error)
{
    struct reader r = { text, text, text + len, error, NULL, NULL, 0, 0 };
    const struct il_kind *kind = NULL;
    int root;
    int err = read_reference(&r, flags, &root, &kind);
    if (err)
        return err;
    struct il_field *field = calloc(
        1, sizeof *field + r.count * sizeof(struct ref_part) + r.key_bytes);
    if (!field)
        return -ENOMEM;
    *used = (size_t) (r.p - text);
    r = (struct reader){ text,  text,  text + len,
                         error, field, (char *) (field->parts + r.count),
                         0,     0 };
    err = read_reference(&r, flags, &root, &kind);
    if (err) {
        free(field);
        return err;
    }
    field->root = root;
    field->kind = kind;
    field->count = r.count;
    *out = field;
    return 0;
}

int
ref_parse(const char *text, size_t len, int flags, struct il_field **out,
          struct lang_error *error)
{
    size_t used;
    int err = ref_parse_prefix(text, len, flags, &used, out, error);
    if (err || used == len)
        return err;
    ref_free(*out);
    *out = NULL;
    if (lang_utf8_len(text + used, text + len) == 0)
        return lang_fail(error, used, "bytes that are not UTF-8 text");
    return lang_fail(error, used,
                     "a reference ends here; a name with other "
                     "characters is written [\"a name\"]");
}

int
ref_named(int what, const char *name, struct il_field **out)
{
    size_t len = strlen(name);
    int root = ROOT_PAYLOAD, whole = 0;
    if (what == IL_FIELD_ANY) {
        root = envelope_root(name, len);
        whole = strcmp(name, "payload") == 0;
        if (root == ROOT_PAYLOAD && !whole)
            root = ROOT_ANY;
    } else if (what != IL_FIELD_PAYLOAD) {
        return -EINVAL;
    }
    struct il_field *field =
        calloc(1, sizeof *field + sizeof(struct ref_part) + len);
    if (!field)
        return -ENOMEM;
    field->root = root;
    if (!whole && (root == ROOT_PAYLOAD || root == ROOT_ANY)) {
        field->count = 1;
        field->parts[0].key = memcpy(field->parts + 1, name, len);
        field->parts[0].len = len;
    }
    *out = field;
    return 0;
}

void
ref_free(struct il_field *field)
{
    free(field);
}

const struct il_kind *
ref_kind(const struct il_field *field)
{
    return field->kind;
}

int
ref_type(const struct il_field *field)
{
    switch (field->root) {
    case ROOT_ID:
    case ROOT_KEY:
    case ROOT_TYPE:
    case ROOT_SOURCE:
        return IL_STRING;
    case ROOT_RECEIVED:
    case ROOT_TIMESTAMP:
        return IL_TIME;
    case ROOT_PAYLOAD:
    case ROOT_ENTITY:
        return field->count ? IL_MISSING : IL_MAP;
    default:
        return IL_MISSING;
    }
}

static int
put_name(struct il_text *out, int first, const char *name, size_t len)
{
    if (len && lang_name_len(name, name + len) == len)
        return text_printf(out, "%s%.*s", first ? "" : ".", (int) len, name);
    return text_printf(out, "[\"%.*s\"]", (int) len, name);
}

int
ref_path(struct il_text *out, const struct il_field *field, uint32_t parts,
         const char *name)
{
    int err = 0;
    for (uint32_t i = 0; i < parts && !err; i++) {
        const struct ref_part *part = &field->parts[i];
        err = part->key ? put_name(out, i == 0, part->key, part->len)
                        : text_printf(out, "[%lld]", (long long) part->index);
    }
    if (!err && name)
        err = put_name(out, parts == 0, name, strlen(name));
    return err;
}

const struct ref_part *
ref_part_at(const struct il_field *field, uint32_t i)
{
    return &field->parts[i];
}

int
ref_in_payload(const struct il_field *field)
{
    return field->root == ROOT_PAYLOAD;
}

uint32_t
ref_parts(const struct il_field *field)
{
    return field->count;
}

int
ref_payload_only(const struct il_field *field)
{
    if (field->root != ROOT_PAYLOAD || !field->count)
        return 0;
    for (uint32_t i = 0; i < field->count; i++)
        if (!field->parts[i].key)
            return 0;
    return 1;
}

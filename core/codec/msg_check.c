/* SPDX-License-Identifier: MIT */
/* May an event hold these bytes?  As strict as the JSON reader, so that what
 * came as msgpack can be written as JSON and be read again.  In one walk and
 * without recursion; keys are compared as those of JSON are. */
#include "private.h"

#include "base/wtf8.h"

/* The containers that are open. */
struct level {
    uint64_t left; /* items, keys included */
    uint32_t map;
    uint32_t keys; /* where this one's begin in the list */
};

struct check {
    const char *base;
    struct level levels[MSG_DEPTH_MAX];
    uint32_t depth;
    struct json_keys keys;
};

/* A decimal is a JSON number, and no integer that has its own form. */
static int
check_decimal(const struct il_value *v)
{
    const char *p = v->str, *end = p + v->len;
    uint64_t value;
    return json_scan_number(&p, end, &value) == JSON_NUMBER_DECIMAL && p == end
               ? 0
               : -EINVAL;
}

/* Note a key at start that ends at p. */
static int
check_key(struct check *c, const struct il_value *v, const char *p)
{
    uint32_t from = c->levels[c->depth - 1].keys;
    struct json_key key;

    if (v->type != IL_STRING)
        return -EINVAL;
    /* Without the head, for which outsiders may choose a longer form. */
    key.at = (uint32_t) (v->str - c->base);
    key.len = (uint32_t) (p - v->str);
    key.tag = json_key_tag(v->str, key.len);
    key.src = 0;
    int err = json_keys_add(&c->keys, from, c->base, key);
    return err > 0 ? -EINVAL : err;
}

static int
close_level(struct check *c)
{
    struct level *level = &c->levels[c->depth - 1];
    uint32_t which;
    int err = 0;

    if (level->map && c->keys.count - level->keys > JSON_KEYS_FEW)
        err = json_keys_twice(&c->keys, level->keys, c->base, &which);
    c->keys.count = level->keys;
    c->depth--;
    return err > 0 ? -EINVAL : err;
}

/* One value or key at *p. */
static int
check_one(struct check *c, const char **p, const char *end)
{
    struct level *in = c->depth ? &c->levels[c->depth - 1] : NULL;
    struct il_value v;

    if (msg_head(p, end, &v))
        return -EINVAL;
    if (v.type == IL_STRING && !wtf8_valid(v.str, v.len))
        return -EINVAL;
    if (v.type == IL_DECIMAL && check_decimal(&v))
        return -EINVAL;
    if (in && in->map && !(in->left & 1)) {
        int err = check_key(c, &v, *p);
        if (err)
            return err;
    }
    if (in)
        in->left--;
    if (v.type == IL_ARRAY || v.type == IL_MAP) {
        int map = v.type == IL_MAP;
        if (c->depth == MSG_DEPTH_MAX)
            return -EINVAL;
        c->levels[c->depth++] = (struct level){ (uint64_t) v.count << map,
                                                (uint32_t) map, c->keys.count };
    }
    return 0;
}

int
msg_check(const char *bytes, size_t len)
{
    struct check c;
    const char *p = bytes, *end = bytes + len;
    int err;

    if (len >= UINT32_MAX)
        return -EINVAL;
    c.base = bytes;
    c.depth = 0;
    json_keys_init(&c.keys);
    do {
        err = check_one(&c, &p, end);
        while (!err && c.depth && c.levels[c.depth - 1].left == 0)
            err = close_level(&c);
    } while (!err && c.depth);
    json_keys_free(&c.keys);
    if (!err && p != end)
        err = -EINVAL;
    return err;
}

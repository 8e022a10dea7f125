/* SPDX-License-Identifier: MIT */
/* Keys that come twice in large objects. */
#include "private.h"

#include "base/table.h"

#include <stdlib.h>
#include <string.h>

void
json_keys_init(struct json_keys *keys)
{
    keys->list = keys->few;
    keys->count = 0;
    keys->cap = sizeof(keys->few) / sizeof(keys->few[0]);
}

void
json_keys_free(struct json_keys *keys)
{
    if (keys->list != keys->few)
        free(keys->list);
}

int
json_keys_grow(struct json_keys *keys)
{
    uint32_t cap = keys->cap * 2; /* fewer than 2^32 / 5 keys in a text */
    struct json_key *old = keys->list == keys->few ? NULL : keys->list;
    struct json_key *list = realloc(old, cap * sizeof(*list));

    if (!list)
        return -ENOMEM;
    if (!old)
        memcpy(list, keys->few, keys->count * sizeof(*list));
    keys->list = list;
    keys->cap = cap;
    return 0;
}

static int
same_key(const struct json_key *a, const struct json_key *b, const char *out)
{
    return a->tag == b->tag && a->len == b->len
           && memcmp(out + a->at, out + b->at, a->len) == 0;
}

int
json_keys_twice(const struct json_keys *keys, uint32_t from, const char *out,
                uint32_t *which)
{
    struct table t = { 0 };
    if (table_room(&t, keys->count - from))
        return -ENOMEM;
    int twice = 0;
    for (uint32_t i = from; i < keys->count && !twice; i++) {
        const struct json_key *key = &keys->list[i];
        uint32_t hash = table_hash(out + key->at, key->len);
        uint32_t at = table_seek(&t, hash, hash);
        while (t.slots[at].number && !twice) {
            twice = same_key(&keys->list[t.slots[at].number - 1], key, out);
            at = table_seek(&t, hash, at + 1);
        }
        if (!twice)
            table_take(&t, at, hash, i);
        *which = i;
    }
    table_clear(&t);
    return twice;
}

/* SPDX-License-Identifier: MIT */
#include "nameset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a.  Senders choose what is looked up, but not what is in the table. */
static uint32_t
hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) name[i]) * 16777619u;
    return h ^ h >> 15;
}

/* The slot of a name, or the free one where it belongs. */
static uint32_t
seek(const struct nameset *set, const char *name, size_t len, uint32_t h)
{
    const struct table *t = &set->table;
    uint32_t at = table_seek(t, h, h);
    for (; t->slots[at].number; at = table_seek(t, h, at + 1)) {
        const struct slice *known = &set->names[t->slots[at].number - 1];
        if (known->len == len && !memcmp(known->ptr, name, len))
            break;
    }
    return at;
}

int
nameset_add(struct nameset *set, const char *name, size_t len)
{
    if (table_room(&set->table, 1))
        return -ENOMEM;
    uint32_t h = hash(name, len), at = seek(set, name, len, h);
    if (set->table.slots[at].number)
        return -EEXIST;
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? set->capacity * 2 : 4;
        void *names = realloc(set->names, capacity * sizeof(*set->names));
        if (!names)
            return -ENOMEM;
        set->names = names;
        set->capacity = capacity;
    }
    char *copy = malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, len);
    copy[len] = '\0';
    set->names[set->count] = slice_of(copy, len);
    table_take(&set->table, at, h, set->count++);
    if (len > set->longest)
        set->longest = len;
    return 0;
}

int64_t
nameset_find(const struct nameset *set, const char *name, size_t len)
{
    if (!set->count || len > set->longest)
        return -1;
    uint32_t at = seek(set, name, len, hash(name, len));
    return (int64_t) set->table.slots[at].number - 1;
}

void
nameset_clear(struct nameset *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free((char *) set->names[i].ptr);
    free(set->names);
    table_clear(&set->table);
    *set = (struct nameset){ 0 };
}

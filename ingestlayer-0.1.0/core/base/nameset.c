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

static void
place(const struct nameset *set, uint32_t number)
{
    const struct slice *name = &set->names[number];
    uint32_t at = hash(name->ptr, name->len) & set->mask;
    while (set->slots[at])
        at = (at + 1) & set->mask;
    set->slots[at] = number + 1;
}

static int
grow(struct nameset *set)
{
    uint32_t capacity = set->slots ? set->mask + 1 : 4;
    struct slice *names = realloc(set->names, capacity * sizeof(*names));
    if (!names)
        return -ENOMEM;
    set->names = names;
    uint32_t *slots = calloc((size_t) capacity * 2, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    free(set->slots);
    set->slots = slots;
    set->mask = capacity * 2 - 1;
    for (uint32_t i = 0; i < set->count; i++)
        place(set, i);
    return 0;
}

int
nameset_add(struct nameset *set, const char *name, size_t len)
{
    if (nameset_find(set, name, len) >= 0)
        return -EEXIST;
    /* names has room for half as many as there are slots */
    if ((!set->slots || set->count == (set->mask + 1) / 2) && grow(set))
        return -ENOMEM;
    char *copy = malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, len);
    copy[len] = '\0';
    set->names[set->count] = slice_of(copy, len);
    place(set, set->count++);
    if (len > set->longest)
        set->longest = len;
    return 0;
}

int64_t
nameset_find(const struct nameset *set, const char *name, size_t len)
{
    if (!set->count || len > set->longest)
        return -1;
    uint32_t at = hash(name, len) & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask) {
        const struct slice *known = &set->names[set->slots[at] - 1];
        if (known->len == len && !memcmp(known->ptr, name, len))
            return set->slots[at] - 1;
    }
    return -1;
}

void
nameset_clear(struct nameset *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free((char *) set->names[i].ptr);
    free(set->names);
    free(set->slots);
    *set = (struct nameset){ 0 };
}

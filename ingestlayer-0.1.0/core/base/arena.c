/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdlib.h>

/* A batch of ten thousand enriched events takes about a megabyte: few blocks,
 * and none too large for an idle lane to keep one. */
#define ARENA_BLOCK (256u * 1024)

/* Nothing that belongs to a batch is this large: a plugin's mistake. */
#define ARENA_MAX ((size_t) 1 << 30)

struct arena_block {
    struct arena_block *next; /* older */
    size_t size, used;
    size_t pad;
    unsigned char data[];
};

_Static_assert(sizeof(struct arena_block) % 16 == 0, "data is aligned");

static struct arena_block *
arena_grow(struct arena_block **arena, size_t size, size_t *held)
{
    if (size < ARENA_BLOCK - sizeof(struct arena_block))
        size = ARENA_BLOCK - sizeof(struct arena_block);
    struct arena_block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = *arena;
    b->size = size;
    b->used = 0;
    *arena = b;
    *held += sizeof *b + size;
    return b;
}

void *
arena_alloc(struct arena_block **arena, size_t size, size_t *held)
{
    if (size > ARENA_MAX)
        return NULL;
    size = (size + 15) & ~(size_t) 15;
    struct arena_block *b = *arena;
    if ((!b || b->size - b->used < size)
        && !(b = arena_grow(arena, size, held)))
        return NULL;
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

static void
arena_pop(struct arena_block **arena, size_t *held)
{
    struct arena_block *b = *arena;
    *arena = b->next;
    *held -= sizeof *b + b->size;
    free(b);
}

void
arena_reset(struct arena_block **arena, size_t *held)
{
    while (*arena
           && ((*arena)->next
               || (*arena)->size > ARENA_BLOCK - sizeof(struct arena_block)))
        arena_pop(arena, held);
    if (*arena)
        (*arena)->used = 0;
}

size_t
arena_used(const struct arena_block *arena)
{
    return arena ? arena->used : 0;
}

void
arena_rewind(struct arena_block **arena, struct arena_block *mark, size_t used,
             size_t *held)
{
    while (*arena && *arena != mark)
        arena_pop(arena, held);
    if (*arena)
        (*arena)->used = used;
}

void
arena_free(struct arena_block **arena, size_t *held)
{
    while (*arena)
        arena_pop(arena, held);
}

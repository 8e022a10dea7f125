/* SPDX-License-Identifier: MIT */
#include "expr_private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4000

struct pool_block {
    struct pool_block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

void *
expr_pool_alloc(struct pool *pool, size_t size)
{
    struct pool_block *block = pool->blocks;
    size = (size + 15) & ~(size_t) 15;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    void *p = block->bytes + block->used;
    block->used += size;
    return p;
}

void
expr_pool_clear(struct pool *pool)
{
    for (struct held_field *f = pool->fields; f; f = f->next)
        ref_free(f->field);
    expr_regex_free(pool->regexes);
    while (pool->blocks) {
        struct pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
    memset(pool, 0, sizeof *pool);
}

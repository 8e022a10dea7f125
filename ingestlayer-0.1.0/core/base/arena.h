/* SPDX-License-Identifier: MIT */
/* Memory that is given back all at once: a chain of blocks, newest first.
 * *held is kept at the sum of the blocks' sizes.  One thread. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena_block;

/* 16-byte aligned; NULL: no memory. */
void *arena_alloc(struct arena_block **, size_t size, size_t *held);
/* Forget everything, keep one block of the common size. */
void arena_reset(struct arena_block **, size_t *held);
/* Bytes used of the newest block; with that block, a mark to go back to. */
size_t arena_used(const struct arena_block *);
void arena_rewind(struct arena_block **, struct arena_block *mark, size_t used,
                  size_t *held);
void arena_free(struct arena_block **, size_t *held);

#endif

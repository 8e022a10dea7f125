/* SPDX-License-Identifier: MIT */
/* Memory for values: pages of the kernel's, each with pieces of one size.
 *
 * A page of which no piece is taken is the next one's, whatever its size, so what
 * is free is never bound to sizes that nobody wants any more; and all of it goes at
 * once.  Of the C library's heap, where what others have lies in between, little
 * would. */
#include "private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
#define REGION_PAGES 64u
#define REGION (PAGE * REGION_PAGES)
#define PIECE_MAX (VALUES_SIZES * VALUES_UNIT)

/* At the beginning of each page.  It is in the list of its size as long as it has a
 * piece to give, and in `spare` when none is taken. */
struct cells_page {
    struct cells_page *next, *before;
    void *free;           /* pieces that were taken, each with the next in it */
    uint16_t size;        /* in units */
    uint16_t taken, made; /* pieces */
};
_Static_assert(CELL_HEAD + CELLS_KEY_MAX + IL_MEMORY_VALUE_MAX <= PIECE_MAX,
               "of every length");

static inline struct cells_page *
page_of(void *piece)
{
    return (struct cells_page *) ((uintptr_t) piece & ~(uintptr_t) (PAGE - 1));
}

static inline int
is_full(const struct cells_page *p)
{
    return !p->free
           && sizeof *p + (size_t) (p->made + 1) * p->size * VALUES_UNIT > PAGE;
}

static void
link_in(struct cells_page **list, struct cells_page *p)
{
    p->before = NULL;
    p->next = *list;
    if (p->next)
        p->next->before = p;
    *list = p;
}

static void
take_out(struct cells_page **list, struct cells_page *p)
{
    if (p->before)
        p->before->next = p->next;
    else
        *list = p->next;
    if (p->next)
        p->next->before = p->before;
}

static int
region_new(struct cells_values *v)
{
    void **regions =
        realloc(v->regions, (v->region_count + 1) * sizeof *regions);
    if (!regions)
        return -1;
    v->regions = regions;
    void *map = mmap(NULL, REGION, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -1;
    regions[v->region_count++] = map;
    v->used = 0;
    return 0;
}

static struct cells_page *
page_new(struct cells_values *v, uint16_t size)
{
    struct cells_page *p = v->spare;
    if (p) {
        take_out(&v->spare, p);
    } else {
        if ((!v->region_count || v->used == REGION_PAGES) && region_new(v))
            return NULL;
        p = (void *) ((char *) v->regions[v->region_count - 1]
                      + (size_t) v->used++ * PAGE);
    }
    *p = (struct cells_page){ .size = size };
    link_in(&v->pages[size - 1], p);
    return p;
}

char *
cells_value_take(struct cells_values *v, size_t *len)
{
    const uint16_t size = (uint16_t) ((*len + VALUES_UNIT - 1) / VALUES_UNIT);
    struct cells_page *p = v->pages[size - 1];
    if (!p && !(p = page_new(v, size)))
        return NULL;
    char *piece = p->free;
    if (piece)
        memcpy(&p->free, piece, sizeof p->free);
    else
        piece = (char *) (p + 1) + (size_t) p->made++ * size * VALUES_UNIT;
    p->taken++;
    if (is_full(p))
        take_out(&v->pages[size - 1], p);
    *len = (size_t) size * VALUES_UNIT;
    return piece;
}

void
cells_value_give(struct cells_values *v, char *piece)
{
    struct cells_page *p = page_of(piece);
    if (is_full(p))
        link_in(&v->pages[p->size - 1], p);
    memcpy(piece, &p->free, sizeof p->free);
    p->free = piece;
    if (--p->taken)
        return;
    take_out(&v->pages[p->size - 1], p);
    link_in(&v->spare, p);
}

void
cells_values_clear(struct cells_values *v)
{
    for (size_t i = 0; i < v->region_count; i++)
        munmap(v->regions[i], REGION);
    free(v->regions);
    *v = (struct cells_values){ .used = 0 };
}

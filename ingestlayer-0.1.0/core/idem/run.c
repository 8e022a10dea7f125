/* SPDX-License-Identifier: MIT */
/* Looking into a run: the older keys, where the kernel may drop them from
 * memory and read them again.
 *
 * A line is one line of the cache, and nearly every look-up is for a new key
 * and ends in it: 16 bits of the key are compared with the 30 there at once.
 * Only what they let through reads the unit, four bits more, and the log. */
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint16_t prints8 __attribute__((vector_size(16), may_alias));

_Static_assert(sizeof(struct line) == 64, "a line of the cache");

/* Is one of them perhaps in the line?  The head is compared as well, and what
 * is in places that are not used. */
static inline int
line_may_have(const struct line *l, uint16_t print)
{
    const prints8 *v = (const prints8 *) l;
    prints8 want = { print, print, print, print, print, print, print, print };
    prints8 same = (prints8) (v[0] == want) | (prints8) (v[1] == want)
                   | (prints8) (v[2] == want) | (prints8) (v[3] == want);
    uint64_t any[2];
    memcpy(any, &same, sizeof any);
    return (any[0] | any[1]) != 0;
}

uint32_t
idem_run_next(const struct run *r, uint64_t lo, uint64_t *at)
{
    uint64_t h = lo & ~(uint64_t) 0 << (64 - r->known);
    uint16_t print = (uint16_t) (h << r->bits >> 48);
    uint32_t more = (uint32_t) (h << (r->bits + 16) >> 60);
    uint64_t i = *at ? (*at - 1) / 32 : place_of(lo, (uint64_t) 1 << r->bits);
    uint32_t slot = *at ? (uint32_t) (*at - 1) % 32 : 0;
    for (;; i++, slot = 0) {
        const struct line *l = &r->lines[i];
        uint32_t count = LINE_COUNT(l->head);
        if (line_may_have(l, print))
            for (; slot < count; slot++) {
                if (l->prints[slot] != print)
                    continue;
                uint32_t unit = r->units[i * LINE_PRINTS + slot];
                if (unit >> RUN_UNIT_BITS == more) {
                    *at = i * 32 + slot + 2;
                    return unit & (((uint32_t) 1 << RUN_UNIT_BITS) - 1);
                }
            }
        if (!(l->head & LINE_SPILLS))
            return 0;
    }
}

int
idem_run_may_have(const struct run *r, uint64_t lo)
{
    uint64_t h = lo & ~(uint64_t) 0 << (64 - r->known);
    uint16_t print = (uint16_t) (h << r->bits >> 48);
    const struct line *l = &r->lines[place_of(lo, (uint64_t) 1 << r->bits)];
    for (;; l++) {
        if (line_may_have(l, print))
            return 1;
        if (!(l->head & LINE_SPILLS))
            return 0;
    }
}

size_t
idem_run_bytes(const struct run *r)
{
    size_t units = r->units ? LINE_PRINTS * sizeof r->units[0] : 0;
    return r->line_count * (sizeof r->lines[0] + units);
}

void
idem_run_free(struct run *r)
{
    if (!r)
        return;
    if (r->map)
        munmap(r->map, r->map_len);
    free(r->kept);
    free(r);
}

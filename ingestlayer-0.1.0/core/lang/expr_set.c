/* SPDX-License-Identifier: MIT */
/* Membership, and globs.  A set is sorted when it is compiled: texts are found
 * by their length and first bytes, or by a hash where there are many of them;
 * numbers by bisection; globs are tried one after the other. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "expr_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEW 8         /* texts up to which a hash is slower than looking */
#define FOLD_ROOM 512 /* bytes of folded text that are looked up by hash */

/* The first eight bytes, or all there are. */
static inline uint64_t
text_head(const char *p, size_t len)
{
    uint64_t head = 0;
    if (len >= 8) {
        memcpy(&head, p, 8);
    } else if (len >= 4) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + len - 4, 4);
        head = (uint64_t) a << 32 | b;
    } else if (len) {
        head = (uint64_t) (unsigned char) p[0]
               | (uint64_t) (unsigned char) p[len / 2] << 8
               | (uint64_t) (unsigned char) p[len - 1] << 16;
    }
    return head;
}

static int
same_text(const struct set_text *t, const char *p, size_t len, uint64_t head)
{
    return t->s.len == len && t->head == head
           && (len <= 8 || memcmp(t->s.ptr + 8, p + 8, len - 8) == 0);
}

static int
has_text(const struct set *set, const char *p, size_t len)
{
    uint64_t head = text_head(p, len);
    if (!set->slots) {
        for (uint32_t i = 0; i < set->text_count; i++)
            if (same_text(&set->texts[i], p, len, head))
                return 1;
        return 0;
    }
    uint32_t at = (uint32_t) XXH3_64bits(p, len) & set->slot_mask;
    for (; set->slots[at]; at = (at + 1) & set->slot_mask)
        if (same_text(&set->texts[set->slots[at] - 1], p, len, head))
            return 1;
    return 0;
}

static int
has_folded(const struct set *set, struct slice s)
{
    char room[FOLD_ROOM];
    struct folded text = { s, 1 };
    /* Folding makes no text longer than half again as many bytes. */
    if (s.len <= FOLD_ROOM / 2)
        return has_text(set, room, fold_write(room, s));
    for (uint32_t i = 0; i < set->text_count; i++) {
        struct folded member = { set->texts[i].s, 0 };
        if (fold_compare(text, member) == 0)
            return 1;
    }
    return 0;
}

static int
has_string(const struct set *set, const struct term *t)
{
    struct folded text = { slice_of(t->value.str, t->value.len), t->fold };
    if (set->text_count
        && (t->fold ? has_folded(set, text.s)
                    : has_text(set, text.s.ptr, text.s.len)))
        return 1;
    for (uint32_t i = 0; i < set->glob_count; i++)
        if (expr_glob_holds(&set->globs[i], text))
            return 1;
    return 0;
}

static int
has_number(const struct set *set, const struct il_value *v)
{
    uint32_t low = 0, high = set->number_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int d = number_compare(v, &set->numbers[mid]);
        if (d == 0)
            return 1;
        if (d < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return 0;
}

static int
has_time(const struct set *set, int64_t us)
{
    for (uint32_t i = 0; i < set->time_count; i++)
        if (set->times[i] == us)
            return 1;
    return 0;
}

int
expr_set_has(const struct set *set, const struct term *t,
             const struct batch_event *e)
{
    int found;
    switch (t->value.type) {
    case IL_STRING:
        found = has_string(set, t);
        break;
    case IL_INT:
    case IL_UINT:
    case IL_DECIMAL:
        found = has_number(set, &t->value);
        break;
    case IL_BOOL:
        found = t->value.num.i ? set->has_true : set->has_false;
        break;
    case IL_TIME:
        found = has_time(set, t->value.num.i);
        break;
    case IL_NULL:
    case IL_MISSING:
        found = set->has_null;
        break;
    default:
        return 0;
    }
    for (uint32_t i = 0; !found && i < set->other_count; i++) {
        struct term other;
        expr_operand_get(set->others[i], e, &other);
        found = expr_term_equal(t, &other);
    }
    return found;
}

/* --- building --- */

static int
compare_numbers(const void *a, const void *b)
{
    return number_compare(a, b);
}

static int
hash_texts(struct pool *pool, struct set *set)
{
    uint32_t slots = 16;
    if (set->text_count <= FEW)
        return 0;
    while (slots < 2 * set->text_count)
        slots *= 2;
    set->slots = expr_pool_alloc(pool, slots * sizeof *set->slots);
    if (!set->slots)
        return -ENOMEM;
    set->slot_mask = slots - 1;
    for (uint32_t i = 0; i < set->text_count; i++) {
        struct slice s = set->texts[i].s;
        uint32_t at = (uint32_t) XXH3_64bits(s.ptr, s.len) & set->slot_mask;
        while (set->slots[at])
            at = (at + 1) & set->slot_mask;
        set->slots[at] = i + 1;
    }
    return 0;
}

static void
add_member(struct set *set, const struct operand *o)
{
    struct slice s = slice_of(o->value.str, o->value.len);
    if (o->kind != OPERAND_VALUE)
        set->others[set->other_count++] = o;
    else if (o->type == IL_NULL)
        set->has_null = 1;
    else if (o->type == IL_BOOL && o->value.num.i)
        set->has_true = 1;
    else if (o->type == IL_BOOL)
        set->has_false = 1;
    else if (o->type == IL_INT)
        set->numbers[set->number_count++] = o->value;
    else if (o->type == IL_TIME)
        set->times[set->time_count++] = o->value.num.i;
    else if (o->glob)
        expr_glob_prepare(s, &set->globs[set->glob_count++]);
    else
        set->texts[set->text_count++] =
            (struct set_text){ s, text_head(s.ptr, s.len) };
}

int
expr_set_build(struct pool *pool, struct operand **members, uint32_t count,
               struct set *set)
{
    uint32_t of[4] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        const struct operand *o = members[i];
        of[o->kind != OPERAND_VALUE ? 0
           : o->type == IL_INT      ? 1
           : o->glob                ? 2
                                    : 3]++;
    }
    set->others = expr_pool_alloc(pool, of[0] * sizeof *set->others);
    set->numbers = expr_pool_alloc(pool, of[1] * sizeof *set->numbers);
    set->globs = expr_pool_alloc(pool, of[2] * sizeof *set->globs);
    set->texts = expr_pool_alloc(pool, of[3] * sizeof *set->texts);
    set->times = expr_pool_alloc(pool, of[3] * sizeof *set->times);
    if (!set->others || !set->numbers || !set->globs || !set->texts
        || !set->times)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        add_member(set, members[i]);
    if (set->number_count)
        qsort(set->numbers, set->number_count, sizeof *set->numbers,
              compare_numbers);
    return hash_texts(pool, set);
}

/* SPDX-License-Identifier: MIT */
/* Growable bytes: struct il_text with an owner.  Not for sharing between
 * threads. */
#ifndef TEXT_H
#define TEXT_H

#include <string.h>

#include <ingestlayer/plugin.h>

/* A view of bytes that somebody else owns. */
struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline struct slice
slice_of(const char *ptr, size_t len)
{
    struct slice s = { ptr, len };
    return s;
}

/* memcmp() == 0 for what is mostly short, as keys, ids and types are, without
 * a call: two words that may overlap. */
static inline int
bytes_same(const char *a, const char *b, size_t len)
{
    uint64_t x, y, x2, y2;
    uint32_t u, v, u2, v2;
    if (len > 32)
        return memcmp(a, b, len) == 0;
    if (len > 16) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        memcpy(&x2, a + 8, 8);
        memcpy(&y2, b + 8, 8);
        if (((x ^ y) | (x2 ^ y2)) != 0)
            return 0;
        a += len - 16;
        b += len - 16;
        len = 16;
    }
    if (len >= 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        memcpy(&x2, a + len - 8, 8);
        memcpy(&y2, b + len - 8, 8);
        return ((x ^ y) | (x2 ^ y2)) == 0;
    }
    if (len >= 4) {
        memcpy(&u, a, 4);
        memcpy(&v, b, 4);
        memcpy(&u2, a + len - 4, 4);
        memcpy(&v2, b + len - 4, 4);
        return ((u ^ v) | (u2 ^ v2)) == 0;
    }
    while (len && a[len - 1] == b[len - 1])
        len--;
    return len == 0;
}

static inline int
slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && bytes_same(a.ptr, b.ptr, a.len);
}

/* A zeroed struct il_text is an empty one: start with { 0 }. */

/* Room for `more` bytes past len, kept NUL-terminable (one byte more than
 * asked).  0 or -ENOMEM, and then nothing has changed. */
int text_reserve(struct il_text *, size_t more);

/* Append.  0 or -ENOMEM. */
int text_put(struct il_text *, const void *bytes, size_t len);
int text_puts(struct il_text *, const char *string);
int text_putc(struct il_text *, char c);
int text_printf(struct il_text *, const char *fmt, ...) IL_PRINTF(2, 3);
int text_vprintf(struct il_text *, const char *fmt, va_list);

/* The bytes as a C string (adds a NUL past len); "" when empty. */
const char *text_str(struct il_text *);

/* Give the memory back; the text is empty and usable afterwards. */
void text_clear(struct il_text *);

/* On the heap, for plugins. */
struct il_text *text_new(void);
void text_free(struct il_text *);

#endif

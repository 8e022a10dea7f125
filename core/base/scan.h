/* SPDX-License-Identifier: MIT */
/* Finding the end of a run of plain bytes, 16 (SSE2) or 8 at a time: for the
 * JSON of the codec, which looks at every byte, and for wtf8.c. */
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Needs a closer look inside a JSON string. */
static inline int
scan_special(unsigned char c)
{
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

/* Cannot be copied into a JSON string as it is, or may not: a byte of 0xed
 * begins U+D000 to U+DFFF, of which the upper half are surrogates. */
static inline int
scan_escaped(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0xed;
}

#ifdef __SSE2__
/* One bit for each of the 16 bytes at p that is special. */
static inline unsigned
scan_mask(__m128i v)
{
    /* Signed: also true of 0x80 and above. */
    __m128i odd = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (unsigned) _mm_movemask_epi8(
        _mm_or_si128(odd, _mm_or_si128(quote, slash)));
}

static inline unsigned
scan_mask_escaped(__m128i v)
{
    __m128i low = _mm_set1_epi8(0x1f);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i ed = _mm_cmpeq_epi8(v, _mm_set1_epi8((char) 0xed));
    return (unsigned) _mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(control, ed), _mm_or_si128(quote, slash)));
}
#else
#define SCAN_ONES 0x0101010101010101u

/* Non-zero when one of the 8 bytes is c; may also name bytes above it. */
static inline uint64_t
scan_has(uint64_t x, unsigned char c)
{
    x ^= SCAN_ONES * c;
    return (x - SCAN_ONES) & ~x & SCAN_ONES * 0x80;
}

static inline uint64_t
scan_has_below_space(uint64_t x)
{
    return (x - SCAN_ONES * 0x20) & ~x & SCAN_ONES * 0x80;
}
#endif

/* The first special byte at or after p, or end. */
static inline const char *
scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned m = scan_mask(_mm_loadu_si128((const __m128i *) p));
        if (m)
            return p + __builtin_ctz(m);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        if ((x & SCAN_ONES * 0x80) | scan_has_below_space(x) | scan_has(x, '"')
            | scan_has(x, '\\'))
            break;
    }
#endif
    while (p < end && !scan_special((unsigned char) *p))
        p++;
    return p;
}

/* The first byte at or after p that scan_escaped(), or end. */
static inline const char *
scan_unescaped(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned m = scan_mask_escaped(_mm_loadu_si128((const __m128i *) p));
        if (m)
            return p + __builtin_ctz(m);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        if (scan_has_below_space(x) | scan_has(x, '"') | scan_has(x, '\\')
            | scan_has(x, 0xed))
            break;
    }
#endif
    while (p < end && !scan_escaped((unsigned char) *p))
        p++;
    return p;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Numbers stay exact: what is a canonical integer of 64 bits becomes one, all
 * others are passed on as text.  Nothing here knows floating point. */
#include "private.h"

static int
is_digit(const char *p, const char *end)
{
    return p < end && (unsigned char) (*p - '0') < 10;
}

/* One digit or more. */
static enum json_number
scan_digits(const char **p, const char *end)
{
    if (*p == end)
        return JSON_NUMBER_CUT;
    if (!is_digit(*p, end))
        return JSON_NUMBER_BAD;
    while (is_digit(*p, end))
        ++*p;
    return JSON_NUMBER_DECIMAL;
}

/* What may follow the digits before the point. */
static enum json_number
scan_fraction(const char **p, const char *end)
{
    enum json_number kind = JSON_NUMBER_DECIMAL;

    if (*p < end && **p == '.') {
        ++*p;
        kind = scan_digits(p, end);
        if (kind != JSON_NUMBER_DECIMAL)
            return kind;
    }
    if (*p < end && (**p | 0x20) == 'e') {
        ++*p;
        if (*p < end && (**p == '+' || **p == '-'))
            ++*p;
        kind = scan_digits(p, end);
    }
    return kind;
}

/* Which integers fit: the magnitude is exact up to 19 digits, and of 20 it is
 * known whether it went over. */
static enum json_number
classify(int negative, size_t digits, uint64_t magnitude, int over,
         uint64_t *value)
{
    if (digits > 20 || over)
        return JSON_NUMBER_DECIMAL;
    if (!negative) {
        *value = magnitude;
        return magnitude > INT64_MAX ? JSON_NUMBER_UINT : JSON_NUMBER_INT;
    }
    if (magnitude == 0 || magnitude > (uint64_t) INT64_MAX + 1)
        return JSON_NUMBER_DECIMAL; /* "-0" is no integer in msgpack */
    *value = 0 - magnitude;
    return JSON_NUMBER_INT;
}

enum json_number
json_scan_number(const char **pp, const char *end, uint64_t *value)
{
    const char *p = *pp, *first;
    int negative = p < end && *p == '-', over = 0;
    uint64_t magnitude = 0;

    first = p += negative;
    if (p == end) {
        *pp = p;
        return JSON_NUMBER_CUT;
    }
    for (; is_digit(p, end); p++) {
        unsigned digit = (unsigned) (*p - '0');
        if (p - first >= 19) { /* only here can it overflow */
            over |= __builtin_mul_overflow(magnitude, 10, &magnitude);
            over |= __builtin_add_overflow(magnitude, digit, &magnitude);
        } else {
            magnitude = magnitude * 10 + digit;
        }
    }
    size_t digits = (size_t) (p - first);
    if (digits == 0 || (*first == '0' && digits > 1)) {
        *pp = first;
        return JSON_NUMBER_BAD;
    }
    enum json_number kind;
    if (p < end && (*p == '.' || (*p | 0x20) == 'e'))
        kind = scan_fraction(&p, end);
    else
        kind = classify(negative, digits, magnitude, over, value);
    *pp = p;
    return kind;
}

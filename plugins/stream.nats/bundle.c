/* SPDX-License-Identifier: MIT */
#include "bundle.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t
checksum(uint64_t position, const char *body, size_t len)
{
    return (uint32_t) XXH3_64bits_withSeed(body, len, position);
}

void
bundle_put_head(char head[BUNDLE_HEAD], uint64_t position, const char *body,
                size_t len)
{
    const uint32_t length = htole32((uint32_t) len);
    const uint32_t sum = htole32(checksum(position, body, len));
    const uint64_t at = htole64(position);
    memcpy(head, &length, 4);
    memcpy(head + 4, &sum, 4);
    memcpy(head + 8, &at, 8);
}

int
bundle_next(const char **p, const char *end, uint64_t after,
            struct bundle_frame *out)
{
    uint32_t length, sum;
    uint64_t at;
    const char *head = *p;
    if (head == end)
        return 0;
    if (end - head < BUNDLE_HEAD)
        return -1;
    memcpy(&length, head, 4);
    memcpy(&sum, head + 4, 4);
    memcpy(&at, head + 8, 8);
    out->len = le32toh(length);
    out->position = le64toh(at);
    out->body = head + BUNDLE_HEAD;
    if (out->len > (size_t) (end - out->body))
        return -1;
    *p = out->body + out->len;
    return out->len && out->position > after
                   && le32toh(sum)
                          == checksum(out->position, out->body, out->len)
               ? 1
               : -1;
}

int
bundle_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (!text || !*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        const uint64_t digit = (uint64_t) (*text - '0');
        if (n > (max - digit) / 10)
            return 0;
        n = n * 10 + digit;
    }
    *out = n;
    return 1;
}

uint32_t
bundle_partition(const char *text, size_t len, uint32_t partitions)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h ^= (unsigned char) text[i];
        h *= UINT64_C(0x100000001b3);
    }
    return (uint32_t) (h % partitions);
}

/* SPDX-License-Identifier: MIT */
#include "digits.h"

#include "random.h"

#include <errno.h>

/* Is there a dash before this byte? */
static int
dash_before(int i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

void
uuid_format(char out[UUID_TEXT], const uint8_t uuid[UUID_BYTES])
{
    for (int i = 0; i < UUID_BYTES; i++) {
        if (dash_before(i))
            *out++ = '-';
        out = digits_put_hex(out, &uuid[i], 1);
    }
    *out = 0;
}

int
uuid_parse(const char *text, size_t len, uint8_t uuid[UUID_BYTES])
{
    if (len != UUID_TEXT - 1)
        return -EINVAL;
    for (int i = 0; i < UUID_BYTES; i++) {
        if (dash_before(i) && *text++ != '-')
            return -EINVAL;
        int high = digits_hex(text[0]), low = digits_hex(text[1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        if (uuid)
            uuid[i] = (uint8_t) (high << 4 | low);
        text += 2;
    }
    return 0;
}

int
uuid_make(uint8_t uuid[UUID_BYTES])
{
    int err = random_fill(uuid, UUID_BYTES);
    if (err)
        return err;
    uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
    return 0;
}

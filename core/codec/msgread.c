/* SPDX-License-Identifier: MIT */
#include "msgread.h"

/* For 0xc0 to 0xdf: how many bytes of number follow the head, and what comes
 * then.  Zero type: a form that events do not use. */
static const struct form {
    unsigned char type, bytes;
} forms[32] = {
    [0x00] = { IL_NULL, 0 },    [0x02] = { IL_BOOL, 0 },
    [0x03] = { IL_BOOL, 0 },    [0x07] = { IL_DECIMAL, 1 },
    [0x08] = { IL_DECIMAL, 2 }, [0x09] = { IL_DECIMAL, 4 },
    [0x0c] = { IL_UINT, 1 },    [0x0d] = { IL_UINT, 2 },
    [0x0e] = { IL_UINT, 4 },    [0x0f] = { IL_UINT, 8 },
    [0x10] = { IL_INT, 1 },     [0x11] = { IL_INT, 2 },
    [0x12] = { IL_INT, 4 },     [0x13] = { IL_INT, 8 },
    [0x14] = { IL_DECIMAL, 0 }, [0x15] = { IL_DECIMAL, 0 },
    [0x16] = { IL_DECIMAL, 0 }, [0x17] = { IL_DECIMAL, 0 },
    [0x18] = { IL_DECIMAL, 0 }, [0x19] = { IL_STRING, 1 },
    [0x1a] = { IL_STRING, 2 },  [0x1b] = { IL_STRING, 4 },
    [0x1c] = { IL_ARRAY, 2 },   [0x1d] = { IL_ARRAY, 4 },
    [0x1e] = { IL_MAP, 2 },     [0x1f] = { IL_MAP, 4 },
};

static int
read_decimal(const char **pp, const char *p, const char *end, uint64_t len,
             struct il_value *out)
{
    if (p >= end || *p++ != MSG_EXT_DECIMAL)
        return -EINVAL;
    return msgread_text(pp, p, end, len, out, IL_DECIMAL);
}

int
msgread_long(const char **pp, const char *end, struct il_value *out)
{
    const char *p = *pp;
    unsigned char c = (unsigned char) *p++;

    if (c >= 0xe0) { /* -32 to -1 */
        out->type = IL_INT;
        out->num.i = (int8_t) c;
        *pp = p;
        return 0;
    }
    struct form form = forms[c & 0x1f];
    if (form.type == 0 || end - p < form.bytes)
        return -EINVAL;
    uint64_t v = msgread_be(p, form.bytes);
    p += form.bytes;

    switch (form.type) {
    case IL_STRING:
        return msgread_text(pp, p, end, v, out, IL_STRING);
    case IL_UINT:
        return msgread_uint(pp, p, v, out);
    case IL_INT: { /* sign-extend */
        unsigned shift = 64 - 8 * form.bytes;
        out->num.i = (int64_t) (v << shift) >> shift;
        break;
    }
    case IL_ARRAY:
    case IL_MAP:
        return msgread_container(pp, p, end, (uint32_t) v, out, form.type);
    case IL_DECIMAL:
        if (form.bytes == 0)
            v = (uint64_t) 1 << (c - 0xd4);
        return read_decimal(pp, p, end, v, out);
    case IL_BOOL:
        out->num.i = c & 1;
        break;
    default:
        break;
    }
    out->type = form.type;
    *pp = p;
    return 0;
}

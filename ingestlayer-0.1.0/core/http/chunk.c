/* SPDX-License-Identifier: MIT */
#include "chunk.h"
#include "head.h"

#include <errno.h>

/* A body's size has 15 digits at most; a few zeros before are usual. */
#define MAX_DIGITS 16

enum {
    SIZE, /* its first digit */
    DIGITS,
    EXTENSION, /* after ";" */
    EXTENSION_MORE,
    SETTING, /* after "=" */
    SETTING_MORE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* its first character */
    NAME,
    VALUE,
    TRAILER_LF,
    END_LF,
    ENDED
};

int
http_chunk_ended(const struct chunk *c)
{
    return c->state == ENDED;
}

void
http_chunk_took(struct chunk *c, size_t len)
{
    c->left -= len;
    if (!c->left)
        c->state = DATA_CR;
}

static int
digit(unsigned char b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* The size, and what may come after it on its line. */
static int
size_byte(struct chunk *c, unsigned char b)
{
    int value = digit(b);
    if (value >= 0) {
        c->size = c->size << 4 | (unsigned) value;
        c->state = DIGITS;
        /* no room for another digit */
        return ++c->digits > MAX_DIGITS || c->size >> 59 ? -EINVAL : 0;
    }
    if (c->state == SIZE)
        return -EINVAL;
    if (b == ';')
        c->state = EXTENSION;
    else if (b == '\r')
        c->state = SIZE_LF;
    else
        return -EINVAL;
    return 0;
}

/* token, token=token or token="text", with ";" between them; no white space,
 * which only some take. */
static int
extension_byte(struct chunk *c, unsigned char b)
{
    switch (c->state) {
    case QUOTED:
        c->state = b == '"' ? QUOTED_END : b == '\\' ? ESCAPED : QUOTED;
        return http_head_is_value(b) ? 0 : -EINVAL;
    case ESCAPED:
        c->state = QUOTED;
        return http_head_is_value(b) ? 0 : -EINVAL;
    case SETTING:
        c->state = b == '"' ? QUOTED : SETTING_MORE;
        return b == '"' || http_head_is_token(b) ? 0 : -EINVAL;
    case EXTENSION:
        c->state = EXTENSION_MORE;
        return http_head_is_token(b) ? 0 : -EINVAL;
    default:
        break;
    }
    if (b == '\r')
        c->state = SIZE_LF;
    else if (b == ';')
        c->state = EXTENSION;
    else if (b == '=' && c->state == EXTENSION_MORE)
        c->state = SETTING;
    else if (c->state == QUOTED_END || !http_head_is_token(b))
        return -EINVAL;
    return 0;
}

static int
size_ended(struct chunk *c, unsigned char b)
{
    if (b != '\n')
        return -EINVAL;
    c->state = c->size ? DATA : TRAILER;
    c->left = c->size;
    c->size = 0;
    c->digits = 0;
    return 0;
}

static int
trailer_byte(struct chunk *c, unsigned char b)
{
    switch (c->state) {
    case TRAILER:
        if (b == '\r') {
            c->state = END_LF;
            return 0;
        }
        c->state = NAME;
        return http_head_is_token(b) ? 0 : -EINVAL;
    case NAME:
        if (b == ':')
            c->state = VALUE;
        else if (!http_head_is_token(b))
            return -EINVAL;
        return 0;
    default: /* VALUE */
        if (b == '\r')
            c->state = TRAILER_LF;
        else if (!http_head_is_value(b))
            return -EINVAL;
        return 0;
    }
}

/* CR LF, of which b should be the one that is due. */
static int
line_byte(struct chunk *c, unsigned char b)
{
    static const struct {
        char due;
        uint8_t next;
    } ends[] = { [DATA_CR] = { '\r', DATA_LF },
                 [DATA_LF] = { '\n', SIZE },
                 [TRAILER_LF] = { '\n', TRAILER },
                 [END_LF] = { '\n', ENDED } };
    if (b != (unsigned char) ends[c->state].due)
        return -EINVAL;
    c->state = ends[c->state].next;
    return 0;
}

static int
one_byte(struct chunk *c, unsigned char b)
{
    switch (c->state) {
    case SIZE:
    case DIGITS:
        return size_byte(c, b);
    case EXTENSION:
    case EXTENSION_MORE:
    case SETTING:
    case SETTING_MORE:
    case QUOTED:
    case ESCAPED:
    case QUOTED_END:
        return ++c->extra > CHUNK_MAX_EXTRA ? -EINVAL : extension_byte(c, b);
    case SIZE_LF:
        return size_ended(c, b);
    case TRAILER:
    case NAME:
    case VALUE:
        return ++c->extra > CHUNK_MAX_EXTRA ? -EINVAL : trailer_byte(c, b);
    default:
        return line_byte(c, b);
    }
}

ssize_t
http_chunk_feed(struct chunk *c, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && c->state != DATA && c->state != ENDED)
        if (one_byte(c, (unsigned char) bytes[at++]))
            return -EINVAL;
    return (ssize_t) at;
}

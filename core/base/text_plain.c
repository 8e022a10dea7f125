/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "text_plain.h"

#include "wtf8.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t
code_point(const char *p, int n)
{
    static const uint8_t first[] = { 0, 0, 0x1f, 0x0f, 0x07 };
    uint32_t c = (unsigned char) p[0] & first[n];
    for (int i = 1; i < n; i++)
        c = c << 6 | ((unsigned char) p[i] & 0x3f);
    return c;
}

/* Of those that take more than a byte: C1, marks and overrides of direction,
 * separators of lines, what takes no room, and tags. */
static int
is_hidden(uint32_t c)
{
    return c < 0xa0 || c == 0x061c || c == 0x180e
           || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)
           || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff
           || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static int
put_escape(struct il_text *out, uint32_t c)
{
    if (c < 0x10000)
        return text_printf(out, "\\u%04x", c);
    c -= 0x10000;
    return text_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10),
                       0xdc00 + (c & 0x3ff));
}

static int
is_bare(unsigned char c, int lines)
{
    return (c >= 0x20 && c < 0x7f) || (lines && (c == '\n' || c == '\t'));
}

/* The character at p; *n: its bytes.  -EAGAIN: the rest of it is missing. */
static int
put_next(struct il_text *out, const char *p, const char *end, int *n)
{
    unsigned char c = (unsigned char) *p;
    *n = c < 0x80 ? 1 : utf8_length(p, end);
    if (*n < 0)
        return -EAGAIN;
    if (c < 0x80)
        return put_escape(out, c);
    if (*n == 0) {
        *n = 1;
        return text_printf(out, "\\x%02x", c);
    }
    uint32_t point = code_point(p, *n);
    return is_hidden(point) ? put_escape(out, point)
                            : text_put(out, p, (size_t) *n);
}

/* *left: bytes at the end that may be the beginning of a character. */
static int
plain(struct il_text *out, struct slice s, int lines, size_t *left)
{
    const char *p = s.ptr, *end = p + s.len;
    int err = 0, n;
    *left = 0;
    while (p < end && !err) {
        const char *bare = p;
        while (p < end && is_bare((unsigned char) *p, lines))
            p++;
        err = text_put(out, bare, (size_t) (p - bare));
        if (err || p == end)
            break;
        err = put_next(out, p, end, &n);
        if (err == -EAGAIN) {
            *left = (size_t) (end - p);
            return 0;
        }
        p += n;
    }
    return err;
}

int
text_plain(struct il_text *out, struct slice s, int lines)
{
    size_t left;
    int err = plain(out, s, lines, &left);
    for (; left && !err; left--)
        err = text_printf(out, "\\x%02x", (unsigned char) s.ptr[s.len - left]);
    return err;
}

/* --- a stream ------------------------------------------------------------- */

struct stream {
    struct stream **at, *next; /* in open_streams */
    int fd;
    char begun[4]; /* of a character */
    size_t begun_len;
    struct il_text in, out;
};

/* The C library holds a stream's cookie where a leak checker does not look;
 * this list is where it does.  The streams of a process are opened before its
 * threads begin. */
static struct stream *open_streams;

static int
write_out(struct stream *s)
{
    for (size_t done = 0; done < s->out.len;) {
        ssize_t n = write(s->fd, s->out.data + done, s->out.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        done += (size_t) n;
    }
    return 0;
}

static ssize_t
stream_write(void *cookie, const char *bytes, size_t size)
{
    struct stream *s = cookie;
    size_t left;
    s->in.len = s->out.len = 0;
    if (text_put(&s->in, s->begun, s->begun_len)
        || text_put(&s->in, bytes, size)
        || plain(&s->out, slice_of(s->in.data, s->in.len), 1, &left)) {
        errno = ENOMEM;
        return 0;
    }
    s->begun_len = left;
    if (left)
        memcpy(s->begun, s->in.data + s->in.len - left, left);
    return write_out(s) ? 0 : (ssize_t) size;
}

static int
stream_close(void *cookie)
{
    struct stream *s = cookie;
    s->out.len = 0;
    int err = text_plain(&s->out, slice_of(s->begun, s->begun_len), 1)
              || write_out(s);
    err |= close(s->fd);
    *s->at = s->next;
    if (s->next)
        s->next->at = s->at;
    text_clear(&s->in);
    text_clear(&s->out);
    free(s);
    return err ? EOF : 0;
}

FILE *
text_plain_stream(int fd, int mode)
{
    const cookie_io_functions_t io = { .write = stream_write,
                                       .close = stream_close };
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->fd = fd;
    FILE *f = fopencookie(s, "w", io);
    if (!f) {
        free(s);
        return NULL;
    }
    setvbuf(f, NULL, mode, BUFSIZ);
    s->at = &open_streams;
    s->next = open_streams;
    if (s->next)
        s->next->at = &s->next;
    open_streams = s;
    return f;
}

/* SPDX-License-Identifier: MIT */
/* The format of segments: headers and frames; and a window onto their files. */
#include "private.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SEGMENT_MAGIC "ILSPOOL1"
#define VERSION_PLAIN 1
#define VERSION_REUSED 2
#define IO_WINDOW (256u << 10)
#define IO_BLOCK 4096u

static void
put32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, 4);
}

static void
put64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, 8);
}

/* magic 8, version 4, checksum 4, uuid 16, first, prev_first, prev_last,
 * prev_end 8 each.  The checksum covers all, itself as zero. */
static uint32_t
header_checksum(const char header[SEGMENT_HEADER])
{
    char copy[SEGMENT_HEADER];
    memcpy(copy, header, sizeof copy);
    memset(copy + 12, 0, 4);
    return (uint32_t) XXH3_64bits(copy, sizeof copy);
}

void
spool_header_pack(char out[SEGMENT_HEADER], const struct segment_header *h)
{
    memcpy(out, SEGMENT_MAGIC, 8);
    put32(out + 8, h->reused ? VERSION_REUSED : VERSION_PLAIN);
    memcpy(out + 16, h->uuid, 16);
    put64(out + 32, h->first);
    put64(out + 40, h->prev_first);
    put64(out + 48, h->prev_last);
    put64(out + 56, h->prev_end);
    put32(out + 12, header_checksum(out));
}

int
spool_header_unpack(const char in[SEGMENT_HEADER], struct segment_header *h)
{
    if (memcmp(in, SEGMENT_MAGIC, 8) != 0
        || segment_get32(in + 12) != header_checksum(in))
        return -EINVAL;
    uint32_t version = segment_get32(in + 8);
    if (version != VERSION_PLAIN && version != VERSION_REUSED)
        return -ENOTSUP;
    h->reused = version == VERSION_REUSED;
    memcpy(h->uuid, in + 16, 16);
    h->first = segment_get64(in + 32);
    h->prev_first = segment_get64(in + 40);
    h->prev_last = segment_get64(in + 48);
    h->prev_end = segment_get64(in + 56);
    if (h->first == 0 || h->first > SPOOL_POSITION_MAX
        || h->prev_last >= h->first || h->prev_first > h->prev_last + 1)
        return -EINVAL;
    return 0;
}

void
spool_segment_name(char out[SEGMENT_NAME], uint64_t first)
{
    snprintf(out, SEGMENT_NAME, "%020llu.seg", (unsigned long long) first);
}

uint64_t
spool_seed(const uint8_t uuid[16])
{
    return segment_get64((const char *) uuid);
}

static uint32_t
frame_checksum(uint64_t seed, uint64_t position, const char *body,
               uint32_t len)
{
    uint64_t s = seed ^ position ^ ((uint64_t) len << 32);
    return (uint32_t) XXH3_64bits_withSeed(body, len, s);
}

void
spool_frame_pack(char *out, uint64_t seed, uint64_t position, const char *body,
                 uint32_t len)
{
    put32(out, len);
    put32(out + 4, frame_checksum(seed, position, body, len));
    put64(out + 8, position);
    memcpy(out + FRAME_HEADER, body, len);
    size_t used = FRAME_HEADER + (size_t) len;
    memset(out + used, 0, frame_size(len) - used);
}

int
spool_frame_unpack(const char *bytes, size_t len, uint64_t seed,
                   struct frame *out, size_t *need)
{
    *need = FRAME_MIN;
    if (len < FRAME_MIN)
        return -EAGAIN;
    uint32_t body_len = segment_get32(bytes);
    if (body_len == 0 || body_len > FRAME_BODY_MAX)
        return 0;
    *need = frame_size(body_len);
    if (len < *need)
        return -EAGAIN;
    uint64_t position = segment_get64(bytes + 8);
    out->position = position & SPOOL_POSITION_MAX;
    out->flags = position & ~SPOOL_POSITION_MAX;
    out->body = bytes + FRAME_HEADER;
    out->len = body_len;
    return segment_get32(bytes + 4)
           == frame_checksum(seed, position, out->body, body_len);
}

void
spool_segment_open(struct segment_io *io, int fd, uint64_t end)
{
    memset(io, 0, sizeof *io);
    io->fd = fd;
    io->end = end;
}

void
spool_segment_close(struct segment_io *io)
{
    free(io->buffer);
    io->buffer = NULL;
}

/* Fill the window from the file, block by block where it cannot be read in
 * one go. */
static int
io_fill(struct segment_io *io, uint64_t offset, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(io->fd, io->buffer + done, len - done,
                          (off_t) (offset + done));
        if (n > 0) {
            done += (size_t) n;
            continue;
        }
        if (n == 0)
            break; /* shorter than it was: the caller sees less */
        if (errno == EINTR)
            continue;
        if (io->strict)
            return -EIO;
        size_t block = IO_BLOCK - (offset + done) % IO_BLOCK;
        if (block > len - done)
            block = len - done;
        n = pread(io->fd, io->buffer + done, block, (off_t) (offset + done));
        if (n <= 0) {
            memset(io->buffer + done, 0, block);
            io->unreadable += block;
            n = (ssize_t) block;
        }
        done += (size_t) n;
    }
    io->offset = offset;
    io->len = done;
    return 0;
}

const char *
spool_segment_view(struct segment_io *io, uint64_t offset, size_t len,
                   int64_t *got)
{
    if (offset >= io->end) {
        *got = 0;
        return io->buffer ? io->buffer : "";
    }
    if (len > io->end - offset)
        len = io->end - offset;
    if (!io->buffer || offset < io->offset
        || offset + len > io->offset + io->len) {
        size_t want = len > IO_WINDOW ? len : IO_WINDOW;
        if (want > io->cap) {
            char *buffer = realloc(io->buffer, want);
            if (!buffer) {
                *got = -ENOMEM;
                return NULL;
            }
            io->buffer = buffer;
            io->cap = want;
        }
        if (want > io->end - offset)
            want = io->end - offset;
        io->len = 0;
        int rc = io_fill(io, offset, want);
        if (rc) {
            *got = rc;
            return NULL;
        }
    }
    *got = (int64_t) (io->len - (size_t) (offset - io->offset));
    return io->buffer + (offset - io->offset);
}

/* SPDX-License-Identifier: MIT */
/* The format of segments: headers, frames, and finding frames again after
 * damage. */
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

static uint32_t
get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return le32toh(v);
}

static uint64_t
get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

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
        || get32(in + 12) != header_checksum(in))
        return -EINVAL;
    uint32_t version = get32(in + 8);
    if (version != VERSION_PLAIN && version != VERSION_REUSED)
        return -ENOTSUP;
    h->reused = version == VERSION_REUSED;
    memcpy(h->uuid, in + 16, 16);
    h->first = get64(in + 32);
    h->prev_first = get64(in + 40);
    h->prev_last = get64(in + 48);
    h->prev_end = get64(in + 56);
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
    return get64((const char *) uuid);
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
    uint32_t body_len = get32(bytes);
    if (body_len == 0 || body_len > FRAME_BODY_MAX)
        return 0;
    *need = frame_size(body_len);
    if (len < *need)
        return -EAGAIN;
    uint64_t position = get64(bytes + 8);
    out->position = position & SPOOL_POSITION_MAX;
    out->flags = position & ~SPOOL_POSITION_MAX;
    out->body = bytes + FRAME_HEADER;
    out->len = body_len;
    return get32(bytes + 4)
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

void
spool_scan_start(struct segment_scan *s, struct segment_io *io, uint64_t seed,
                 uint64_t offset, uint64_t position, uint64_t limit)
{
    s->io = io;
    s->seed = seed;
    s->offset = offset;
    s->position = position;
    s->limit = limit;
    /* Bodies come from strangers, who could fill them with what looks like
     * frames; what is hashed in vain per scan is therefore bounded. */
    s->hash_budget = 256 << 20;
}

/* A frame with a position in [low, high] at offset?  1, 0, -errno. */
static int
scan_frame_at(struct segment_scan *s, uint64_t offset, uint64_t low,
              uint64_t high, struct frame *frame)
{
    int64_t got;
    const char *p = spool_segment_view(s->io, offset, FRAME_MIN, &got);
    if (!p)
        return (int) got;
    if (got < FRAME_MIN)
        return 0;
    uint64_t position = get64(p + 8) & SPOOL_POSITION_MAX;
    uint32_t len = get32(p);
    if (len == 0 || len > FRAME_BODY_MAX || position < low || position > high)
        return 0;
    size_t need = frame_size(len);
    if (need > s->io->end - offset)
        return 0;
    if (low != high) {
        if (s->hash_budget < 0)
            return 0;
        s->hash_budget -= len;
    }
    p = spool_segment_view(s->io, offset, need, &got);
    if (!p)
        return (int) got;
    frame->offset = offset;
    int rc = spool_frame_unpack(p, (size_t) got, s->seed, frame, &need);
    if (rc == 1 && low != high)
        s->hash_budget += len;
    return rc == -EAGAIN ? 0 : rc;
}

/* The first offset in [from, end - FRAME_MIN] where a length and a position
 * could stand; end if there is none. */
static int
scan_candidate(struct segment_scan *s, uint64_t from, uint64_t high,
               uint64_t *found)
{
    uint64_t offset = from;
    for (;;) {
        int64_t got;
        const char *p = spool_segment_view(s->io, offset, FRAME_MIN, &got);
        if (!p)
            return (int) got;
        if (got < FRAME_MIN)
            break;
        for (int64_t i = 0; i + FRAME_MIN <= got; i += 8, offset += 8) {
            uint64_t position = get64(p + i + 8) & SPOOL_POSITION_MAX;
            if (position < s->position || position > high || get32(p + i) == 0)
                continue;
            *found = offset;
            return 0;
        }
    }
    *found = s->io->end;
    return 0;
}

int
spool_scan_next(struct segment_scan *s, struct frame *frame,
                struct segment_gap *gap)
{
    if (s->position >= s->limit)
        return SCAN_END;
    int rc = scan_frame_at(s, s->offset, s->position, s->position, frame);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        s->offset += frame_size(frame->len);
        s->position++;
        return SCAN_FRAME;
    }
    /* From this very place on: whole frames may have been cut out. */
    uint64_t offset = s->offset;
    for (;; offset += 8) {
        /* What was skipped cannot have held more frames than fit. */
        uint64_t high = s->position + (s->io->end - s->offset) / FRAME_MIN + 1;
        if (high >= s->limit)
            high = s->limit - 1;
        rc = scan_candidate(s, offset, high, &offset);
        if (rc < 0)
            return rc;
        if (offset >= s->io->end)
            return SCAN_END;
        rc = scan_frame_at(s, offset, s->position, high, frame);
        if (rc < 0)
            return rc;
        if (rc == 1)
            break;
    }
    gap->offset = s->offset;
    gap->end = offset;
    gap->first = s->position;
    gap->last = frame->position - 1;
    s->offset = offset;
    s->position = frame->position;
    return SCAN_GAP;
}

/* Past the last byte in [offset, end) that is not zero; offset if all are. */
static int64_t
scan_zeros(struct segment_io *io, uint64_t offset, uint64_t end)
{
    uint64_t tail = offset;
    while (offset < end) {
        int64_t got;
        const char *p = spool_segment_view(io, offset, 1, &got);
        if (!p)
            return got;
        if (got == 0)
            break;
        if ((uint64_t) got > end - offset)
            got = (int64_t) (end - offset);
        for (int64_t i = got; i > 0; i--)
            if (p[i - 1]) {
                tail = offset + (uint64_t) i;
                break;
            }
        offset += (uint64_t) got;
    }
    return (int64_t) tail;
}

/* In a file that is used again everything from the zeros on that end a group
 * may be older.  Where those are gone, a frame was begun there (or one of ours
 * has gone bad), which tells by itself how long it was to be. */
int64_t
spool_scan_tail(struct segment_scan *s, int reused)
{
    struct segment_io *io = s->io;
    uint64_t end = s->offset + segment_pad(s->offset);
    if (!reused || end > io->end)
        end = io->end;
    int64_t tail = scan_zeros(io, s->offset, end);
    if (!reused || tail <= (int64_t) s->offset)
        return tail;
    int64_t got;
    const char *p = spool_segment_view(io, s->offset, FRAME_MIN, &got);
    if (!p || got < FRAME_MIN)
        return p ? tail : got;
    uint32_t len = get32(p);
    if ((get64(p + 8) & SPOOL_POSITION_MAX) != s->position
        || len > FRAME_BODY_MAX)
        return tail;
    uint64_t whole = s->offset + frame_size(len);
    if (whole > io->end)
        whole = io->end;
    return (int64_t) whole > tail ? (int64_t) whole : tail;
}

/* SPDX-License-Identifier: MIT */
/* Recovery of arbitrary segments: opening and reading must end, and whatever
 * is read must be in order.  Input: the newest segment from its header on; it
 * follows a whole one, and every other time its file was an older one's. */
#include "folder.h"
#include "base/log.h"
#include "spool/private.h"
#include "spool/spool.h"

static char dir[64];
static const uint8_t uuid[16] = "\x01\x23\x45\x67\x89\xab\x4d\xef\x81"
                                "\x23\x45\x67\x89\xab\xcd";

static int
each(void *arg, uint64_t position, size_t offset, size_t len)
{
    uint64_t *last = arg;
    (void) offset;
    CLAIM(position > *last && len > 0);
    *last = position;
    return 0;
}

/* A segment of n frames whose header is right, so that the fuzzer gets behind
 * it. */
static size_t
make_segment(char *out, uint64_t first, uint64_t n, int reused)
{
    struct segment_header h = { .first = first,
                                .prev_last = first - 1,
                                .reused = reused };
    memcpy(h.uuid, uuid, 16);
    spool_header_pack(out, &h);
    size_t len = SEGMENT_HEADER;
    for (uint64_t p = first; p < first + n; p++) {
        spool_frame_pack(out + len, spool_seed(uuid), p, "0123456789",
                         (uint32_t) (1 + p % 10));
        len += frame_size(1 + p % 10);
    }
    if (reused) { /* what is left of that, from within a frame on */
        len += segment_pad(len);
        spool_frame_pack(out + len, spool_seed(uuid), 3, "0123456789", 10);
        memmove(out + len, out + len + 8, frame_size(10) - 8);
        len += frame_size(10) - 8;
        spool_frame_pack(out + len, spool_seed(uuid), 4, "0123456789", 10);
        len += frame_size(10);
    }
    return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[1 << 16];
    struct spool *s;
    uint64_t last = 0, seen = 0;
    folder_make(dir, "spool");
    folder_put(dir, "ID", "01234567-89ab-4def-8123-456789abcd00\n", 37);
    folder_put(dir, "LAST", "", 0);
    folder_put(dir, "00000000000000000001.seg", bytes,
               make_segment(bytes, 1, 4, 0));
    memset(bytes, 0, sizeof bytes);
    size_t skip = size ? data[0] : 0;
    size_t whole = make_segment(bytes, 5, 8, skip % 2);
    if (size > sizeof bytes - 512)
        size = sizeof bytes - 512;
    if (skip > whole)
        skip = whole;
    for (size_t i = 1; i < size; i++) /* overlaid on good frames */
        bytes[skip + i - 1] ^= (char) data[i];
    if (skip + size > whole)
        whole = skip + size;
    folder_put(dir, "00000000000000000005.seg", bytes, whole);
    memset(bytes, 0, sizeof bytes);

    log_level_set(0);
    struct spool_options o = { .dir = dir, .segment_bytes = 1 << 16,
                               .buffer_bytes = 1 << 16 };
    if (spool_open(&o, &s, NULL) == 0) {
        struct spool_reader *r;
        struct il_text text = { 0 };
        CLAIM(spool_reader_open(s, 0, &r) == 0);
        while (last < spool_durable(s)) {
            text.len = 0;
            CLAIM(spool_reader_read(r, &text, 100, 3, 0, &last, each, &seen)
                  >= 0);
        }
        spool_reader_close(r);
        text_clear(&text);
        spool_close(s);
    }
    folder_remove(dir);
    return 0;
}

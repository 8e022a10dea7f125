/* SPDX-License-Identifier: MIT */
/* Recovery of arbitrary segments: opening and reading must end, and whatever
 * is read must be in order.  Input: the newest segment from its header on; it
 * follows a whole one. */
#include "fuzz.h"

#include "log.h"
#include "spool.h"
#include "spool_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static const uint8_t uuid[16] = "\x01\x23\x45\x67\x89\xab\x4d\xef\x81"
                                "\x23\x45\x67\x89\xab\xcd";

static void
remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char sub[400];
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%.120s/%.255s", path, e->d_name);
        if (unlink(sub))
            remove_tree(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int
each(void *arg, uint64_t position, size_t offset, size_t len)
{
    uint64_t *last = arg;
    (void) offset;
    CLAIM(position > *last && len > 0);
    *last = position;
    return 0;
}

static void
put_file(const char *name, const void *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CLAIM(fd >= 0 && write(fd, bytes, len) == (ssize_t) len);
    close(fd);
}

/* A segment of n frames whose header is right, so that the fuzzer gets behind
 * it. */
static size_t
make_segment(char *out, uint64_t first, uint64_t n)
{
    struct segment_header h = { .first = first, .prev_last = first - 1 };
    memcpy(h.uuid, uuid, 16);
    segment_header_pack(out, &h);
    size_t len = SEGMENT_HEADER;
    for (uint64_t p = first; p < first + n; p++) {
        frame_pack(out + len, spool_seed(uuid), p, "0123456789",
                   (uint32_t) (1 + p % 10));
        len += frame_size(1 + p % 10);
    }
    return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[1 << 16];
    struct spool *s;
    uint64_t last = 0, seen = 0;
    snprintf(dir, sizeof dir, "/dev/shm/il-fuzz-spool-XXXXXX");
    if (!mkdtemp(dir)) {
        snprintf(dir, sizeof dir, "/tmp/il-fuzz-spool-XXXXXX");
        CLAIM(mkdtemp(dir));
    }
    put_file("ID", "01234567-89ab-4def-8123-456789abcd00\n", 37);
    put_file("LAST", "", 0);
    put_file("00000000000000000001.seg", bytes, make_segment(bytes, 1, 4));
    size_t whole = make_segment(bytes, 5, 8), skip = size ? data[0] : 0;
    if (size > sizeof bytes - 512)
        size = sizeof bytes - 512;
    if (skip > whole)
        skip = whole;
    for (size_t i = 1; i < size; i++) /* overlaid on good frames */
        bytes[skip + i - 1] ^= (char) data[i];
    if (skip + size > whole)
        whole = skip + size;
    put_file("00000000000000000005.seg", bytes, whole);
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
    remove_tree(dir);
    return 0;
}

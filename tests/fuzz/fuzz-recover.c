/* SPDX-License-Identifier: MIT */
/* Recovery against what was acknowledged.  A spool is written, some of it by
 * several processes; then a disk does to its segments what disks do: bits flip,
 * blocks turn to zeros or into older bytes, files are cut short.  Whatever of a
 * frame's bytes is as it was is there afterwards, in order, and nothing is that
 * was not written; also after a second start.
 *
 * Input, a byte each: how many frames, how large, where the process ends in
 * between, then pieces of damage: what, where (2 bytes), how much, where from (2 bytes). */
#include "folder.h"

#include <sys/stat.h>

#include "base/log.h"
#include "spool/private.h"
#include "spool/spool.h"

#define FRAMES_MAX 48
#define BODY_MAX 2100
#define FILES_MAX 32

struct bytes {
    const uint8_t *at, *end;
};

static unsigned
pick(struct bytes *b, unsigned below)
{
    return b->at < b->end ? *b->at++ % below : 0;
}

struct written {
    size_t len;
    uint64_t from, to; /* its bytes in the file */
    int file;
    int group; /* others that count only together with it; 0: none */
    int harmed, seen;
};

struct file {
    char name[40];
    char *bytes;
    size_t len, now; /* as it was, as it is */
    int head_harmed;
};

/* By position; what was given out before the damage. */
static struct written frames[FRAMES_MAX + 8];
static uint64_t given;
static struct file files[FILES_MAX];
static int file_count;
static char dir[64];

static void
body_of(uint64_t position, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char) (position * 31 + len + i * 7 + (i >> 8));
}

static struct spool *
open_spool(void)
{
    struct spool_options o = { .dir = dir,
                               .segment_bytes = 1 << 13,
                               .buffer_bytes = 1 << 16,
                               .retain_us = INT64_C(1) << 50 };
    struct spool *s = NULL;
    CLAIM(spool_open(&o, &s, NULL) == 0);
    return s;
}

/* One group, and wait until it is durable: that is the acknowledgement. */
static void
write_group(struct spool *s, struct bytes *in, uint64_t n)
{
    static char room[4][BODY_MAX];
    struct slice bodies[4];
    uint64_t first;
    int whole = n > 1 && pick(in, 2);
    for (uint64_t i = 0; i < n; i++) {
        size_t len = 1 + pick(in, 256) * 8u;
        body_of(given + 1 + i, len, room[i]);
        bodies[i] = slice_of(room[i], len);
        frames[given + 1 + i] =
            (struct written){ .len = len,
                              .group = whole ? (int) given + 1 : 0 };
    }
    CLAIM(!(whole ? spool_gather_whole : spool_append)(s, bodies, (uint32_t) n,
                                                       &first));
    CLAIM(first == given + 1);
    given += n;
    spool_flush(s, 5000000);
    CLAIM(spool_durable(s) == given);
}

static void
write_all(struct bytes *in)
{
    uint64_t n = 1 + pick(in, FRAMES_MAX);
    struct spool *s = open_spool();
    given = 0;
    while (given < n) {
        unsigned how = pick(in, 16);
        if (how == 15) {
            spool_close(s);
            s = open_spool();
        }
        uint64_t group = 1 + how % 4;
        write_group(s, in, group < n - given ? group : n - given);
    }
    spool_close(s);
}

static int
file_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    for (int i = 0; i < file_count; i++)
        if (strcmp(files[i].name, name) == 0)
            return i;
    CLAIM(file_count < FILES_MAX);
    snprintf(files[file_count].name, sizeof files[0].name, "%.39s", name);
    return file_count++;
}

static int
place(void *arg, const char *segment, uint64_t offset, uint64_t position,
      const char *body, size_t len, const char *damage)
{
    (void) arg;
    CLAIM(body && !damage && position && position <= given);
    CLAIM(frames[position].len == len);
    frames[position].file = file_of(segment);
    frames[position].from = offset;
    frames[position].to = offset + frame_size(len); /* with its zeros */
    return 0;
}

static void
load(struct file *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%.63s/%.39s", dir, f->name);
    int fd = open(path, O_RDONLY);
    CLAIM(fd >= 0 && fstat(fd, &st) == 0);
    f->len = f->now = (size_t) st.st_size;
    f->bytes = malloc(f->len + 1);
    CLAIM(f->bytes && read(fd, f->bytes, f->len) == (ssize_t) f->len);
    f->head_harmed = 0;
    close(fd);
}

static void
harm(int file, size_t from, size_t to)
{
    struct file *f = &files[file];
    f->head_harmed |= from < SEGMENT_HEADER && from < to;
    for (uint64_t p = 1; p <= given; p++)
        if (frames[p].file == file && from < frames[p].to
            && to > frames[p].from)
            frames[p].harmed = 1;
}

static void
damage(struct bytes *in)
{
    int which = (int) pick(in, 256);
    struct file *f = &files[which / 4 % file_count];
    size_t at = pick(in, 256);
    at = (at << 8 | pick(in, 256)) % (f->now + 1);
    size_t n = (1 + pick(in, 256)) * (which & 128 ? 16 : 1), from;
    size_t to = at + n < f->now ? at + n : f->now;
    switch (which % 4) {
    case 0: /* bits */
        to = at + 1 < f->now ? at + 1 : f->now;
        for (size_t i = at; i < to; i++)
            f->bytes[i] ^= (char) (n & 255 ? n : 1);
        break;
    case 1: /* a block that was never written */
        memset(f->bytes + at, 0, to - at);
        break;
    case 2: /* bytes from elsewhere in the file */
        from = (size_t) pick(in, 256) << 8;
        from = (from | pick(in, 256)) % (f->now - (to - at) + 1);
        memmove(f->bytes + at, f->bytes + from, to - at);
        break;
    case 3: /* cut */
        to = f->len;
        f->now = at;
    }
    harm(which / 4 % file_count, at, to);
}

static void
damage_all(struct bytes *in)
{
    file_count = 0;
    CLAIM(spool_walk(dir, 0, place, NULL) == 0);
    for (int i = 0; i < file_count; i++)
        load(&files[i]);
    while (in->at < in->end)
        damage(in);
    for (int i = 0; i < file_count; i++) {
        folder_put(dir, files[i].name, files[i].bytes, files[i].now);
        free(files[i].bytes);
    }
}

/* Must it be there?  All that counts only together with it counts too. */
static int
is_whole(uint64_t position)
{
    const struct written *w = &frames[position];
    for (uint64_t p = 1; p <= given; p++)
        if ((p == position || (w->group && frames[p].group == w->group))
            && (frames[p].harmed || files[frames[p].file].head_harmed))
            return 0;
    return 1;
}

struct reading {
    const struct il_text *text;
    uint64_t last, extra; /* extra: written after the damage */
};

static int
each(void *arg, uint64_t position, size_t offset, size_t len)
{
    static char body[BODY_MAX];
    struct reading *r = arg;
    CLAIM(position > r->last);
    r->last = position;
    if (position == r->extra) {
        CLAIM(len == 5 && !memcmp(r->text->data + offset, "extra", 5));
        return 0;
    }
    CLAIM(position <= given && len == frames[position].len);
    body_of(position, len, body);
    CLAIM(memcmp(r->text->data + offset, body, len) == 0);
    frames[position].seen = 1;
    return 0;
}

static void
read_all(struct spool *s, uint64_t extra)
{
    struct spool_reader *reader;
    struct il_text text = { 0 };
    struct reading r = { .text = &text, .extra = extra };
    uint64_t last = 0;
    for (uint64_t p = 1; p <= given; p++)
        frames[p].seen = 0;
    CLAIM(spool_reader_open(s, 0, &reader) == 0);
    while (last < spool_durable(s)) {
        text.len = 0;
        CLAIM(spool_reader_read(reader, &text, 5000, 3, 0, &last, each, &r)
              >= 0);
    }
    CLAIM(!extra || r.last == extra);
    for (uint64_t p = 1; p <= given; p++)
        CLAIM(frames[p].seen || !is_whole(p));
    spool_reader_close(reader);
    text_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = { data, data + size };
    struct slice more = SLICE("extra");
    uint64_t extra;
    log_level_set(0);
    folder_make(dir, "recover");
    write_all(&in);
    damage_all(&in);

    struct spool *s = open_spool();
    read_all(s, 0);
    /* DIR/LAST is whole: no position is given out a second time. */
    CLAIM(spool_append(s, &more, 1, &extra) == 0 && extra > given);
    spool_flush(s, 5000000);
    read_all(s, extra);
    spool_close(s);
    s = open_spool();
    read_all(s, extra);
    spool_close(s);
    folder_remove(dir);
    return 0;
}

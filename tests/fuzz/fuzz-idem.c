/* SPDX-License-Identifier: MIT */
/* The idempotency index opens whatever is in its files, and what it then knows
 * fits into an answer.  The input changes files of a good index, in pieces:
 * which file, where (3 bytes), how many bytes, the bytes to XOR.  A piece of no
 * bytes cuts the file there instead. */
#include <config.h>

#include "folder.h"

#include "../../core/idem/idem.c"
#include "../../core/idem/secret.c"
#include "../../core/idem/start.c"
#include "../../core/idem/table.c"
#include "../../core/idem/work.c"
#include "../../core/runs/merge.c"
#include "../../core/runs/run.c"
#include "../../core/runs/set.c"
#include "../../core/runs/write.c"

#include "codec/event.h"

#define KEYS 12
#define FILES_MAX 16
#define WINDOW_US INT64_C(86400000000)

struct file {
    char name[40];
    size_t len;
    char *good, *bad;
};

static struct file files[FILES_MAX];
static size_t file_count;
static struct spool *spool;
static char spool_dir[64];
static int64_t now = INT64_C(1795000000000000);

static int
open_changed(const char *dir, struct idem **d)
{
    struct idem_options o = { .dir = dir, .window_us = WINDOW_US,
                              .max_keys = 100000,
                              .part_keys = 1 /* the least */ };
    return idem_open(&o, spool, d);
}

static struct idem *
open_index(const char *dir)
{
    struct idem *d;
    CLAIM(!open_changed(dir, &d));
    return d;
}

static struct slice
id_of(int i, char text[16])
{
    return slice_of(text, (size_t) snprintf(text, 16, "id-%d", i));
}

static struct idem_key
key_of(const struct idem *d, int i)
{
    char text[16];
    return idem_key(d, IDEM_SERVER, SLICE("app"), id_of(i, text));
}

/* Some keys more, every other one with an id of its own. */
static void
fill(struct idem *d, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        struct il_text body = { 0 };
        uint64_t position;
        struct event e = { .id = id_of(i, text),
                           .type = SLICE("t"),
                           .source_id = SLICE("app"),
                           .received_us = now,
                           .timestamp_us = EVENT_NO_TIME,
                           .payload = SLICE("\x80") };
        CLAIM(!event_pack(&body, &e));
        struct slice frame = slice_of(body.data, body.len);
        CLAIM(!spool_append(spool, &frame, 1, &position));
        spool_flush(spool, 1000000);
        CLAIM(!idem_ready(d, 1, e.received_us));
        CLAIM(!idem_add(d, key_of(d, i), e.received_us, position,
                        i & 1 ? e.id : (struct slice){ 0 }));
        idem_durable(d, position, 0);
        text_clear(&body);
        now += WINDOW_US / 20;
    }
}

static void
remember(const char *dir)
{
    char path[400];
    DIR *d = opendir(dir);
    CLAIM(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        CLAIM(file_count < FILES_MAX);
        struct file *f = &files[file_count++];
        snprintf(f->name, sizeof f->name, "%.39s", e->d_name);
        snprintf(path, sizeof path, "%s/%s", dir, f->name);
        int fd = open(path, O_RDONLY);
        struct stat st;
        CLAIM(fd >= 0 && !fstat(fd, &st));
        f->len = (size_t) st.st_size;
        f->good = malloc(f->len);
        f->bad = malloc(f->len);
        CLAIM(f->good && f->bad);
        CLAIM(read(fd, f->good, f->len) == (ssize_t) f->len);
        close(fd);
    }
    closedir(d);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *) a)->name,
                  ((const struct file *) b)->name);
}

static void
make_good(void)
{
    char dir[64];
    struct spool_options o = { .dir = spool_dir, .segment_bytes = 1 << 20,
                               .buffer_bytes = 1 << 20 };
    folder_make(spool_dir, "idem-spool");
    folder_make(dir, "idem");
    CLAIM(!spool_open(&o, &spool, NULL));
    /* Each end writes a run; they are of different quarters of the window. */
    for (int i = 0; i < KEYS; i += KEYS / 3) {
        struct idem *d = open_index(dir);
        fill(d, i, i + KEYS / 3);
        idem_close(d);
    }
    remember(dir);
    qsort(files, file_count, sizeof files[0], by_name);
    folder_remove(dir);
}

/* Half of the time with checksums that are right, to get behind them. */
static void
mend_run(char *run, size_t len)
{
    struct runs_header h;
    if (len < RUNS_PAGE)
        return;
    memcpy(&h, run, sizeof h);
    uint64_t sum = runs_header_sum(run);
    memcpy(run + RUNS_PAGE - sizeof sum, &sum, sizeof sum);
    for (uint64_t page = 1; page < h.sums_page && page < len / RUNS_PAGE;
         page++) {
        uint64_t at = h.sums_page * RUNS_PAGE + page * sizeof sum;
        if (h.sums_page > len / RUNS_PAGE || at + sizeof sum > len)
            return;
        sum = runs_page_sum(&h, page, run + page * RUNS_PAGE);
        memcpy(run + at, &sum, sizeof sum);
    }
}

static void
mend(const char *name, char *bytes, size_t len)
{
    uint64_t sum;
    if (strstr(name, ".run")) {
        mend_run(bytes, len);
    } else if (!strcmp(name, LIST_NAME) && len > sizeof sum) {
        sum = XXH3_64bits(bytes, len - sizeof sum);
        memcpy(bytes + len - sizeof sum, &sum, sizeof sum);
    }
}

static void
put_files(const char *dir, const uint8_t *data, size_t size)
{
    size_t len[FILES_MAX];
    int mended = size && data[0] & 1;
    for (size_t i = 0; i < file_count; i++) {
        memcpy(files[i].bad, files[i].good, files[i].len);
        len[i] = files[i].len;
    }
    for (size_t at = 1; at + 5 <= size;) {
        size_t which = data[at] % file_count;
        struct file *f = &files[which];
        size_t where = (size_t) (data[at + 1] | data[at + 2] << 8
                                 | data[at + 3] << 16) % f->len;
        size_t n = data[at + 4];
        at += 5;
        if (n == 0)
            len[which] = where;
        for (size_t i = 0; i < n && at < size && where + i < f->len; i++)
            f->bad[where + i] ^= (char) data[at++];
    }
    for (size_t i = 0; i < file_count; i++) {
        if (mended)
            mend(files[i].name, files[i].bad, len[i]);
        folder_put(dir, files[i].name, files[i].bad, len[i]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[64], text[16];
    struct idem_hit hit;
    struct idem_stats stats;
    log_level_set(0);
    if (!spool)
        make_good();
    folder_make(dir, "idem");
    put_files(dir, data, size);
    struct idem *d;
    int rc = open_changed(dir, &d);
    CLAIM(!rc || rc == -ENOTSUP); /* a newer version's */
    if (rc) {
        folder_remove(dir);
        return 0;
    }
    for (int i = 0; i < KEYS; i++)
        if (idem_find(d, key_of(d, i), now, &hit) > 0)
            CLAIM(hit.id_len <= sizeof hit.id);
    idem_stats(d, &stats);
    /* It still takes a key, and knows it. */
    for (int i = 0; i < 200 && idem_ready(d, 1, now) == -EAGAIN; i++)
        usleep(100); /* what damage took is taken from the spool */
    if (idem_ready(d, 1, now) == 0) {
        struct slice id = id_of(KEYS, text);
        idem_add(d, key_of(d, KEYS), now, KEYS + 1, id);
        rc = idem_find(d, key_of(d, KEYS), now, &hit);
        CLAIM(rc == -EAGAIN || rc == 1);
        CLAIM(rc < 0 || (hit.position == KEYS + 1 && hit.id_len == id.len));
        idem_durable(d, KEYS + 1, 0);
        rc = idem_find(d, key_of(d, KEYS), now, &hit);
        CLAIM(rc == -EAGAIN || rc == 1);
    }
    idem_checkpoint(d, now);
    idem_close(d);
    folder_remove(dir);
    return 0;
}

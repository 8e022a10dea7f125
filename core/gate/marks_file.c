/* SPDX-License-Identifier: MIT */
/* The copy of the marks, and what a start makes of it.
 *
 * "ILMARKS1", UUID of the spool, u64 position up to which it has all marks, then
 * for each mark an array [ source_id, name, value, position, written_at ], and
 * u64 XXH3 of all before.  Little-endian, the arrays msgpack. */
#include "marks_private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "codec/event.h"
#include "codec/msg_pack.h"

#define XXH_INLINE_ALL
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC "ILMARKS1"
#define HEAD 32
#define SUM 8
#define COPY_EVERY_US 10000000
#define READ_BYTES (1u << 20)
#define READ_AGAIN_NS 100000000

/* --- writing -------------------------------------------------------------- */

static int
put_u64(struct il_text *out, uint64_t v)
{
    v = htole64(v);
    return text_put(out, &v, sizeof(v));
}

static int
put_mark(struct il_text *out, const struct mark *k)
{
    int err = msg_pack_array(out, 5);
    if (!err)
        err = msg_pack_str(out, k->source.ptr, k->source.len);
    if (!err)
        err = msg_pack_str(out, k->name.ptr, k->name.len);
    if (!err)
        err = msg_pack_str(out, k->value.ptr, k->value.len);
    if (!err)
        err = msg_pack_uint(out, k->position);
    return err ? err : msg_pack_int(out, k->written_us);
}

/* Holds the lock. */
static int
file_text(const struct gate_marks *m, uint64_t covered, struct il_text *out)
{
    int err = text_put(out, MAGIC, 8);
    if (!err)
        err = text_put(out, spool_id(m->spool), 16);
    if (!err)
        err = put_u64(out, covered);
    for (size_t i = 0; i < m->count && !err; i++)
        err = put_mark(out, m->table[i]);
    return err ? err : put_u64(out, XXH3_64bits(out->data, out->len));
}

static int
write_aside(int dirfd, const char *name, const struct il_text *text)
{
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
                                     | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int err = file_pwrite(fd, text->data, text->len, 0);
    if (!err && fdatasync(fd))
        err = -errno;
    close(fd);
    return err;
}

static int
file_write(const struct gate_marks *m, const struct il_text *text)
{
    int dirfd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    int err = write_aside(dirfd, "MARKS.new", text);
    if (!err && renameat(dirfd, "MARKS.new", dirfd, "MARKS"))
        err = -errno;
    if (err)
        unlinkat(dirfd, "MARKS.new", 0);
    if (!err && fsync(dirfd))
        err = -errno;
    close(dirfd);
    return err;
}

/* As it was: so much of the spool is in it. */
static int
copy(struct gate_marks *m)
{
    struct il_text text = { 0 };
    /* before the list: what is appended later stands behind it */
    uint64_t durable = spool_durable(m->spool);
    pthread_mutex_lock(&m->lock);
    if (m->gate)
        gate_marks_take(m);
    if (m->first && m->first->ticket.position <= durable)
        durable = m->first->ticket.position - 1;
    uint64_t changes = m->changes;
    int err = file_text(m, durable, &text);
    pthread_mutex_unlock(&m->lock);
    if (!err)
        err = file_write(m, &text);
    text_clear(&text);
    if (!err) {
        m->covered = durable;
        m->copied = changes;
        spool_hold_move(m->hold, durable);
    }
    return err;
}

/* Nothing has changed: then no frame up to here is needed. */
static void
move_on(struct gate_marks *m)
{
    uint64_t durable = spool_durable(m->spool);
    pthread_mutex_lock(&m->lock);
    if (m->gate)
        gate_marks_take(m);
    if (m->first && m->first->ticket.position <= durable)
        durable = m->first->ticket.position - 1;
    int same = m->changes == m->copied;
    pthread_mutex_unlock(&m->lock);
    if (same && durable > spool_hold_position(m->hold))
        spool_hold_move(m->hold, durable);
}

static int
is_due(struct gate_marks *m, int end)
{
    uint64_t durable = spool_durable(m->spool);
    pthread_mutex_lock(&m->lock);
    int changed = m->changes != m->copied || m->first;
    pthread_mutex_unlock(&m->lock);
    if (durable == m->covered && !changed)
        return 0;
    int64_t age_us = clock_monotonic_us() - m->copied_us;
    return end || (changed && (age_us >= COPY_EVERY_US || !m->copied_us))
           || spool_newest_begins(m->spool) > m->covered + 1
           || (changed && spool_health(m->spool));
}

void
gate_marks_checkpoint(struct gate_marks *m, int end)
{
    if (is_due(m, end)) {
        int err = copy(m);
        m->copied_us = clock_monotonic_us();
        if (err && !m->failing)
            log_error("marks of sources: cannot write %s/MARKS: %s; the spool "
                      "keeps what is needed instead", m->dir, strerror(-err));
        else if (!err && m->failing)
            log_info("marks of sources: %s/MARKS can be written again",
                     m->dir);
        m->failing = err != 0;
    }
    move_on(m);
}

/* --- reading -------------------------------------------------------------- */

static int
read_mark(struct gate_marks *m, const char **p, const char *end,
          uint64_t durable, int *later)
{
    struct il_value v, text[3];
    if (msg_head(p, end, &v) || v.type != IL_ARRAY || v.count != 5)
        return -EINVAL;
    for (int i = 0; i < 3; i++)
        if (msg_head(p, end, &text[i]) || text[i].type != IL_STRING)
            return -EINVAL;
    struct mark *k = gate_mark_new(slice_of(text[0].str, text[0].len),
                                   slice_of(text[1].str, text[1].len),
                                   slice_of(text[2].str, text[2].len));
    if (!k || gate_marks_reserve(m, 1)) {
        free(k);
        return -ENOMEM;
    }
    if (msg_head(p, end, &v) || v.type != IL_INT) {
        free(k);
        return -EINVAL;
    }
    k->position = v.num.u;
    if (msg_head(p, end, &v) || v.type != IL_INT) {
        free(k);
        return -EINVAL;
    }
    k->written_us = v.num.i;
    *later |= k->position > durable;
    if (k->position > durable)
        free(k);
    else
        gate_marks_put(m, k);
    return 0;
}

static void
marks_clear(struct gate_marks *m)
{
    while (m->count)
        free(m->table[--m->count]);
}

static int
file_get(const struct gate_marks *m, struct il_text *out)
{
    int dirfd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    int err = file_read(dirfd, "MARKS", UINT32_MAX, out);
    close(dirfd);
    return err == -EFBIG || (!err && out->len < HEAD + SUM) ? -EINVAL : err;
}

/* What it says, into the table.  0; -EINVAL: it cannot be believed; -ESTALE: not
 * all of it can. */
static int
file_parse(struct gate_marks *m, const struct il_text *text, uint64_t *covered)
{
    uint64_t sum, durable = spool_durable(m->spool);
    const char *p = text->data + HEAD, *end = text->data + text->len - SUM;
    int err = 0, later = 0;
    memcpy(&sum, end, sizeof(sum));
    if (memcmp(text->data, MAGIC, 8) != 0
        || memcmp(text->data + 8, spool_id(m->spool), 16) != 0
        || le64toh(sum) != XXH3_64bits(text->data, text->len - SUM))
        return -EINVAL;
    memcpy(covered, text->data + 24, sizeof(*covered));
    *covered = le64toh(*covered);
    while (p < end && !err)
        err = read_mark(m, &p, end, durable, &later);
    if (err)
        marks_clear(m);
    return err ? err : later || *covered > durable ? -ESTALE : 0;
}

/* --- the frames ----------------------------------------------------------- */

struct scan {
    struct gate_marks *marks;
    struct il_text text;
};

static int
scan_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct scan *s = arg;
    struct event_marks em;
    struct event_mark one;
    size_t iter = 0;
    if (!event_is_marks(s->text.data + offset, len)
        || event_marks_unpack(s->text.data + offset, len, &em))
        return 0;
    while (event_marks_next(&em, &iter, &one)) {
        struct mark *k = gate_mark_new(em.source_id, one.name, one.value);
        if (!k || gate_marks_reserve(s->marks, 1)) {
            free(k);
            return -ENOMEM;
        }
        k->position = position;
        k->written_us = em.written_us;
        gate_marks_put(s->marks, k);
    }
    return 0;
}

/* Take in the frames behind a position. */
static int
scan(struct gate_marks *m, uint64_t after)
{
    struct scan s = { .marks = m };
    struct spool_reader *reader = NULL;
    uint64_t last = after, end = spool_durable(m->spool);
    int err = last < end ? spool_reader_open(m->spool, last, &reader) : 0;
    while (!err && last < end) {
        s.text.len = 0;
        int n = spool_reader_read(reader, &s.text, READ_BYTES, UINT32_MAX, 0,
                                  &last, scan_frame, &s);
        if (n == -EIO) /* in the end it counts as damage */
            nanosleep(&(struct timespec){ 0, READ_AGAIN_NS }, NULL);
        else if (n < 0)
            err = n;
    }
    if (reader)
        spool_reader_close(reader);
    text_clear(&s.text);
    return err;
}

/* --- a start -------------------------------------------------------------- */

/* Where the scan begins. */
static uint64_t
believe(const struct gate_marks *m, int err, uint64_t covered)
{
    struct spool_stats st;
    spool_stats(m->spool, &st);
    if (err == -ENOENT && st.first > 1)
        log_warn("marks of sources: there is no %s/MARKS: they are taken from "
                 "the spool, which begins at %" PRIu64 "; a source whose mark "
                 "is older begins anew", m->dir, st.first);
    else if (err == -ESTALE)
        log_error("marks of sources: %s/MARKS knows position %" PRIu64 ", the "
                  "spool ends at %" PRIu64 ": was state_dir restored from a "
                  "backup? Sources go back to the marks that the spool has",
                  m->dir, covered, st.last);
    else if (err && err != -ENOENT)
        log_error("marks of sources: %s/MARKS cannot be used (%s): they are "
                  "taken from the spool, which begins at %" PRIu64
                  "; a source whose mark is older begins anew",
                  m->dir,
                  err == -EINVAL ? "damaged, or of another spool"
                                 : strerror(-err),
                  st.first);
    else if (!err && m->count && covered + 1 < st.first)
        log_error("marks of sources: the spool has lost what came after "
                  "position %" PRIu64 ", up to %" PRIu64 ", and marks with it: "
                  "sources may read again what they had read", covered,
                  st.first - 1);
    return err ? 0 : covered;
}

static int
start(struct gate_marks *m)
{
    struct il_text text = { 0 };
    uint64_t covered = 0;
    int got = file_get(m, &text);
    if (!got)
        got = file_parse(m, &text, &covered);
    text_clear(&text);
    if (got && got != -EINVAL && got != -ESTALE && !file_is_lost(-got))
        return got;
    uint64_t in_file = m->changes;
    int err = scan(m, believe(m, got, covered));
    m->covered = got ? 0 : covered;
    m->copied = got && m->changes ? m->changes + 1 : in_file;
    return err;
}

int
gate_marks_open(const char *dir, struct spool *spool, struct gate_marks **out)
{
    struct gate_marks *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->spool = spool;
    m->tail = &m->first;
    pthread_mutex_init(&m->lock, NULL);
    m->hold = spool_hold_new(spool, "marks of sources", 0);
    m->dir = strdup(dir);
    int err = m->hold && m->dir ? start(m) : -ENOMEM;
    if (err) {
        log_error("marks of sources: cannot read %s: %s", dir, strerror(-err));
        gate_marks_close(m);
        return err;
    }
    gate_marks_checkpoint(m, 0);
    *out = m;
    return 0;
}

void
gate_marks_close(struct gate_marks *m)
{
    if (!m)
        return;
    spool_hold_free(m->hold);
    while (m->first) {
        struct gate_marking *g = m->first;
        m->first = g->next;
        gate_marking_free(g);
    }
    marks_clear(m);
    free(m->table);
    free(m->dir);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

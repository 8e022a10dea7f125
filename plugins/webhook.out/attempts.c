/* SPDX-License-Identifier: MIT */
/* Records have one size, so that what is damaged hides nothing behind it.  Each
 * has a number; that of number n has the place n - 1 modulo their count, and the
 * greatest that there is tells where to go on.
 *
 * `lock` guards what was added, `writing` the file; the latter is taken first. */
#include "attempts.h"

#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD ATTEMPTS_RECORD
#define MOST 16384 /* that are not written: 8 MiB, of a second */
#define MUCH 2048
#define CHUNK (256 * RECORD)

/* Places in a record; numbers are little-endian. */
enum {
    AT_SUM = 0, /* FNV-1a of 64 bits, of what follows */
    AT_NUMBER = 8,
    AT_TIME = 16,
    AT_POSITION = 24,
    AT_ATTEMPT = 32,
    AT_MS = 36,
    AT_STATUS = 40,
    AT_END = 42,
    AT_EVENT_LEN = 43,
    AT_ID_LEN = 44,
    AT_TARGET_LEN = 45,
    AT_TEXT_LEN = 46,
    AT_VERSION = 47,
    AT_EVENT = 48,
    AT_ID = AT_EVENT + ATTEMPTS_EVENT_MAX,
    AT_TARGET = AT_ID + ATTEMPTS_ID_MAX,
    AT_TEXT = AT_TARGET + ATTEMPTS_TARGET_MAX
};
_Static_assert(AT_TEXT + ATTEMPTS_TEXT_MAX == RECORD, "it is full");
#define VERSION 1

struct attempts {
    int fd;
    uint64_t places;
    pthread_mutex_t writing;
    unsigned char *out; /* writing: those that go to the file */
    size_t out_room;
    pthread_mutex_t lock;
    unsigned char *in; /* lock: those that are to go */
    size_t in_count, in_room;
    uint64_t next; /* lock: number */
};

static void
put(unsigned char *p, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char) (n >> (8 * i));
}

static uint64_t
get(const unsigned char *p, int bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint64_t) p[i] << (8 * i);
    return n;
}

static uint64_t
sum_of(const unsigned char *record)
{
    return hash_bytes(record + AT_NUMBER, RECORD - AT_NUMBER);
}

/* The same of a record whose texts are as put_text() leaves them: most of it is
 * 0. */
static uint64_t
sum_of_new(const unsigned char *record)
{
    static const struct {
        size_t at, len_at, end;
    } texts[] = { { AT_EVENT, AT_EVENT_LEN, AT_ID },
                  { AT_ID, AT_ID_LEN, AT_TARGET },
                  { AT_TARGET, AT_TARGET_LEN, AT_TEXT },
                  { AT_TEXT, AT_TEXT_LEN, RECORD } };
    uint64_t sum =
        hash_more(HASH_NONE, record + AT_NUMBER, AT_EVENT - AT_NUMBER);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const size_t len = record[texts[i].len_at];
        sum = hash_more(sum, record + texts[i].at, len);
        sum = hash_zeros(sum, texts[i].end - texts[i].at - len);
    }
    return sum;
}

/* --- opening -------------------------------------------------------------- */

/* The greatest number of what stands at its place; 0: there is none. */
static uint64_t
greatest(const struct attempts *a, const unsigned char *records, size_t n,
         uint64_t place)
{
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *r = records + i * RECORD;
        uint64_t number = get(r + AT_NUMBER, 8);
        if (number > most && (number - 1) % a->places == place + i
            && number <= UINT64_MAX / 2 && get(r + AT_SUM, 8) == sum_of(r))
            most = number;
    }
    return most;
}

static int
find_end(struct attempts *a)
{
    unsigned char *chunk = malloc(CHUNK);
    uint64_t place = 0, most = 0;
    ssize_t got = chunk ? 0 : -1;
    int err = chunk ? 0 : -ENOMEM;
    while (!err && place < a->places) {
        got = pread(a->fd, chunk, CHUNK, (off_t) (place * RECORD));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = -errno;
        if (got < RECORD)
            break;
        size_t n = (size_t) got / RECORD;
        if (n > a->places - place)
            n = (size_t) (a->places - place);
        uint64_t here = greatest(a, chunk, n, place);
        most = here > most ? here : most;
        place += n;
    }
    free(chunk);
    a->next = most + 1;
    return err;
}

int
attempts_open(const char *folder, size_t size, struct attempts **out)
{
    char path[4200];
    struct attempts *a = calloc(1, sizeof(*a));
    *out = NULL;
    if (!a)
        return -ENOMEM;
    pthread_mutex_init(&a->writing, NULL);
    pthread_mutex_init(&a->lock, NULL);
    a->places = size / RECORD;
    snprintf(path, sizeof(path), "%s/%s", folder, ATTEMPTS_FILE);
    a->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = a->fd < 0 ? -errno : find_end(a);
    if (err)
        attempts_close(a);
    else
        *out = a;
    return err;
}

void
attempts_close(struct attempts *a)
{
    if (!a)
        return;
    if (a->fd >= 0) {
        attempts_write(a);
        close(a->fd);
    }
    pthread_mutex_destroy(&a->writing);
    pthread_mutex_destroy(&a->lock);
    free(a->in);
    free(a->out);
    free(a);
}

/* --- adding --------------------------------------------------------------- */

static void
put_text(unsigned char *record, int at, int len_at, const char *text,
         size_t len, size_t room)
{
    len = len < room ? len : room;
    if (len)
        memcpy(record + at, text, len);
    record[len_at] = (unsigned char) len;
}

/* Room for one more, or NULL: there is none, and it is left out. */
static unsigned char *
next_place(struct attempts *a)
{
    if (a->in_count == a->in_room && a->in_room < MOST) {
        size_t room = a->in_room ? a->in_room * 2 : 64;
        unsigned char *more = realloc(a->in, room * RECORD);
        if (more) {
            a->in = more;
            a->in_room = room;
        }
    }
    return a->in_count < a->in_room ? a->in + a->in_count++ * RECORD : NULL;
}

int
attempts_add(struct attempts *a, const struct attempts_record *r)
{
    pthread_mutex_lock(&a->lock);
    unsigned char *p = next_place(a);
    if (p) {
        memset(p, 0, RECORD);
        put(p + AT_NUMBER, a->next++, 8);
        put(p + AT_TIME, (uint64_t) r->at_us, 8);
        put(p + AT_POSITION, r->position, 8);
        put(p + AT_ATTEMPT, r->attempt, 4);
        put(p + AT_MS, r->ms, 4);
        put(p + AT_STATUS, r->status, 2);
        p[AT_END] = r->end;
        p[AT_VERSION] = VERSION;
        put_text(p, AT_EVENT, AT_EVENT_LEN, r->event, r->event_len,
                 ATTEMPTS_EVENT_MAX);
        put_text(p, AT_ID, AT_ID_LEN, r->id, r->id_len, ATTEMPTS_ID_MAX);
        put_text(p, AT_TARGET, AT_TARGET_LEN, r->target, r->target_len,
                 ATTEMPTS_TARGET_MAX);
        put_text(p, AT_TEXT, AT_TEXT_LEN, r->text, r->text_len,
                 ATTEMPTS_TEXT_MAX);
    }
    const int much = a->in_count == MUCH; /* once is enough */
    pthread_mutex_unlock(&a->lock);
    return much;
}

/* --- writing -------------------------------------------------------------- */

static int
write_all(int fd, const unsigned char *bytes, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, bytes, len, (off_t) at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        bytes += n;
        len -= (size_t) n;
        at += (uint64_t) n;
    }
    return 0;
}

int
attempts_write(struct attempts *a)
{
    pthread_mutex_lock(&a->writing);
    pthread_mutex_lock(&a->lock);
    unsigned char *records = a->in;
    const size_t room = a->in_room;
    size_t count = a->in_count, done = 0;
    a->in = a->out;
    a->in_room = a->out_room;
    a->in_count = 0;
    a->out = records;
    a->out_room = room;
    uint64_t number = a->next - count;
    pthread_mutex_unlock(&a->lock);
    int err = 0;
    for (size_t i = 0; i < count; i++)
        put(records + i * RECORD + AT_SUM, sum_of_new(records + i * RECORD), 8);
    while (done < count && !err) {
        uint64_t place = (number + done - 1) % a->places;
        size_t n = count - done;
        if (n > a->places - place)
            n = (size_t) (a->places - place);
        err = write_all(a->fd, records + done * RECORD, n * RECORD,
                        place * RECORD);
        done += n;
    }
    pthread_mutex_unlock(&a->writing);
    return err;
}

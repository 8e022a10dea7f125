/* SPDX-License-Identifier: MIT */
/* Slices of time: made, grown, looked into, dropped whole. */
#include "idem_private.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* While a table moves into one of twice the size, each entry that is put moves
 * so many slots: no put takes long, and the move is over before the new table
 * is half full. */
#define MOVE_STEP 16
#define IDS_STEP ((uint64_t) 1 << 20)

static void
ids_name(char out[40], uint64_t seq)
{
    snprintf(out, 40, "%08" PRIx64 ".ids", seq);
}

void
slice_free(struct idem_slice *s)
{
    if (!s)
        return;
    table_close(&s->table);
    table_close(&s->old);
    if (s->ids)
        munmap(s->ids, s->ids_size);
    if (s->ids_fd >= 0)
        close(s->ids_fd);
    free(s);
}

/* How large the slice will become, judging by the one before it. */
static uint64_t
slice_expect(const struct idem *d)
{
    uint64_t slots = TABLE_SLOTS_MIN;
    if (d->slice_count) {
        const struct table *t = &d->slices[d->slice_count - 1]->table;
        uint64_t keys = t->header->count;
        if (keys + keys / 2 > slots)
            slots = keys + keys / 2;
    }
    return slots;
}

int
slice_start(struct idem *d, int64_t now_us, uint64_t position)
{
    if (d->slice_count > SLICES_MAX)
        return -ENOSPC;
    struct idem_slice *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->ids_fd = -1;
    struct table_header h = { .seq = d->next_seq,
                              .slots = slice_expect(d),
                              .start_us = now_us,
                              .unit_us = d->slice_us / (VAL_TIME_MAX + 1),
                              .base = position - 1,
                              .complete = 1,
                              .limit = UINT64_MAX,
                              .newest_us = now_us };
    if (h.unit_us < 1)
        h.unit_us = 1;
    int rc = table_create(d, &s->table, &h);
    if (rc && h.slots > TABLE_SLOTS_MIN) {
        h.slots = TABLE_SLOTS_MIN;
        rc = table_create(d, &s->table, &h);
    }
    if (rc) {
        slice_free(s);
        return rc;
    }
    d->next_seq++;
    pthread_mutex_lock(&d->list_lock);
    d->slices[d->slice_count++] = s;
    state_slices(d);
    pthread_mutex_unlock(&d->list_lock);
    return 0;
}

void
slice_drop_oldest(struct idem *d)
{
    pthread_mutex_lock(&d->list_lock);
    if (d->slice_count && d->dropped_count < DROPPED_MAX) {
        d->dropped[d->dropped_count++] = d->slices[0];
        d->slice_count--;
        memmove(d->slices, d->slices + 1,
                d->slice_count * sizeof d->slices[0]);
        state_slices(d);
    }
    pthread_mutex_unlock(&d->list_lock);
}

void
slice_remove_dropped(struct idem *d)
{
    struct idem_slice *list[DROPPED_MAX];
    pthread_mutex_lock(&d->list_lock);
    size_t n = d->dropped_count;
    memcpy(list, d->dropped, sizeof list);
    d->dropped_count = 0;
    pthread_mutex_unlock(&d->list_lock);
    for (size_t i = 0; i < n; i++) {
        char name[40];
        ids_name(name, list[i]->table.header->seq);
        if (list[i]->ids_fd >= 0)
            unlinkat(d->dirfd, name, 0);
        table_remove(d, &list[i]->table);
        table_remove(d, &list[i]->old);
        slice_free(list[i]);
    }
}

/* The old table is of no use any more; its file stays until what has taken its
 * place is on the disk. */
static void
slice_retire(struct idem *d, struct idem_slice *s)
{
    pthread_mutex_lock(&d->list_lock);
    __atomic_store_n(&s->table.header->complete, 1, __ATOMIC_RELEASE);
    if (d->retired_count < DROPPED_MAX) {
        d->retired[d->retired_count++] = s->old;
        memset(&s->old, 0, sizeof s->old);
    }
    pthread_mutex_unlock(&d->list_lock);
}

static void
slice_move(struct idem *d, struct idem_slice *s, uint64_t slots)
{
    uint64_t n = s->old.header->slots;
    for (; slots && s->moved < n; slots--, s->moved++) {
        const struct slot *slot = &s->old.slots[s->moved];
        if (slot->val)
            table_put(&s->table, slot->lo, slot->val);
    }
    if (s->moved == n)
        slice_retire(d, s);
}

/* Make room for one more entry. */
static int
slice_grow(struct idem *d, struct idem_slice *s)
{
    /* Only where the checkpoint has not come for long. */
    if (s->old.header)
        return s->table.header->count + 1 < s->table.header->slots / 20 * 19
                   ? 0
                   : -ENOSPC;
    struct table_header h = *s->table.header;
    struct table next;
    h.generation++;
    h.slots *= 2;
    h.complete = 0;
    int rc = table_create(d, &next, &h);
    if (rc == 0) {
        pthread_mutex_lock(&d->list_lock);
        s->old = s->table;
        s->table = next;
        s->moved = 0;
        pthread_mutex_unlock(&d->list_lock);
        return 0;
    }
    /* No room on the disk: fill it further, slower though it gets. */
    if (s->table.header->count + 1 >= s->table.header->slots / 20 * 19)
        return rc;
    s->table.count_max = s->table.header->count + s->table.header->slots / 64;
    return 0;
}

/* Keep an id; *offset gets where.  0 or a negative errno. */
static int
slice_keep_id(struct idem *d, struct idem_slice *s, uint64_t position,
              struct slice id, uint64_t *offset)
{
    uint64_t at = s->table.header->ids_used;
    size_t need = (8 + 1 + id.len + 7) & ~(size_t) 7;
    if (s->ids_fd < 0) {
        char name[40];
        ids_name(name, s->table.header->seq);
        int fd = openat(d->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        pthread_mutex_lock(&d->list_lock);
        s->ids_fd = fd;
        pthread_mutex_unlock(&d->list_lock);
    }
    if (at + need > s->ids_size) {
        uint64_t size = s->ids_size * 2 > IDS_STEP ? s->ids_size * 2
                                                   : IDS_STEP;
        int rc = -posix_fallocate(s->ids_fd, 0, (off_t) size);
        if (rc)
            return rc;
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                         s->ids_fd, 0);
        if (map == MAP_FAILED)
            return -errno;
        if (s->ids)
            munmap(s->ids, s->ids_size);
        s->ids = map;
        s->ids_size = size;
    }
    memcpy(s->ids + at, &position, 8);
    s->ids[at + 8] = (char) id.len;
    memcpy(s->ids + at + 9, id.ptr, id.len);
    s->table.header->ids_used = at + need;
    *offset = at;
    return 0;
}

/* The slice for an entry: the newest, or one that begins with it. */
static int
slice_for(struct idem *d, int64_t now_us, uint64_t position,
          struct idem_slice **out)
{
    struct idem_slice *s = d->slice_count ? d->slices[d->slice_count - 1]
                                          : NULL;
    int fresh = !s;
    if (s) {
        const struct table_header *h = s->table.header;
        uint64_t most = d->opt.max_keys / SLICES_PER_WINDOW;
        int64_t age = now_us - h->start_us;
        /* A clock that flaps must not use up the slices: what is too old for
         * the newest is rather known for too long. */
        int back = age < -d->slice_us && d->slice_count < SLICES_MAX - 2;
        fresh = age >= d->slice_us || back || h->limit != UINT64_MAX
                || position <= h->base
                || position - h->base > VAL_LOW_MASK
                || (d->opt.max_keys && h->count >= most);
    }
    if (fresh && d->slice_count >= SLICES_MAX)
        slice_drop_oldest(d);
    int rc = fresh ? slice_start(d, now_us, position) : 0;
    if (rc == 0)
        *out = d->slices[d->slice_count - 1];
    return rc;
}

int
slice_insert(struct idem *d, struct idem_key key, int64_t now_us,
             uint64_t position, struct slice id)
{
    struct idem_slice *s;
    int rc = slice_for(d, now_us, position, &s);
    if (rc == 0 && s->table.header->count >= s->table.count_max)
        rc = slice_grow(d, s);
    if (rc)
        return rc;
    struct table_header *h = s->table.header;
    uint64_t low = position - h->base, flag = 0;
    if (id.len) {
        rc = slice_keep_id(d, s, position, id, &low);
        if (rc)
            return rc;
        low /= 8;
        flag = VAL_RECORD;
    }
    int64_t units = (now_us - h->start_us) / h->unit_us;
    if (units < 0)
        units = 0;
    if (units > VAL_TIME_MAX)
        units = VAL_TIME_MAX;
    if (h->sealed)
        h->sealed = 0;
    table_put(&s->table, key.lo,
              flag | (uint64_t) units << VAL_TIME_SHIFT
                  | (key.hi << VAL_TAG_SHIFT & VAL_TAG_MASK) | low);
    if (now_us > h->newest_us)
        __atomic_store_n(&h->newest_us, now_us, __ATOMIC_RELAXED);
    if (s->old.header)
        slice_move(d, s, MOVE_STEP);
    return 0;
}

/* 1 with the position and id, 0 if the record makes no sense. */
static int
slice_hit(const struct idem_slice *s, uint64_t val, struct idem_hit *hit)
{
    const struct table_header *h = s->table.header;
    uint64_t low = val & VAL_LOW_MASK;
    hit->id_len = 0;
    if (!(val & VAL_RECORD)) {
        hit->position = h->base + low;
        return hit->position <= h->limit;
    }
    low *= 8;
    if (low + 9 > h->ids_used || h->ids_used > s->ids_size)
        return 0;
    memcpy(&hit->position, s->ids + low, 8);
    hit->id_len = (unsigned char) s->ids[low + 8];
    if (hit->id_len > sizeof hit->id || low + 9 + hit->id_len > h->ids_used)
        return 0;
    memcpy(hit->id, s->ids + low + 9, hit->id_len);
    return hit->position <= h->limit;
}

int
slice_find(const struct idem *d, const struct idem_slice *s,
           struct idem_key key, int64_t now_us, struct idem_hit *hit)
{
    uint64_t val;
    const struct table_header *h = s->table.header;
    if (!table_find(&s->table, key, &val)
        && (!s->old.header || !table_find(&s->old, key, &val)))
        return 0;
    /* To the end of its unit of time: rather known too long than too short. */
    int64_t units = (int64_t) (val >> VAL_TIME_SHIFT & VAL_TIME_MAX) + 1;
    if (h->start_us + units * h->unit_us + d->opt.window_us <= now_us)
        return 0;
    return slice_hit(s, val, hit);
}

/* --- loading --- */

static int
load_ids(struct idem *d, struct idem_slice *s)
{
    char name[40];
    struct stat st;
    s->ids_fd = -1;
    if (s->table.header->ids_used == 0)
        return 0;
    ids_name(name, s->table.header->seq);
    s->ids_fd = openat(d->dirfd, name, O_RDWR | O_CLOEXEC);
    if (s->ids_fd < 0 || fstat(s->ids_fd, &st)
        || (uint64_t) st.st_size < s->table.header->ids_used
        || posix_fallocate(s->ids_fd, 0, st.st_size))
        return -EINVAL;
    void *map = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE,
                     MAP_SHARED, s->ids_fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    s->ids = map;
    s->ids_size = (uint64_t) st.st_size;
    return 0;
}

static int
slice_compare(const void *a, const void *b)
{
    const struct table *x = a, *y = b;
    if (x->header->seq != y->header->seq)
        return x->header->seq < y->header->seq ? -1 : 1;
    return x->header->generation < y->header->generation ? -1 : 1;
}

/* The tables of one slice, oldest first.  Where there are several it was
 * growing, or had, and after a power cut none need be whole: together they
 * are. */
static int
load_slice(struct idem *d, struct table *tables, size_t n)
{
    struct idem_slice *s = d->slice_count < SLICES_MAX ? calloc(1, sizeof *s)
                                                       : NULL;
    if (!s)
        return -ENOMEM;
    s->table = tables[n - 1];
    memset(&tables[n - 1], 0, sizeof tables[0]);
    int rc = load_ids(d, s);
    if (rc) {
        log_error("idempotency index: the ids of %s/%s are damaged", d->dir,
                  s->table.name);
        table_remove(d, &s->table);
        slice_free(s);
        return rc;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        table_merge(&s->table, &tables[i]);
        if (d->retired_count < DROPPED_MAX) {
            d->retired[d->retired_count++] = tables[i];
            memset(&tables[i], 0, sizeof tables[0]);
        }
    }
    if (!s->table.header->sealed)
        table_recount(&s->table);
    s->table.header->complete = 1;
    d->slices[d->slice_count++] = s;
    return 0;
}

#define TABLES_MAX 64

/* Open the tables that can be believed, remove the others.  Returns how many
 * those were, or a negative errno. */
static int
load_tables(struct idem *d, struct table *tables, size_t *n)
{
    int damaged = 0;
    int fd = openat(d->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    struct dirent *e;
    while ((e = readdir(dir))) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".tbl") != 0)
            continue;
        int rc = -EINVAL;
        if (*n < TABLES_MAX && strlen(e->d_name) < sizeof tables->name)
            rc = table_open(d, e->d_name, &tables[*n]);
        if (rc == 0) {
            (*n)++;
            continue;
        }
        log_error("idempotency index: %s/%s: %s, removed; its keys are taken "
                  "from the spool again", d->dir, e->d_name,
                  rc == -EINVAL ? "damaged, or of another spool"
                                : strerror(-rc));
        unlinkat(d->dirfd, e->d_name, 0);
        damaged++;
    }
    closedir(dir);
    return damaged;
}

int
slice_load_all(struct idem *d, uint64_t first_seq, uint64_t next_seq)
{
    struct table tables[TABLES_MAX];
    size_t n = 0;
    int damaged = load_tables(d, tables, &n);
    if (damaged < 0)
        return damaged;
    if (n)
        qsort(tables, n, sizeof tables[0], slice_compare);
    uint64_t expected = next_seq - first_seq;
    d->next_seq = next_seq ? next_seq : 1;
    for (size_t i = 0, k; i < n; i = k) {
        uint64_t seq = tables[i].header->seq;
        int whole = 0;
        for (k = i; k < n && tables[k].header->seq == seq; k++)
            whole |= tables[k].header->complete != 0;
        if (!whole)
            damaged++; /* what it was growing from is gone */
        if (seq >= d->next_seq)
            d->next_seq = seq + 1;
        if (load_slice(d, tables + i, k - i))
            damaged++;
        else if (seq >= first_seq && seq < next_seq)
            expected--;
    }
    /* What was of no use. */
    for (size_t i = 0; i < n; i++)
        table_remove(d, &tables[i]);
    if (expected && !damaged) {
        log_error("idempotency index: files are missing in %s; their keys "
                  "are taken from the spool again", d->dir);
        damaged++;
    }
    state_slices(d);
    return damaged;
}

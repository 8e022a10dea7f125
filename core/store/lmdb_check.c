/* SPDX-License-Identifier: MIT */
/* Is a file of LMDB whole?  Read, not mapped: behind the end of a file that is
 * shorter than its pages, a map ends the process.
 *
 * The newest of the two meta pages says which page is the last one in use.
 * The file may rightly end before it: a page that was taken and given back in
 * one transaction is never written.  All such pages are in the tree of free
 * pages then; so a short file is whole when every page that it lacks is there.
 *
 * The layout is LMDB's, version 1 of its data, in the byte order and the word
 * size of the machine, as LMDB itself requires. */
#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LMDB_MAGIC 0xbeefc0deu
#define LMDB_VERSION 1
#define LMDB_NONE SIZE_MAX /* the root of a tree without pages */
#define LMDB_DEPTH_MAX 32
#define LOOKS 5 /* at what another process has open */
enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_META = 8 };
enum { NODE_BIG = 1 }; /* its value is in pages of its own */

struct page_head {
    size_t number;
    uint16_t pad, flags;
    uint16_t lower, upper; /* where the offsets of the nodes end */
};

struct node_head {
    uint16_t words[2]; /* low and high half of the value's size */
    uint16_t flags, key_size;
};

struct tree {
    uint32_t pad; /* the tree of free pages: the size of a page */
    uint16_t flags, depth;
    size_t branches, leaves, overflows, entries;
    size_t root;
};

struct meta {
    struct page_head head;
    uint32_t magic, version;
    void *address;
    size_t map_size;
    struct tree free, main;
    size_t last; /* number of the last page in use */
    size_t txn;
};

struct look {
    int fd;
    uint64_t size; /* of the file */
    size_t page;   /* bytes of one */
    size_t pages;  /* whole ones in the file */
    size_t last;
    size_t free; /* lacking pages that are free */
};

enum verdict { WHOLE, NEW, UNFINISHED, FOREIGN, DAMAGED };

/* --- free pages ----------------------------------------------------------- */

/* A list of free pages: how many there are, then their numbers. */
static int
look_at_list(struct look *k, const char *bytes, size_t len)
{
    size_t count, number;
    if (len < sizeof count)
        return -EIO;
    memcpy(&count, bytes, sizeof count);
    if (count > len / sizeof count - 1)
        return -EIO;
    for (size_t i = 1; i <= count; i++) {
        memcpy(&number, bytes + i * sizeof number, sizeof number);
        k->free += number >= k->pages && number <= k->last;
    }
    return 0;
}

/* One that has pages of its own. */
static int
look_at_big_list(struct look *k, size_t number, size_t len)
{
    uint64_t at = (uint64_t) number * k->page + sizeof(struct page_head);
    if (number < 2 || number >= k->pages || len > k->size || at > k->size - len)
        return -EIO;
    char *bytes = malloc(len + 1);
    if (!bytes)
        return -ENOMEM;
    int err = file_pread(k->fd, bytes, len, at) == (int64_t) len ? 0 : -EIO;
    if (!err)
        err = look_at_list(k, bytes, len);
    free(bytes);
    return err;
}

static int
look_at_leaf(struct look *k, const char *page, size_t at)
{
    struct node_head n;
    size_t big;
    memcpy(&n, page + at, sizeof n);
    size_t len = n.words[0] | (size_t) n.words[1] << 16;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    len = n.words[1] | (size_t) n.words[0] << 16;
#endif
    at += sizeof n + n.key_size;
    if (n.flags & NODE_BIG) {
        if (at + sizeof big > k->page)
            return -EIO;
        memcpy(&big, page + at, sizeof big);
        return look_at_big_list(k, big, len);
    }
    return at + len > k->page ? -EIO : look_at_list(k, page + at, len);
}

static int look_at_page(struct look *k, size_t number, int depth);

static int
look_at_branch(struct look *k, const char *page, size_t at, int depth)
{
    struct node_head n;
    memcpy(&n, page + at, sizeof n);
    uint64_t number = n.words[0] | (uint64_t) n.words[1] << 16;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    number = n.words[1] | (uint64_t) n.words[0] << 16;
#endif
    if (sizeof(size_t) > 4)
        number |= (uint64_t) n.flags << 32;
    return look_at_page(k, (size_t) number, depth - 1);
}

static int
look_at_nodes(struct look *k, const char *page, int depth)
{
    struct page_head head;
    memcpy(&head, page, sizeof head);
    int leaf = head.flags & PAGE_LEAF, err = 0;
    if (!leaf && !(head.flags & PAGE_BRANCH))
        return -EIO;
    if (head.lower < sizeof head || head.lower > k->page)
        return -EIO;
    for (size_t i = sizeof head; i + 2 <= head.lower && !err; i += 2) {
        uint16_t at;
        memcpy(&at, page + i, sizeof at);
        if (at < head.lower || at + sizeof(struct node_head) > k->page)
            return -EIO;
        err = leaf ? look_at_leaf(k, page, at)
                   : look_at_branch(k, page, at, depth);
    }
    return err;
}

static int
look_at_page(struct look *k, size_t number, int depth)
{
    if (number < 2 || number >= k->pages || !depth)
        return -EIO;
    char *page = malloc(k->page);
    if (!page)
        return -ENOMEM;
    int err = file_pread(k->fd, page, k->page, (uint64_t) number * k->page)
                      == (int64_t) k->page
                  ? 0
                  : -EIO;
    if (!err)
        err = look_at_nodes(k, page, depth);
    free(page);
    return err;
}

/* --- the file ------------------------------------------------------------- */

/* 1: a meta page; 0: something else. */
static int
read_meta(const struct look *k, uint64_t at, struct meta *out)
{
    return file_pread(k->fd, out, sizeof *out, at) == (int64_t) sizeof *out
           && out->magic == LMDB_MAGIC && (out->head.flags & PAGE_META);
}

static int
page_size_valid(size_t page)
{
    return page >= 256 && page <= 65536 && !(page & (page - 1));
}

/* An empty store has three pages, and the first two of them reach the disk with
 * its first transaction: one whose making was cut off is not past them, and no
 * meta page of it knows of a fourth. */
#define EMPTY_PAGES 3

static enum verdict
look_at_head(struct look *k, struct meta *newest)
{
    struct meta second;
    uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
    int first = read_meta(k, 0, newest);
    k->page = first ? newest->free.pad : 0;
    if (!first || !page_size_valid(k->page) || !read_meta(k, k->page, &second))
        return k->size <= EMPTY_PAGES * page
                       && (!first || newest->last < EMPTY_PAGES)
                   ? UNFINISHED
                   : DAMAGED;
    if (newest->version != second.version)
        return DAMAGED;
    if (newest->version != LMDB_VERSION)
        return FOREIGN;
    if (second.txn > newest->txn)
        *newest = second;
    return WHOLE;
}

static enum verdict
look_at_file(struct look *k)
{
    struct meta meta;
    struct stat st;
    if (fstat(k->fd, &st))
        return WHOLE; /* LMDB will say what is wrong */
    k->size = (uint64_t) st.st_size;
    if (!k->size)
        return NEW;
    enum verdict v = look_at_head(k, &meta);
    if (v != WHOLE)
        return v;
    /* It may have grown for this very meta page meanwhile. */
    if (fstat(k->fd, &st))
        return WHOLE;
    k->size = (uint64_t) st.st_size;
    k->pages = (size_t) (k->size / k->page);
    k->last = meta.last;
    if (meta.free.pad != k->page || meta.free.depth > LMDB_DEPTH_MAX
        || (meta.main.root != LMDB_NONE && meta.main.root > k->last))
        return DAMAGED;
    if (k->last < k->pages)
        return WHOLE;
    if (k->last < EMPTY_PAGES)
        return UNFINISHED;
    int err = meta.free.root == LMDB_NONE
                  ? -EIO
                  : look_at_page(k, meta.free.root, LMDB_DEPTH_MAX);
    if (err == -ENOMEM)
        return WHOLE;
    return !err && k->free == k->last + 1 - k->pages ? WHOLE : DAMAGED;
}

static enum verdict
look_at(const char *data, struct look *k)
{
    *k = (struct look){ .fd = open(data, O_RDONLY | O_CLOEXEC) };
    if (k->fd < 0)
        return NEW; /* or LMDB will say what is wrong */
    enum verdict v = look_at_file(k);
    close(k->fd);
    return v;
}

/* --- what is done about it ------------------------------------------------ */

/* Be the only one who uses the store, by the lock that LMDB takes on the first
 * byte of lock.mdb: shared while it is open, exclusive while it is made.  A
 * descriptor, or a negative errno. */
static int
take_alone(const char *dir)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    char path[4096];
    int err = state_dir_path(path, sizeof path, dir, "lock.mdb");
    if (err)
        return err;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETLK, &lock)) {
        err = errno == EACCES ? -EAGAIN : -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* "data.mdb.damaged-2026-01-31T12-00-00.123Z", beside it: without colons, which
 * rsync and others take for the name of a host.  One more character for each
 * that has this name already. */
static int
aside(const char *data, char *to, size_t size)
{
    char when[TIME_TEXT];
    time_format(when, clock_wall_us());
    for (char *c = when; *c; c++)
        *c = *c == ':' ? '-' : *c;
    int n = snprintf(to, size, "%s.damaged-%s", data, when);
    while (n > 0 && (size_t) n + 1 < size && access(to, F_OK) == 0) {
        to[n++] = '+';
        to[n] = 0;
    }
    return n > 0 && (size_t) n < size && !rename(data, to) ? 0 : -EIO;
}

static int
remove_unfinished(const char *data)
{
    log_warn("%s was never finished: made anew", data);
    if (!unlink(data))
        return 0;
    log_warn("cannot remove %s: %s", data, strerror(errno));
    return 0; /* LMDB will say that it is none of its files */
}

static void
describe(const struct look *k, char out[128])
{
    if (k->last < k->pages || !k->pages)
        snprintf(out, 128, "its first pages are not what LMDB writes");
    else
        snprintf(out, 128,
                 "it ends after %" PRIu64 " of %" PRIu64 " bytes in use",
                 k->size, ((uint64_t) k->last + 1) * k->page);
}

static int
set_aside(const char *data, const struct look *k, const struct store_options *o)
{
    char to[4200], why[128];
    describe(k, why);
    if (aside(data, to, sizeof to)) {
        log_error("%s: %s is damaged: %s; it cannot be set aside: %s", o->what,
                  data, why, strerror(errno));
        return -EIO;
    }
    log_error("%s: %s is damaged: %s; set aside as %s and begun anew; %s",
              o->what, data, why, to, o->lost);
    return 0;
}

/* It has to stay; alone says why. */
static int
leave(const char *data, const struct look *k, const struct store_options *o,
      int alone)
{
    char why[128];
    describe(k, why);
    if (o->read_only)
        log_error("%s: %s is damaged: %s; the daemon sets it aside when it "
                  "starts",
                  o->what, data, why);
    else if (alone == -EAGAIN)
        log_error("%s: %s is damaged: %s; it cannot be set aside while another "
                  "process uses it",
                  o->what, data, why);
    else
        log_error("%s: %s is damaged: %s; it cannot be set aside without its "
                  "lock: %s",
                  o->what, data, why, strerror(-alone));
    return -EIO;
}

/* Whoever was making or mending it may be done now.  While another process
 * writes, one look may see pages of two transactions. */
static enum verdict
look_again(const char *data, struct look *k, int times)
{
    const struct timespec pause = { .tv_nsec = 20000000 };
    enum verdict v = look_at(data, k);
    while (--times > 0 && v == DAMAGED) {
        nanosleep(&pause, NULL);
        v = look_at(data, k);
    }
    return v;
}

int
store_check(const char *dir, const struct store_options *o)
{
    char data[4096];
    struct look k;
    if (state_dir_path(data, sizeof data, dir, "data.mdb"))
        return 0;
    enum verdict v = look_at(data, &k);
    if (v != UNFINISHED && v != DAMAGED)
        return 0;
    if (v == UNFINISHED && o->read_only)
        return -ENOENT;
    int alone = o->read_only ? -EROFS : take_alone(dir);
    v = look_again(data, &k, alone >= 0 ? 1 : LOOKS);
    int err = 0;
    if (alone >= 0 && v == UNFINISHED)
        err = remove_unfinished(data);
    else if (alone >= 0 && v == DAMAGED)
        err = set_aside(data, &k, o);
    else if (v == DAMAGED)
        err = leave(data, &k, o, alone);
    if (alone >= 0)
        close(alone);
    return err;
}

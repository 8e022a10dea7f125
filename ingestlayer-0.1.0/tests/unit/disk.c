/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 4096 /* that one recording may make */
#define NAMES 512  /* at a time */
#define NAME 48

enum { WRITE, CUT, SYNC, LINK, UNLINK, RENAME, SYNC_NAMES, MARK };

struct step {
    int kind, what;
    int file, partial; /* partial: not all of a write fitted */
    char name[NAME], to[NAME];
    uint64_t at; /* or a size, or a mark's value */
    size_t len;
    char *bytes;
};

struct content {
    char *bytes;
    size_t len;
};

struct names {
    char name[NAMES][NAME];
    int file[NAMES];
    int count;
};

static char folder[256];
static dev_t folder_dev;
static ino_t folder_ino;
static int recording;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all below */
static struct step *steps;
static size_t step_count, step_cap;
static ino_t inodes[FILES]; /* of the files, as long as they have names */
static int file_count;
static struct content before[FILES];
static struct names names_before, names_now;
static int64_t full_after = -1;

static void
must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
        abort();
    }
}

uint64_t
disk_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* --- names --- */

static int
names_find(const struct names *n, const char *name)
{
    for (int i = 0; i < n->count; i++)
        if (strcmp(n->name[i], name) == 0)
            return i;
    return -1;
}

static void
names_remove(struct names *n, const char *name)
{
    int i = names_find(n, name);
    if (i < 0)
        return;
    n->count--;
    memcpy(n->name[i], n->name[n->count], NAME);
    n->file[i] = n->file[n->count];
}

static void
names_put(struct names *n, const char *name, int file)
{
    names_remove(n, name);
    must(n->count < NAMES, "too many names");
    snprintf(n->name[n->count], NAME, "%.47s", name);
    n->file[n->count++] = file;
}

/* --- noting --- */

static struct step *
note(int kind)
{
    if (step_count == step_cap) {
        step_cap = step_cap ? step_cap * 2 : 1024;
        steps = realloc(steps, step_cap * sizeof *steps);
        must(steps != NULL, "memory");
    }
    struct step *s = &steps[step_count++];
    memset(s, 0, sizeof *s);
    s->kind = kind;
    return s;
}

static int
new_file(ino_t inode)
{
    must(file_count < FILES, "too many files");
    inodes[file_count] = inode;
    before[file_count] = (struct content){ NULL, 0 };
    return file_count++;
}

/* The file behind a descriptor: the latest that had its inode.  -1: none that
 * is recorded; -2: the folder. */
static int
file_of(int fd)
{
    struct stat st;
    if (!recording || fstat(fd, &st) || st.st_dev != folder_dev)
        return -1;
    if (st.st_ino == folder_ino)
        return -2;
    for (int i = file_count; i-- > 0;)
        if (inodes[i] == st.st_ino)
            return i;
    return -1;
}

static int
in_folder(int fd)
{
    struct stat st;
    return recording && fstat(fd, &st) == 0 && st.st_dev == folder_dev
           && st.st_ino == folder_ino;
}

static struct content
slurp(int dirfd, const char *name)
{
    struct content c = { NULL, 0 };
    struct stat st;
    int fd = (int) syscall(SYS_openat, dirfd, name, O_RDONLY, 0);
    must(fd >= 0 && fstat(fd, &st) == 0, name);
    c.len = (size_t) st.st_size;
    c.bytes = malloc(c.len + 1);
    must(c.bytes && read(fd, c.bytes, c.len) == (ssize_t) c.len, name);
    close(fd);
    return c;
}

static void
forget(void)
{
    for (size_t i = 0; i < step_count; i++)
        free(steps[i].bytes);
    for (int i = 0; i < file_count; i++)
        free(before[i].bytes);
    step_count = 0;
    file_count = names_before.count = names_now.count = 0;
}

void
disk_record(const char *dir)
{
    struct stat st;
    struct dirent *e;
    pthread_mutex_lock(&lock);
    forget();
    snprintf(folder, sizeof folder, "%s", dir);
    must(stat(dir, &st) == 0, dir);
    folder_dev = st.st_dev;
    folder_ino = st.st_ino;
    DIR *d = opendir(dir);
    must(d != NULL, dir);
    while ((e = readdir(d))) {
        must(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0,
             e->d_name);
        if (!S_ISREG(st.st_mode))
            continue;
        int file = new_file(st.st_ino);
        before[file] = slurp(dirfd(d), e->d_name);
        names_put(&names_before, e->d_name, file);
    }
    closedir(d);
    names_now = names_before;
    recording = 1;
    pthread_mutex_unlock(&lock);
}

void
disk_mark(int what, uint64_t value)
{
    pthread_mutex_lock(&lock);
    if (recording) {
        struct step *s = note(MARK);
        s->what = what;
        s->at = value;
    }
    pthread_mutex_unlock(&lock);
}

void
disk_stop(void)
{
    pthread_mutex_lock(&lock);
    recording = 0;
    pthread_mutex_unlock(&lock);
}

size_t
disk_steps(void)
{
    return step_count;
}

int
disk_marked(size_t step, uint64_t *value)
{
    *value = steps[step].at;
    return steps[step].kind == MARK ? steps[step].what : 0;
}

void
disk_full_after(int64_t bytes)
{
    pthread_mutex_lock(&lock);
    full_after = bytes;
    pthread_mutex_unlock(&lock);
}

/* --- what takes the place of the calls --- */

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    pthread_mutex_lock(&lock);
    int file = file_of(fd), err = ENOSPC;
    size_t all = len;
    ssize_t n = -1;
    if (file >= 0 && full_after >= 0 && (int64_t) len > full_after)
        len = (size_t) full_after;
    if (len) {
        n = syscall(SYS_pwrite64, fd, bytes, len, at);
        err = errno;
    }
    if (n > 0 && file >= 0) {
        struct step *s = note(WRITE);
        s->file = file;
        s->at = (uint64_t) at;
        s->len = (size_t) n;
        s->partial = s->len < all;
        s->bytes = malloc(s->len);
        must(s->bytes != NULL, "memory");
        memcpy(s->bytes, bytes, s->len);
        if (full_after >= 0)
            full_after -= n;
    }
    pthread_mutex_unlock(&lock);
    errno = err;
    return n;
}

int
ftruncate(int fd, off_t size)
{
    pthread_mutex_lock(&lock);
    int rc = (int) syscall(SYS_ftruncate, fd, size), err = errno;
    int file = file_of(fd);
    if (rc == 0 && file >= 0) {
        struct step *s = note(CUT);
        s->file = file;
        s->at = (uint64_t) size;
    }
    pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

static int
synced(int fd)
{
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    if (file >= 0)
        note(SYNC)->file = file;
    else if (file == -2)
        note(SYNC_NAMES);
    pthread_mutex_unlock(&lock);
    return 0;
}

int
fdatasync(int fd)
{
    return synced(fd);
}

int
fsync(int fd)
{
    return synced(fd);
}

int
openat(int dir, const char *name, int flags, ...)
{
    struct stat st;
    va_list ap;
    va_start(ap, flags);
    int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    pthread_mutex_lock(&lock);
    int ours = in_folder(dir);
    int known = ours ? names_find(&names_now, name) : -1;
    int fd = (int) syscall(SYS_openat, dir, name, flags, mode), err = errno;
    if (fd >= 0 && ours && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (known < 0) {
            struct step *s = note(LINK);
            s->file = new_file(st.st_ino);
            snprintf(s->name, NAME, "%.47s", name);
            names_put(&names_now, name, s->file);
        } else if (flags & O_TRUNC) {
            note(CUT)->file = names_now.file[known];
        }
    }
    pthread_mutex_unlock(&lock);
    errno = err;
    return fd;
}

int
renameat(int dir, const char *name, int to_dir, const char *to)
{
    pthread_mutex_lock(&lock);
    int rc = (int) syscall(SYS_renameat, dir, name, to_dir, to), err = errno;
    int known = rc == 0 && in_folder(dir) ? names_find(&names_now, name) : -1;
    int over = in_folder(to_dir) ? names_find(&names_now, to) : -1;
    if (known >= 0) {
        int file = names_now.file[known];
        if (over >= 0)
            inodes[names_now.file[over]] = 0;
        struct step *s = note(in_folder(to_dir) ? RENAME : UNLINK);
        s->file = file;
        snprintf(s->name, NAME, "%.47s", name);
        snprintf(s->to, NAME, "%.47s", to);
        names_remove(&names_now, name);
        if (s->kind == RENAME)
            names_put(&names_now, to, file);
    }
    pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

int
unlinkat(int dir, const char *name, int flags)
{
    pthread_mutex_lock(&lock);
    int known = in_folder(dir) ? names_find(&names_now, name) : -1;
    int rc = (int) syscall(SYS_unlinkat, dir, name, flags), err = errno;
    if (rc == 0 && known >= 0) {
        inodes[names_now.file[known]] = 0; /* the number may be used again */
        snprintf(note(UNLINK)->name, NAME, "%.47s", name);
        names_remove(&names_now, name);
    }
    pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

/* --- the crash --- */

static void
content_cut(struct content *c, size_t len)
{
    if (len > c->len) {
        c->bytes = realloc(c->bytes, len);
        must(c->bytes != NULL, "memory");
        memset(c->bytes + c->len, 0, len - c->len);
    }
    c->len = len;
}

static void
content_put(struct content *c, uint64_t at, const char *bytes, size_t len)
{
    if (c->len < at + len)
        content_cut(c, at + len);
    memcpy(c->bytes + at, bytes, len);
}

/* Some of the blocks of a write.  Where they are not, what it adds to the file
 * is zeros, or has not been added. */
static void
content_blend(struct content *c, const struct step *s, uint64_t *seed)
{
    uint64_t block = disk_random(seed) % 2 ? 512 : 4096;
    uint64_t at = s->at, end = s->at + s->len;
    if (c->len < end && disk_random(seed) % 2)
        content_cut(c, end);
    while (at < end) {
        uint64_t to = (at / block + 1) * block;
        if (to > end)
            to = end;
        if (disk_random(seed) % 2)
            content_put(c, at, s->bytes + (at - s->at), to - at);
        at = to;
    }
}

static void
names_apply(struct names *n, const struct step *s)
{
    if (s->kind == LINK)
        names_put(n, s->name, s->file);
    else if (s->kind != SYNC_NAMES)
        names_remove(n, s->name);
    if (s->kind == RENAME)
        names_put(n, s->to, s->file);
}

static int
is_naming(const struct step *s)
{
    return s->kind == LINK || s->kind == UNLINK || s->kind == RENAME;
}

int
disk_is_rare(size_t step)
{
    const struct step *s = &steps[step];
    return is_naming(s) || s->kind == CUT || s->partial;
}

static void
empty_folder(void)
{
    DIR *d = opendir(folder);
    must(d != NULL, folder);
    struct dirent *e;
    while ((e = readdir(d)))
        if (e->d_type == DT_REG)
            must(unlinkat(dirfd(d), e->d_name, 0) == 0, e->d_name);
    closedir(d);
}

static void
write_files(const struct names *names, struct content *files)
{
    empty_folder();
    for (int i = 0; i < names->count; i++) {
        char path[sizeof folder + NAME + 2];
        const struct content *c = &files[names->file[i]];
        snprintf(path, sizeof path, "%s/%s", folder, names->name[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        must(fd >= 0 && write(fd, c->bytes, c->len) == (ssize_t) c->len, path);
        close(fd);
    }
}

/* Of which step on is the file's content, or are the names (-2), not
 * durable? */
static size_t
durable_until(size_t count, int file)
{
    for (size_t i = count; i-- > 0;)
        if (file == -2 ? steps[i].kind == SYNC_NAMES
                       : steps[i].kind == SYNC && steps[i].file == file)
            return i;
    return 0;
}

size_t
disk_crash(size_t count, int power, int torn, uint64_t seed)
{
    struct content *files = calloc((size_t) file_count + 1, sizeof *files);
    struct names *names = malloc(sizeof *names);
    must(files && names, "memory");
    for (int i = 0; i < file_count; i++)
        if (before[i].len)
            content_put(&files[i], 0, before[i].bytes, before[i].len);
    *names = names_before;
    size_t loose = 0;
    size_t named = power ? durable_until(count, -2) : count;
    if (power)
        named += disk_random(&seed) % (count - named + 1);
    for (size_t i = 0; i < count; i++) {
        struct step *s = &steps[i];
        if (is_naming(s) && i < named)
            names_apply(names, s);
        if (s->kind != WRITE && s->kind != CUT)
            continue;
        int unsure = power && i >= durable_until(count, s->file);
        loose += (size_t) (unsure || s->partial);
        if (s->kind == CUT && !power)
            loose = 0;
        if (s->kind == CUT && (!unsure || disk_random(&seed) % 2))
            content_cut(&files[s->file], s->at);
        else if (s->kind == WRITE && unsure)
            content_blend(&files[s->file], s, &seed);
        else if (s->kind == WRITE)
            content_put(&files[s->file], s->at, s->bytes, s->len);
    }
    if (torn && count < step_count && steps[count].kind == WRITE) {
        struct step *s = &steps[count];
        content_put(&files[s->file], s->at, s->bytes,
                    disk_random(&seed) % (s->len + 1));
        loose++;
    }
    write_files(names, files);
    for (int i = 0; i < file_count; i++)
        free(files[i].bytes);
    free(files);
    free(names);
    return loose;
}

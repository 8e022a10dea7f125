/* SPDX-License-Identifier: MIT */
/* Faults at the n-th call: loaded with LD_PRELOAD into the daemon, by tests
 * only (tests/lib/inject.py).
 *
 *   IL_INJECT_CONTROL  file with a struct control (inject.h)
 *   IL_INJECT_DIR      only files below this folder count
 *   IL_INJECT_SHADOW   keep there what each sync has made durable
 *   IL_INJECT_SPARE    libraries whose own allocations do not fail, by their names
 *                      between spaces: " libgmp libtasn1 "
 *   IL_INJECT_BOOT     stands for the kernel's boot id: a simulated restart of
 *                      the machine needs another one
 *
 * Nothing happens in other programs than the daemon, such as the shell that
 * starts it.  Calls of the dynamic loader and within libc are not seen; malloc
 * is, from everywhere. */
#define _GNU_SOURCE
#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static struct control *control;
static char below[512];
static size_t below_len;
static const char *boot, *spare;

static const char *
basename_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Tell where, in a way that addr2line(1) reads, and die of it. */
static void
crashed(int signal_number)
{
    void *at[40];
    int n = backtrace(at, 40);
    dprintf(STDERR_FILENO, "signal %d at:\n", signal_number);
    backtrace_symbols_fd(at, n, STDERR_FILENO);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void
catch_crashes(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
    void *at[1];
    backtrace(at, 1); /* loads what it needs now, not in the handler */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], crashed);
}

__attribute__((constructor)) static void
start(void)
{
    char exe[512];
    const char *file = getenv("IL_INJECT_CONTROL");
    const char *dir = getenv("IL_INJECT_DIR");
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (!file || !dir || n <= 0)
        return;
    exe[n] = 0;
    if (!strstr(basename_of(exe), "ingestlayer"))
        return;
    int fd = (int) syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE,
                     MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map == MAP_FAILED)
        abort();
    below_len = (size_t) snprintf(below, sizeof below, "%s", dir);
    boot = getenv("IL_INJECT_BOOT");
    spare = getenv("IL_INJECT_SPARE");
    shadow_start(getenv("IL_INJECT_SHADOW"));
    catch_crashes();
    control = map;
}

/* --- whether, and what ---------------------------------------------------- */

static int
is_below(const char *path)
{
    return strncmp(path, below, below_len) == 0
           && (path[below_len] == '/' || !path[below_len]);
}

static void
path_of(int fd, const char *name, char out[600])
{
    char self[64];
    out[0] = 0;
    if (!name || name[0] != '/') {
        if (fd == AT_FDCWD) {
            strcpy(self, "/proc/self/cwd");
        } else {
            snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        }
        long n = syscall(SYS_readlinkat, AT_FDCWD, self, out, 300);
        out[n > 0 ? n : 0] = 0;
        if (!name)
            return;
        strcat(out, "/");
    }
    strncat(out, name, 290);
}

_Noreturn static void
die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;)
        pause();
}

/* Count a call; the action that it meets. */
static uint64_t
meet(uint64_t op, const char *what, const char *path)
{
    struct control *c = control;
    if (!c || !(__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE) & op))
        return DO_COUNT;
    uint64_t n = __atomic_add_fetch(&c->count, 1, __ATOMIC_ACQ_REL);
    uint64_t at = __atomic_load_n(&c->at, __ATOMIC_ACQUIRE);
    if (!at || n < at || n - at >= c->hits)
        return DO_COUNT;
    if (__atomic_fetch_add(&c->fired, 1, __ATOMIC_ACQ_REL) == 0) {
        size_t skip = strlen(path) > below_len ? below_len : 0;
        snprintf(c->what, sizeof c->what, "%s %s", what, path + skip);
    }
    if (c->action == DO_KILL)
        die();
    return c->action;
}

/* Of a path that is below the folder. */
static int
is_meant(const char *path)
{
    const char *word = control->only;
    if (!*word)
        return 1;
    path += below_len + (path[below_len] == '/');
    for (size_t len; *word; word += len + (word[len] == ' '))
        if ((len = strcspn(word, " ")) && strncmp(path, word, len) == 0)
            return 1;
    return 0;
}

static uint64_t
meet_path(uint64_t op, const char *what, const char *path)
{
    return is_below(path) && is_meant(path) ? meet(op, what, path) : DO_COUNT;
}

static uint64_t
meet_fd(uint64_t op, const char *what, int fd)
{
    char path[600];
    if (!control)
        return DO_COUNT;
    path_of(fd, NULL, path);
    return meet_path(op, what, path);
}

static uint64_t
meet_at(uint64_t op, const char *what, int fd, const char *name)
{
    char path[600];
    if (!control || !name)
        return DO_COUNT;
    path_of(fd, name, path);
    return meet_path(op, what, path);
}

static long
fail(void)
{
    errno = (int) control->param;
    return -1;
}

/* --- writing --------------------------------------------------------------- */

static ssize_t
do_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    /* the system call takes the offset in two halves */
    return at < 0 ? syscall(SYS_writev, fd, iov, n)
                  : syscall(SYS_pwritev, fd, iov, n, at, 0);
}

static size_t
first_bytes(struct iovec *iov, int *n, size_t keep)
{
    size_t total = 0;
    for (int i = 0; i < *n; i++) {
        if (total + iov[i].iov_len >= keep) {
            iov[i].iov_len = keep - total;
            *n = i + 1;
            return keep;
        }
        total += iov[i].iov_len;
    }
    return total;
}

static ssize_t
write_vector(const char *what, int fd, const struct iovec *given, int n,
             off_t at)
{
    struct iovec iov[1024];
    size_t len = 0;
    if (n > 1024)
        abort();
    for (int i = 0; i < n; i++)
        len += (iov[i] = given[i]).iov_len;
    shadow_lock();
    uint64_t action = meet_fd(OP_WRITE, what, fd);
    ssize_t rc;
    if (action == DO_FAIL) {
        shadow_unlock();
        return fail();
    }
    if (action == DO_TORN || action == DO_SHORT) {
        size_t keep = action == DO_SHORT ? (len + 1) / 2
                                         : len * control->param / 1000;
        first_bytes(iov, &n, keep);
    }
    rc = do_pwritev(fd, iov, n, at);
    if (rc > 0 && at >= 0) {
        size_t left = first_bytes(iov, &n, (size_t) rc);
        off_t to = at;
        for (int i = 0; i < n && left; i++) {
            shadow_through(fd, iov[i].iov_base, iov[i].iov_len, to);
            to += (off_t) iov[i].iov_len;
        }
    }
    if (action == DO_TORN)
        die();
    int err = errno;
    shadow_unlock();
    errno = err;
    return rc;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
    struct iovec v = { (void *) bytes, len };
    if (!control)
        return syscall(SYS_write, fd, bytes, len);
    return write_vector("write", fd, &v, 1, -1);
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    struct iovec v = { (void *) bytes, len };
    return write_vector("pwrite", fd, &v, 1, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return write_vector("pwritev", fd, iov, n, at);
}

/* LMDB's, where several pages lie side by side. */
ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    return write_vector("writev", fd, iov, n, -1);
}

ssize_t pwrite64(int, const void *, size_t, off_t)
    __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t)
    __attribute__((alias("pwritev")));

/* --- syncing --------------------------------------------------------------- */

static int
sync_call(const char *what, long number, int fd)
{
    shadow_lock();
    if (meet_fd(OP_SYNC, what, fd) == DO_FAIL) {
        shadow_unlock();
        return (int) fail();
    }
    char path[600];
    int rc = (int) syscall(number, fd), err = errno;
    if (rc == 0 && shadow_on()) {
        path_of(fd, NULL, path);
        if (is_below(path))
            shadow_synced(fd);
    }
    shadow_unlock();
    errno = err;
    return rc;
}

int
fsync(int fd)
{
    return sync_call("fsync", SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    return sync_call("fdatasync", SYS_fdatasync, fd);
}

int
msync(void *at, size_t len, int flags)
{
    if (control && !*control->only && meet(OP_SYNC, "msync", "") == DO_FAIL)
        return (int) fail();
    return (int) syscall(SYS_msync, at, len, flags);
}

/* --- names ----------------------------------------------------------------- */

static int
named(uint64_t action, long number, long a, long b, long c, long d)
{
    if (action == DO_FAIL)
        return (int) fail();
    return (int) syscall(number, a, b, c, d);
}

/* Renaming and the like: under the lock, one after another. */
#define NAMED(op, what, fd, name, ...)                                        \
    shadow_lock();                                                            \
    int rc = named(meet_at(op, what, fd, name), __VA_ARGS__), err = errno;    \
    shadow_unlock();                                                          \
    errno = err;                                                              \
    return rc

int
rename(const char *from, const char *to)
{
    NAMED(OP_RENAME, "rename", AT_FDCWD, to, SYS_rename, (long) from,
          (long) to, 0, 0);
}

int
renameat(int fd, const char *from, int to_fd, const char *to)
{
    NAMED(OP_RENAME, "renameat", to_fd, to, SYS_renameat, fd, (long) from,
          to_fd, (long) to);
}

int
unlink(const char *name)
{
    NAMED(OP_UNLINK, "unlink", AT_FDCWD, name, SYS_unlink, (long) name, 0, 0,
          0);
}

int
unlinkat(int fd, const char *name, int flags)
{
    NAMED(OP_UNLINK, "unlinkat", fd, name, SYS_unlinkat, fd, (long) name,
          flags, 0);
}

int
mkdir(const char *name, mode_t mode)
{
    NAMED(OP_MKDIR, "mkdir", AT_FDCWD, name, SYS_mkdir, (long) name, mode, 0,
          0);
}

int
mkdirat(int fd, const char *name, mode_t mode)
{
    NAMED(OP_MKDIR, "mkdirat", fd, name, SYS_mkdirat, fd, (long) name, mode,
          0);
}

static int
open_at(const char *what, int fd, const char *name, int flags, mode_t mode)
{
    if (boot && !strcmp(name, BOOT_ID))
        name = boot;
    shadow_lock();
    int rc = named(meet_at(OP_OPEN, what, fd, name), SYS_openat, fd,
                   (long) name, flags, mode),
        err = errno;
    shadow_unlock();
    errno = err;
    return rc;
}

static mode_t
mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int
open(const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_at("open", AT_FDCWD, name, flags, mode);
}

int
openat(int fd, const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_at("openat", fd, name, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

/* --- messages --------------------------------------------------------------- */

/* Of sockets that keep messages apart; of all others there are none. */
static void
meet_message(const char *what, int fd, const struct iovec *first)
{
    int type = 0;
    socklen_t len = sizeof type;
    char word[32] = "";
    if (!control || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len)
        || type != SOCK_SEQPACKET)
        return;
    if (first)
        snprintf(word, sizeof word, "%.*s", (int) first->iov_len,
                 (const char *) first->iov_base);
    meet(OP_MESSAGE, what, word);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
    meet_message("sendmsg", fd, m->msg_iovlen ? m->msg_iov : NULL);
    return syscall(SYS_sendmsg, fd, m, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
    meet_message("recvmsg", fd, NULL);
    return syscall(SYS_recvmsg, fd, m, flags);
}

/* --- sizes, maps, reading -------------------------------------------------- */

int
ftruncate(int fd, off_t size)
{
    shadow_lock();
    int rc = named(meet_fd(OP_TRUNCATE, "ftruncate", fd), SYS_ftruncate, fd,
                   size, 0, 0),
        err = errno;
    shadow_unlock();
    errno = err;
    return rc;
}

int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

/* Returns the error itself. */
int
posix_fallocate(int fd, off_t from, off_t len)
{
    shadow_lock();
    int rc = named(meet_fd(OP_TRUNCATE, "posix_fallocate", fd), SYS_fallocate,
                   fd, 0, from, len),
        err = errno;
    shadow_unlock();
    return rc ? err : 0;
}

int posix_fallocate64(int, off_t, off_t)
    __attribute__((alias("posix_fallocate")));

void *
mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (control && fd >= 0 && meet_fd(OP_MMAP, "mmap", fd) == DO_FAIL) {
        fail();
        return MAP_FAILED;
    }
    return (void *) syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

void *mmap64(void *, size_t, int, int, int, off_t)
    __attribute__((alias("mmap")));

ssize_t
pread(int fd, void *to, size_t len, off_t at)
{
    uint64_t action = meet_fd(OP_READ, "pread", fd);
    if (action == DO_FAIL)
        return fail();
    if (action == DO_SHORT)
        len = (len + 1) / 2;
    return syscall(SYS_pread64, fd, to, len, at);
}

ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));

ssize_t
read(int fd, void *to, size_t len)
{
    uint64_t action = meet_fd(OP_READ, "read", fd);
    if (action == DO_FAIL)
        return fail();
    if (action == DO_SHORT)
        len = (len + 1) / 2;
    return syscall(SYS_read, fd, to, len);
}

/* --- memory ---------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static void
tell_callers(char *out, size_t size)
{
    void *at[12];
    int n = backtrace(at, 12);
    size_t len = strlen(out);
    Dl_info here, info;
    dladdr(&control, &here);
    for (int i = 0; i < n && len < size; i++) {
        if (dladdr(at[i], &info) && info.dli_fname
            && info.dli_fbase != here.dli_fbase)
            len += (size_t) snprintf(
                out + len, size - len, "%s+0x%zx ",
                basename_of(info.dli_fname),
                (size_t) ((char *) at[i] - (char *) info.dli_fbase) - 1);
    }
}

/* Not for the library's own needs. */
static __thread int busy;

#define CALLER __builtin_return_address(0)

/* The library's name between two spaces: " libc "; 0: no such name. */
static int
library_of(const void *caller, char out[64])
{
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname)
        return 0;
    const char *base = basename_of(info.dli_fname);
    int len = (int) strcspn(base, ".-");
    return snprintf(out, 64, " %.*s ", len, base) < 64;
}

/* Is the caller in a library that is spared, or strdup() and the like called by
 * one? */
static int
is_spared(const void *caller)
{
    void *at[12];
    char name[64];
    if (!spare || !library_of(caller, name))
        return 0;
    if (strcmp(name, " libc ") != 0)
        return strstr(spare, name) != NULL;
    int n = backtrace(at, 12), i = 0;
    while (i < n && at[i] != caller)
        i++;
    while (i < n && library_of(at[i], name) && !strcmp(name, " libc "))
        i++;
    return i < n && library_of(at[i], name) && strstr(spare, name);
}

static int
no_memory(const char *what, const void *caller)
{
    if (!control || busy)
        return 0;
    busy = 1;
    if (is_spared(caller)) {
        busy = 0;
        return 0;
    }
    int first = !control->fired;
    int hit = meet(OP_MALLOC, what, "") == DO_FAIL;
    if (hit && first)
        tell_callers(control->what, sizeof control->what);
    busy = 0;
    if (hit)
        errno = ENOMEM;
    return hit;
}

void *
malloc(size_t len)
{
    return no_memory("malloc", CALLER) ? NULL : __libc_malloc(len);
}

void *
calloc(size_t n, size_t len)
{
    return no_memory("calloc", CALLER) ? NULL : __libc_calloc(n, len);
}

void *
realloc(void *old, size_t len)
{
    return no_memory("realloc", CALLER) ? NULL : __libc_realloc(old, len);
}

/* SPDX-License-Identifier: MIT */
/* What the two halves of the fault library share: inject.c takes the place of
 * the calls, shadow.c remembers what has been synced. */
#ifndef INJECT_H
#define INJECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Classes of calls; tests/lib/inject.py has the same numbers. */
enum {
    OP_WRITE = 1,
    OP_SYNC = 2,
    OP_RENAME = 4,
    OP_UNLINK = 8,
    OP_TRUNCATE = 16,
    OP_OPEN = 32,
    OP_MMAP = 64,
    OP_READ = 128,
    OP_MALLOC = 256,
    OP_MKDIR = 512,
    OP_MESSAGE = 1024 /* to another process, and from it */
};

enum {
    DO_COUNT, /* nothing but count */
    DO_KILL,  /* stop before the call */
    DO_TORN,  /* let `param` thousandths of a write through, then stop */
    DO_FAIL,  /* the call fails with errno `param` */
    DO_SHORT  /* half of a write or read goes through */
};

/* A file that the driver and the process map: the driver may change it at any
 * time.  count counts the calls of the classes in ops. */
struct control {
    uint64_t ops, count;
    uint64_t at, hits; /* from this call on, so many of them */
    uint64_t action, param;
    uint64_t fired;
    char what[1024]; /* the first call that was hit, and for malloc its callers */
    /* Not empty: only files whose path below the folder begins with one of
     * these words count. */
    char only[256];
};

/* shadow.c: with IL_INJECT_SHADOW a copy of what each sync has made durable is
 * kept there: i/KEY is the content of a file, d/KEY the entries of a folder
 * ("KEY f|d NAME" lines); KEY is inode and birth time. */
int shadow_on(void);
void shadow_start(const char *dir);
/* Held around every call that changes files, so that there is one order. */
void shadow_lock(void);
void shadow_unlock(void);
/* fd has been synced. */
void shadow_synced(int fd);
/* A write through a descriptor that syncs by itself (O_DSYNC). */
void shadow_through(int fd, const void *bytes, size_t len, off_t at);

#endif

/* SPDX-License-Identifier: MIT */
/* The directory of one daemon, and the right to be that daemon. */
#ifndef STATE_DIR_H
#define STATE_DIR_H

#include <sys/types.h>

/* Make it (0750, only its last component) where it is missing.  uid, gid: who
 * is to own it; (uid_t) -1: whoever we are.  0 or a negative errno after a
 * log line. */
int state_dir_make(const char *path, uid_t uid, gid_t gid);

/* Take the lock of a state_dir.  The kernel gives it back when the process
 * dies, however it dies.  A descriptor, or a negative errno after a log line
 * that names the other process. */
int state_dir_lock(const char *path);

/* The lock was another process's, and is this one's now.  0 or a negative errno
 * after a log line. */
int state_dir_lock_note(const char *path, int lock);

/* How things lie in it, as a whole: grows by one when an earlier version would
 * not read any more what this one writes.  Its file is "format". */
#define STATE_DIR_FORMAT 1u
/* What state_dir says; STATE_DIR_FORMAT where it says nothing.  -ENOTSUP: a newer
 * version has been there; or another negative errno; after a log line.  Only
 * reads. */
int state_dir_format(const char *path, unsigned *out);
/* By whoever has the lock, before anything in it is opened: the same, and it is
 * of this format from then on. */
int state_dir_format_take(const char *path);

/* strerror() of what failed below a state_dir, with who may where nobody else
 * does. */
const char *state_dir_strerror(int err);

/* Make the names in a folder durable: a file that was synced is of no use to
 * whoever cannot find it after a power cut.  0 or a negative errno after a log
 * line. */
int state_dir_sync(const char *folder);

/* Make a folder (0700) whose path begins with that of state_dir, and those on
 * the way to it, durably.  What is there must be folders and no links.  0 or a
 * negative errno after a log line. */
int state_dir_make_below(const char *state_dir, const char *path);

/* Remove a folder below state_dir with all that is in it, following no link.
 * 0, also where there is none, or a negative errno. */
int state_dir_remove_below(const char *path);

/* "PATH/NAME" into out.  0 or -ENAMETOOLONG. */
int state_dir_path(char *out, size_t size, const char *path, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* The daemon's control socket, STATE_DIR/control (0600): where it is, and how a
 * command asks there.  It speaks HTTP/1.1; what may be asked is in
 * requests.c. */
#ifndef CONTROL_H
#define CONTROL_H

#include "base/text.h"

#include <sys/un.h>

/* The longest request, and the longest answer that is no stream. */
#define CONTROL_MAX_BYTES (64u << 20)

/* Its path, as an address can hold it (107 bytes).  Where it is longer, or not
 * from the root, the directory is opened and named by its number: *dir is then
 * to be closed once the path is not needed any more; -1: nothing.  0 or a
 * negative errno. */
#define CONTROL_PATH_MAX sizeof(((struct sockaddr_un *) 0)->sun_path)
int control_path(const char *state_dir, char out[CONTROL_PATH_MAX], int *dir);

/* --- for commands --- */

/* Does a daemon run?  0, or a negative errno without a message. */
int control_answers(const char *state_dir);

/* One question and its answer. */
struct control_call {
    const char *method, *path; /* "GET", "/v1/status?x=y" */
    const char *type;          /* of the body; NULL: JSON */
    struct slice body;
    /* Of an answer that goes on (jobs.h), each line as it comes, without its
     * end: 0 to go on, or a negative errno, which control_call() returns.  NULL:
     * all of it is the reply. */
    int (*line)(void *arg, struct slice line);
    void *arg;
    int (*ends)(void); /* asked after a signal: is that to be all?  Or NULL */
    int quiet;         /* no message where there is no answer, as for -EINTR */
    /* what came */
    int status;
    struct il_text reply;
};

/* Ask a running daemon.  0 and status and reply, or a negative errno after a
 * message on stderr (-ECONNREFUSED: no daemon runs), but without one for what
 * line() has returned, or where it is quiet.  The reply is the caller's to clear either way. */
int control_call(const char *state_dir, struct control_call *);

/* Append to a path, for a query or between two slashes, what has any
 * characters.  0 or -ENOMEM. */
int control_put_escaped(struct il_text *, const char *);

#endif

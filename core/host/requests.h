/* SPDX-License-Identifier: MIT */
/* What may be asked of a running daemon: one table for the control socket, which
 * only its owner opens, and for the admin listener, which shows and changes
 * nothing. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "base/text.h"
#include "store/dead.h"

struct host;
struct json_out;

/* One that is being answered. */
struct host_request {
    struct host *host;
    struct il_request *http;      /* for il_request_query() and the like */
    char name[DEAD_LANE_MAX + 1]; /* what stands for the '*' of its path */
    struct slice body;
    /* May it be told what far sides say?  That may quote a row, so the admin
     * listener is not. */
    int quotes;
    struct il_text *out; /* the answer */
    const char *type;    /* of it; is JSON where nothing else is said */
};

/* Writes the answer and returns its status, by one of these as a rule:
 *
 *   struct json_out o;
 *   host_answer_begin(r, &o);
 *   json_out_str(&o, "state", "running");
 *   return host_answer(r, &o);
 *
 *   return host_refuse(r, 404, "unknown_lane", "there is no lane ...");
 *
 * Those that only read run on the thread of the server that was asked, several
 * at a time, and do not wait for a disk longer than a read takes.  The others
 * run one at a time, on a thread that may wait.  What takes longer than a second
 * is a job (jobs.h), and answers by itself: 0. */
typedef int host_request_fn(struct host_request *);

/* The object that is the answer. */
void host_answer_begin(struct host_request *, struct json_out *);
/* It is complete: 200, or 503 where there was no memory for it. */
int host_answer(struct host_request *, struct json_out *);
/* {"error":{"message","code"}} in place of what was written; status. */
int host_refuse(struct host_request *, int status, const char *code,
                const char *fmt, ...) IL_PRINTF(4, 5);

struct http;
/* Those that the admin listener has, into its routes; before it starts. */
int host_requests_show(struct host *, struct http *admin);
/* All of them, at STATE_DIR/control.  Replaces the socket of a daemon that died
 * (the caller has the lock of the state_dir).  0 or a negative errno after a log
 * line. */
int host_requests_start(struct host *);
/* Whoever asks from now on waits for the process that comes next; and until when
 * those at hand may take, as a stop is one. */
void host_requests_rest(struct host *);
int64_t host_requests_until(const struct host *);
/* No request runs afterwards, nor one of the admin listener, which is stopped
 * with them: /metrics looks at the server of the control socket, too. */
void host_requests_stop(struct host *);

#endif

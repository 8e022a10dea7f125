/* SPDX-License-Identifier: MIT */
/* The daemon's control socket, STATE_DIR/control (0600): a request is one line
 * "NAME ARGUMENTS" and, for some, a body; the client then shuts its side down
 * and reads the reply to its end. */
#ifndef CONTROL_H
#define CONTROL_H

#include "base/text.h"

struct control;

/* fn appends the reply.  line: the arguments.  It is called from the socket's
 * own thread, one request at a time. */
typedef void control_fn(void *arg, const char *line, struct slice body,
                        struct il_text *reply);

struct control *control_new(void); /* NULL: no memory */
/* Before control_start.  name lives as long as control.  0 or -ENOMEM. */
int control_on(struct control *, const char *name, control_fn *, void *arg);
/* Listen.  Replaces the socket of a daemon that died (the caller has the lock
 * of the state_dir).  0 or a negative errno after a log line. */
int control_start(struct control *, const char *state_dir);
/* No handler runs afterwards. */
void control_free(struct control *);

/* --- for commands --- */

/* Does a daemon run?  0, or a negative errno without a message. */
int control_answers(const char *state_dir);

/* Ask a running daemon.  0 and *reply, or a negative errno after a message on
 * stderr (-ECONNREFUSED: no daemon runs). */
int control_call(const char *state_dir, const char *line, struct slice body,
                 struct il_text *reply);

#endif

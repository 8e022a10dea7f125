/* SPDX-License-Identifier: MIT */
/* The daemon, phase by phase; command/run.c calls them in this order.  Each
 * returns 0 or a negative errno after messages; from then on only host_close()
 * may follow. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>

struct host;

struct host *host_new(void);
/* Take what systemd has passed to this process, or the process whose place it is
 * to take: first of all, before anything is opened. */
int host_inherit(struct host *);
/* Read the config; set the log level. */
int host_parse(struct host *, const char *path);
/* Load the plugins and check their options. */
int host_load(struct host *);
/* Open every instance; prints all findings so far. */
int host_open(struct host *);
/* Become the configured user; make memory unreadable to others. */
int host_drop_privileges(struct host *);
/* What the config says, once it is read. */
const char *host_state_dir(const struct host *);
/* Take the state_dir, open the stores, start plugins, lanes and servers. */
int host_start(struct host *);
/* Serve until SIGTERM or SIGINT: 0.  1: another process has taken this one's
 * place; or a negative errno after a log line: in either case host_close(). */
int host_run(struct host *);
/* Stop accepting; deliver what is there, as long as `drain` allows. */
void host_flush(struct host *);
/* Stop lanes and plugins, close the stores. */
void host_stop(struct host *);
void host_close(struct host *);

/* In place of host_start(), for `ingestlayer lane take`: where a lane stands and
 * where its destination (lane/lane.h).  -ENOENT: there is none of that name. */
struct lane_stand;
int host_lane_look(struct host *, const char *lane, struct lane_stand *);
/* Then: it is ours.  *position: where it begins now. */
int host_lane_take(struct host *, const char *lane, int from_row,
                   uint64_t *position);

#endif

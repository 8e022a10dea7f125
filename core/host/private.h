/* SPDX-License-Identifier: MIT */
/* How the room works: the daemon, phase by phase.
 *
 *   settings.c  settings_event.c   the host's own options, as tables
 *   plan.c  plan_check.c  plan_events.c  plan_was.c
 *                 what a config asks for, cross-checked
 *   assembly.c    the plan with every plugin opened; check stops here
 *   host.c        the phases: load, open, start, run, flush, stop, close
 *   stores.c      what lies in state_dir; servers.c the way in; lanes.c on from
 *                 there; history.c, history_config.c by which config they ran;
 *                 left.c what is not in the config; take.c one lane of a daemon that does not run
 *   api.c         the function table of plugins, put together from the rooms
 *   requests.c    what may be asked of a running daemon, at the control socket and
 *                 the admin listener: status.c, reload.c, retry.c, pause.c, emit.c
 *   effective.c   the config that counts, for people to read
 *   job.c  jobs.c those that take long, and go on answering
 *   derived.c     sources of what steps make
 *   sockets.c     sockets that systemd has opened
 *   admin.c       /healthz, /readyz, /metrics
 *   control.c     how commands ask
 *   watchdog.c    leaves when a plugin keeps the daemon from ending
 *   notify.c      systemd; privileges.c becoming somebody with fewer rights
 *
 * Threads.  The main thread walks through the phases and, while the daemon
 * runs, wakes once a second and at signals.  The control socket and the
 * admin listener are servers of the http room: what only reads is answered by
 * their loops, and what changes something one by one by the control server's
 * worker, and what takes long by the thread of jobs.c, at a low priority; what
 * they show is read through the rooms' own functions.
 * The watchdog looks twice a second whether a stop takes too long.  All other
 * threads belong to the rooms that make them.
 *
 * Pointers are set while starting, before the threads that use them, and freed
 * after those are gone; but for the assembly, which a reload changes under the
 * one lock here.  The order of stopping is the order of starting, backwards: the
 * way in first, the spool last. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "assembly.h"
#include "control.h"
#include "host.h"
#include "jobs.h"
#include "requests.h"
#include "base/timers.h"
#include "store/parked.h"
#include "store/retry.h"
#include "gate/gate.h"
#include "gate/marks.h"

#include <stdatomic.h>

enum { HOST_GAUGES = 6 };

struct json_out;
struct host_derived;
struct host_left;
struct host_requests;

struct host {
    struct plan *plan; /* until it is assembled */
    struct assembly *assembly;
    const struct il_conf *root; /* by host_use() */
    _Atomic int64_t drain_us;   /* of it, for whoever must not wait */
    const char *state_dir;
    pthread_rwlock_t changes; /* see host_look_begin() */
    int changing;             /* a reload is under way */
    int lock; /* descriptor, -1: not taken */
    struct http_inherited *inherited; /* sockets; NULL: none */

    struct spool *spool;
    struct spool_hold *start_hold; /* until all have their own */
    struct host_left *left;
    struct gate_marks *marks;
    struct dead *dead;
    struct parked *parked; /* NULL: no lane delivers event by event */
    struct retry *retry;
    struct entities *entities;
    struct idem *idem;
    struct il_gauge *idem_keys, *idem_slices, *idem_disk, *idem_heap,
        *idem_mapped;
    struct il_gauge *gauges[HOST_GAUGES];
    struct gate *gate;
    struct host_derived *derived;
    struct http *gate_http, *admin_http;
    struct tls *gate_tls, *admin_tls; /* NULL: served without */
    struct timers *timers;
    struct host_requests *requests;
    struct host_jobs *jobs; /* as long as the servers of requests */

    int64_t started_us;
    atomic_int serving;  /* /readyz: 0 while starting and stopping */
    int64_t deadline_us; /* of the drain; clock_monotonic_us */
    /* The same for the watchdog; 0: nobody wants it to stop. */
    _Atomic int64_t stop_by_us;
    struct watchdog *watchdog;
};

/* stores.c */
int host_open_stores(struct host *);
void host_close_stores(struct host *);

/* gauges.c: once the spool is open, and before it is closed. */
int host_start_gauges(struct host *);
void host_stop_gauges(struct host *);

/* changes.c: assembly, and the lanes in it, change while the daemon runs.  The
 * main thread alone does that, in between these two, so it looks without them;
 * others look between those two, for a moment. */
void host_change_begin(struct host *);
void host_change_end(struct host *);
void host_look_begin(struct host *);
void host_look_end(struct host *);

/* host.c: what the host's own options are from here on; between
 * host_change_begin() and end once there are others. */
void host_use(struct host *, const struct il_conf *root);
/* The lock of state_dir, the stores and the timers. */
int host_start_state(struct host *);

/* left.c: cursors of lanes that are not in the config, once the others are
 * made */
int host_find_left(struct host *);
void host_put_left(struct json_out *, const struct host *);
void host_free_left(struct host *); /* before the spool is closed */

/* lanes.c */
/* NULL: there is none of that name in the config.  Its lane is NULL unless it
 * runs. */
struct assembly_lane *host_find_lane(const struct host *, const char *name);
int host_start_lanes(struct host *);
/* One of them, without its thread and its steps. */
int host_start_lane(struct host *, struct assembly_lane *);
/* One of them: it holds its place in the spool; then its plugins and its thread
 * start.  0 or a negative errno after a log line; host_stop_lane() ends either. */
int host_make_lane(struct host *, struct assembly_lane *);
int host_run_lane(struct host *, struct assembly_lane *);
/* Read nothing more; what the destination has may settle until then; end.
 * Nothing where it does not run. */
void host_stop_lane(struct host *, struct assembly_lane *, int64_t deadline_us);
/* Wait until the lanes have delivered what they can, at most until the
 * deadline. */
void host_drain_lanes(struct host *);
void host_stop_lanes(struct host *);
/* Up to where all lanes have passed that take from a source; arg is a struct
 * host_source. */
struct host_source {
    struct host *host;
    const char *name;
};
uint64_t host_source_passed(void *arg);

/* servers.c: sources, gate, servers */
int host_prepare_servers(struct host *);
int host_start_servers(struct host *);
/* Sources are to come to an end: il_cancelled(). */
void host_cancel_sources(struct host *);
void host_quiesce(struct host *);
/* The admin server, before what its handlers and /metrics read is gone. */
void host_stop_admin(struct host *);
void host_stop_servers(struct host *);

/* derived.c: sources of what steps make.  Before the lanes are made; once the gate
 * takes events; where a lane's steps put theirs (NULL: nobody wants them); before
 * the lanes end; after that. */
int host_prepare_derived(struct host *);
void host_open_derived(struct host *);
struct lane_derived *host_find_derived(const struct host *,
                                       const char *pipeline);
void host_close_derived(struct host *, int64_t deadline_us);
void host_free_derived(struct host *);

/* admin.c: /healthz, /readyz, /metrics, and what is shown of requests; before
 * the admin server starts */
int host_admin_routes(struct host *);
/* Is the Host of a request a name of ours?  0, or -EACCES after an answer. */
int host_admin_admits(struct host *, struct il_request *);

/* reload.c */
/* Look whether certificates have changed; every second. */
void host_watch(struct host *);
/* SIGHUP, and the "reload" request of the control socket. */
void host_reload(struct host *);
void host_reload_control(void *host, const char *line, struct slice body,
                         struct il_text *reply);

/* watchdog.c: a plugin that hangs does not keep the daemon from ending */
int host_watchdog_start(struct host *);
void host_watchdog_end(struct host *);

/* status.c: GET /v1/status, and of that /v1/lanes; and the plugins that are in
 * a callback for longer than they should be */
void host_put_waiting(struct json_out *);
int host_status(struct host_request *);
int host_lanes(struct host_request *);

/* pause.c: /v1/lanes/NAME, and .../pause and .../resume of it: whether that
 * changed anything, and how the lane is now. */
int host_look(struct host_request *);
int host_pause(struct host_request *);
int host_resume(struct host_request *);
/* 404, with the lanes that there are. */
int host_refuse_lane(struct host_request *);
/* Since when, and where quotes are allowed by whom and why, as members. */
void host_put_paused(struct json_out *, const struct lane_status *, int quotes);

/* retry.c: POST /v1/lanes/NAME/retry with {"letters":[POSITION, ...]} and
 * perhaps "anew":true, which forgets what was decided.  The answer's "letters"
 * are the same, each with "result": "retried", "under_way" (already), "gone" or
 * "no_event", and the "position" it has now; of what is parked, or was a letter
 * beside that, "now", "behind" (another one), "damaged", "not_one_by_one" (as
 * its destination was) or "decided" (nothing else was kept), and "turn", how
 * often it was parked. */
int host_retry(struct host_request *);
/* .../due: another process has changed what is parked. */
int host_due(struct host_request *);

/* emit.c: POST /v1/emit?source=NAME, which may be left out where there is only
 * one.  The body is what POST /v1/ingest takes; the answer has a line of JSON
 * for each event (gate/gate.h). */
int host_emit(struct host_request *);

#endif

/* SPDX-License-Identifier: MIT */
/* How the room works: the daemon, phase by phase.
 *
 *   settings*.c   the host's own options; plan*.c what a config asks for,
 *                 cross-checked; assembly.c that with every plugin opened
 *   host.c        the phases; stores.c what lies in state_dir; servers.c sources.c
 *                 the way in; lanes.c on from there, derived.c and back;
 *                 history*.c by which config
 *   reload*.c     a config that takes the place of the one that runs (reload.h);
 *                 changes.c errands.c who looks at that, and has it done
 *   left.c forget.c  lanes that are not in the config; take.c one of a daemon that
 *                 does not run
 *   api.c         the function table of plugins; explain.c what steps ask
 *   tap*.c        who looks at events that pass
 *   requests.c    what may be asked of a running daemon, with a file for each;
 *                 job*.c what takes long; control.c how commands ask
 *   sockets.c     what systemd has opened; notify.c what it is told; privileges.c
 *   admin.c       /healthz, /readyz, /metrics
 *   upgrade*.c successor.c handover*.c
 *                 another process takes this one's place (upgrade.h)
 *   trial*.c catalog.c
 *                 `ingestlayer test`: the phases with a clock of the test's
 *   watchdog.c    leaves when a plugin keeps the daemon from ending
 *
 * Threads.  The main thread walks through the phases, wakes once a second and at
 * signals, and changes the assembly.  What only reads is answered by the servers'
 * loops, what changes something by the control server's worker, the main thread
 * or a job's helper.  All other threads belong to the rooms that make them.
 *
 * Pointers are set before the threads that use them start, and freed after those
 * are gone, but for the assembly, which changes under the one lock here.  Stopping
 * is starting backwards: the way in first, the spool last.  Where an upgrade goes
 * back, all of it is made anew. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "assembly.h"
#include "control.h"
#include "host.h"
#include "jobs.h"
#include "requests.h"
#include "base/timers.h"
#include "http/http.h"
#include "store/parked.h"
#include "store/retry.h"
#include "gate/gate.h"
#include "gate/marks.h"

#include <stdatomic.h>

enum { HOST_GAUGES = 6 };

struct json_out;
struct host_derived;
struct errand;
struct host_left;
struct host_requests;
struct handover;
struct upgrade;

/* What is left to another process, while a server is stopped. */
struct host_leaving {
    struct http_inherited *list;
    struct http_left left;
    int err;
};
struct host_retired;

struct host {
    struct plan *plan; /* until it is assembled */
    struct assembly *assembly;
    /* By host_use(): what was taken, and not what a reload tries. */
    const struct plan *taken;
    const struct il_conf *root;
    /* of it, for whoever must not wait */
    _Atomic int64_t drain_us, min_free;
    char *config;               /* where it is, as it was given */
    char *state_dir;
    int64_t longest_window_us; /* of keys, at the start */
    uint64_t secrets_seen, secrets_tried; /* how their files were */
    pthread_rwlock_t changes; /* see host_look_begin() */
    pthread_mutex_t lanes_lock; /* see host_lanes_lock() */
    int changing;             /* a reload is under way */
    struct host_retired *retired; /* of configs before */
    pthread_mutex_t errand_lock;  /* protects errands, runs */
    struct errand *errands;
    pthread_t main;
    int runs; /* main does errands */
    int lock; /* descriptor, -1: not taken */
    struct http_inherited *inherited; /* sockets; NULL: none */
    struct handover *before;          /* the process before; NULL: none */
    struct upgrade *upgrade;
    struct host_leaving *leaving; /* NULL: nobody comes after this one */

    int small; /* for a test: its stores are, and any disk will do */
    struct spool *spool;
    struct spool_hold *keeps; /* all, while not every lane has its own hold */
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
    struct host_taps *taps; /* tap.h; as jobs */
    struct host_jobs *jobs; /* as long as the servers of requests */

    int64_t started_us;
    atomic_int serving;  /* /readyz: 0 while starting and stopping */
    int64_t deadline_us; /* of the drain; clock_monotonic_us */
    /* The same for the watchdog; 0: nobody wants it to stop. */
    _Atomic int64_t stop_by_us;
    _Atomic int64_t drains_until_us; /* 0: it does not, or not any more */
    struct watchdog *watchdog;
};

/* stores.c */
int host_open_stores(struct host *);
/* The store of what is parked, where a lane of the assembly takes events one by
 * one, or did; nothing where it is open. */
int host_open_parked(struct host *);
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
/* The same for what the gate asks under its own lock, which those who look take
 * as well: which assembly there is, and a lane in it.  Nobody takes another's
 * lock in between, but for a lane's. */
void host_lanes_lock(struct host *);
void host_lanes_unlock(struct host *);

/* errands.c: have the main thread do this: 0, or -ESHUTDOWN.  Once it was taken
 * fn is called, also where the daemon stops before its turn: stopping.  Any other
 * thread. */
typedef void host_errand_fn(struct host *, void *arg, int stopping);
int host_send(struct host *, host_errand_fn *, void *arg);
/* The main thread's: it listens for HOST_SIGNAL_ERRAND; do what there is; nothing
 * more is done. */
#define HOST_SIGNAL_ERRAND SIGRTMIN
void host_errands_begin(struct host *);
void host_errands(struct host *);
void host_errands_end(struct host *);

/* host.c: what the host's own options are from here on. */
void host_use(struct host *, const struct plan *);
/* The lock of state_dir, the stores and the timers. */
int host_start_state(struct host *);

/* left.c: cursors of lanes that are not in the config, once the others are
 * made; again, those that have come or gone since */
int host_find_left(struct host *);
void host_put_left(struct json_out *, const struct host *);
struct host_left_counts {
    uint64_t position, events, letters, parked;
};
/* What is kept for one: 0, or -ENOENT.  The main thread's, as host_drop_left():
 * it is not kept any more. */
int host_count_left(struct host *, const char *name, struct host_left_counts *);
void host_drop_left(struct host *, const char *name);
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
/* Events that lanes which still work have before them. */
uint64_t host_lanes_left(const struct assembly *);
void host_stop_lanes(struct host *);
/* All of them are to read nothing more, and have they ended?  host_stop_lanes()
 * is still to follow. */
void host_halt_lanes(struct host *);
int host_lanes_rest(const struct host *);
/* Up to where all lanes have passed that take from a source; arg is a struct
 * host_source. */
struct host_source {
    struct host *host;
    const char *name;
};
uint64_t host_source_passed(void *arg);

/* sources.c */
/* Make one known to the gate; 0 or a negative errno. */
int host_make_source(struct host *, struct assembly_source *);
/* Its routes, in a site. */
int host_serve_source(struct assembly_source *, struct http_site *);
/* It ends: nothing of it is called any more.  Again, it does nothing. */
void host_stop_source(struct assembly_source *, int64_t deadline_us);

/* servers.c: sources, gate, servers */
int host_make_gate(struct host *);
struct http_options;
int host_prepare_servers(struct host *);
/* How senders are served, but for where; returns how many connections are left
 * for the admin server. */
uint32_t host_gate_options(struct host *, struct plan *, struct http_options *);
int host_start_servers(struct host *);
/* Sources are to come to an end: il_cancelled(). */
void host_cancel_sources(struct host *);
void host_quiesce(struct host *);
/* Where another process comes after this one: all servers let those wait who
 * come, and keep those who are idle. */
void host_rest(struct host *);
/* Stopped, before it is freed: what it leaves, if anybody comes. */
void host_leave(struct host *, struct http *);
/* The admin server, before what its handlers and /metrics read is gone. */
void host_stop_admin(struct host *);
void host_stop_servers(struct host *);

/* derived.c: sources of what steps make.  Where those of a lane put theirs (NULL:
 * they make nothing).  0 or a negative errno. */
struct lane_derived;
int host_derived(struct host *, const struct assembly_lane *,
                 struct lane_derived **out);
/* The plan is another: which of them a pipeline names. */
void host_want_derived(struct host *);
/* The gate takes events; the lanes are to end; all that was made has settled, and
 * the gate is closed. */
void host_open_derived(struct host *);
void host_close_derived(struct host *, int64_t deadline_us);
void host_free_derived(struct host *);

/* admin.c: /healthz, /readyz, /metrics, and what is shown of requests; before
 * the admin server starts */
int host_admin_routes(struct host *);
/* Is the Host of a request a name of ours?  0, or -EACCES after an answer. */
int host_admin_admits(struct host *, struct il_request *);

/* reload.c */
/* Look whether certificates or files with secrets have changed; every second. */
void host_watch(struct host *);
/* SIGHUP: read the config again. */
void host_reload(struct host *);
/* POST /v1/reload?wait=MS&remove=1 */
int host_reload_request(struct host_request *);
int host_reload_metrics(void);
/* reload_gate.c: free what nobody uses any more; all: nobody uses any, as the
 * servers are gone.  The main thread's, every second. */
void host_collect(struct host *, int all);
/* The sources of what has been replaced take nothing any more. */
void host_retired_stop(struct host *);

/* watchdog.c: a plugin that hangs does not keep the daemon from ending */
int host_watchdog_start(struct host *);
/* Somebody wants the daemon to stop, and the main thread has not seen it. */
int host_stop_is_pending(void);
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
/* replay.c: POST /v1/lanes/NAME/replay, a job; see replay.h. */
int host_replay(struct host_request *);
/* forget.c: POST /v1/lanes/NAME/forget, a job, of a lane that is not in the
 * config.  Its line has "forgotten" (the name), "position", "events",
 * "dead_letters" and "parked": what is gone. */
int host_forget_request(struct host_request *);
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

/* upgrade_ask.c: GET and POST /v1/upgrade, the latter perhaps with ?no_way_back=1:
 * how the last one went, or goes on.  The answer to its end comes from whichever
 * process has the place then. */
int host_upgrade_look(struct host_request *);
int host_upgrade_ask(struct host_request *);

/* emit.c: POST /v1/emit?source=NAME, which may be left out where there is only
 * one.  The body is what POST /v1/ingest takes; the answer has a line of JSON
 * for each event (gate/gate.h). */
int host_emit(struct host_request *);

#endif

/* SPDX-License-Identifier: MIT */
/* Shared by host*.c. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "assembly.h"
#include "control.h"
#include "host.h"
#include "base/timers.h"
#include "store/retry.h"
#include "gate/gate.h"

#include <stdatomic.h>

struct host {
    struct plan *plan; /* until it is assembled */
    struct assembly *assembly;
    const struct il_conf *root;
    const char *state_dir;
    int lock; /* descriptor, -1: not taken */

    struct spool *spool;
    struct dead *dead;
    struct retry *retry;
    struct entities *entities;
    struct idem *idem;
    struct il_counter *idem_keys, *idem_slices, *idem_disk, *idem_heap,
        *idem_mapped; /* gauges */
    struct gate *gate;
    struct http *gate_http, *admin_http;
    struct tls *gate_tls, *admin_tls; /* NULL: served without */
    struct timers *timers;
    struct control *control;

    int64_t started_us;
    atomic_int serving;  /* /readyz: 0 while starting and stopping */
    int64_t deadline_us; /* of the drain; clock_monotonic_us */
};

/* host_stores.c */
int host_open_stores(struct host *);
void host_close_stores(struct host *);

/* host_lanes.c */
int host_start_lanes(struct host *);
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

/* host_servers.c: sources, gate, servers */
int host_prepare_servers(struct host *);
int host_start_servers(struct host *);
void host_quiesce(struct host *);
void host_stop_servers(struct host *);

/* admin.c: /healthz, /readyz, /metrics; before the admin server starts */
int host_admin_routes(struct host *);

/* host_reload.c */
/* Look whether certificates have changed; every second. */
void host_watch(struct host *);
/* SIGHUP, and the "reload" request of the control socket. */
void host_reload(struct host *);
void host_reload_control(void *host, const char *line, struct slice body,
                         struct il_text *reply);

/* host_status.c: the "status" request of the control socket */
void host_status(void *host, const char *line, struct slice body,
                 struct il_text *reply);

/* host_retry.c: "retry", with a lane, and a body of a position a line.  The
 * reply is a line for each: the position, "retried", "under_way" (already),
 * "gone" or "no_event", and the position it has now; or one line "error
 * MESSAGE". */
void host_retry(void *host, const char *line, struct slice body,
                struct il_text *reply);

#endif

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "notify.h"

#include "api.h"
#include "private.h"
#include "privileges.h"
#include "sockets.h"
#include "upgrade.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "cells/cells.h"
#include "http/inherited.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How much of the idempotency index a crash may leave to be rebuilt. */
#define CHECKPOINT_US 5000000

struct host *
host_new(void)
{
    struct host *h = calloc(1, sizeof(*h));
    if (!h) {
        log_error("no memory");
        return NULL;
    }
    h->lock = -1;
    h->upgrade = upgrade_new();
    if (!h->upgrade) {
        free(h);
        log_error("no memory");
        return NULL;
    }
    handover_note_program();
    pthread_rwlock_init(&h->changes, NULL);
    pthread_mutex_init(&h->lanes_lock, NULL);
    pthread_mutex_init(&h->errand_lock, NULL);
    h->started_us = clock_wall_us();
    host_api_init();
    return h;
}

int
host_inherit(struct host *h)
{
    h->inherited = http_inherited_new();
    int err = h->inherited ? sockets_take(h->inherited) : -ENOMEM;
    return err ? err : host_successor(h);
}

/* --- parse, load, open --------------------------------------------------- */

void
host_use(struct host *h, const struct plan *plan)
{
    const struct il_conf *root = plan->root;
    const char *level = option_str(root, "log_level", 0);
    const int64_t memory = option_int(root, "state_memory", 0);
    host_change_begin(h);
    h->taken = plan;
    h->root = root;
    host_change_end(h);
    atomic_store(&h->drain_us, option_int(root, "drain", 0) * 1000);
    atomic_store(&h->min_free,
                 option_int(option_group(root, "spool", 0), "min_free", 0));
    if (memory > 0)
        cells_memory((uint64_t) memory);
    if (level && log_level_parse(level))
        log_level_set(log_level_parse(level));
}

int
host_parse(struct host *h, const char *path)
{
    h->plan = plan_parse(path);
    host_use(h, h->plan);
    const char *state_dir = option_str(h->root, "state_dir", 0);
    h->config = strdup(path);
    h->state_dir = state_dir ? strdup(state_dir) : NULL;
    if (!h->config || (state_dir && !h->state_dir)) {
        log_error("no memory");
        return -ENOMEM;
    }
    return 0; /* the findings wait for those of the later phases */
}

int
host_load(struct host *h)
{
    plan_load(h->plan);
    return 0;
}

int
host_open(struct host *h)
{
    struct conf *conf = h->plan->conf;
    h->assembly = assembly_open(h->plan);
    sockets_check(h->plan, h->inherited);
    plan_check_start(h->plan, h->inherited);
    conf_print(conf, stderr);
    host_successor_found(h, conf);
    return conf_errors(conf) ? -EINVAL : 0;
}

int
host_drop_privileges(struct host *h)
{
    struct identity id;
    int err = privileges_find(option_str(h->root, "user", 0),
                              option_str(h->root, "group", 0), &id);
    if (!err)
        err = state_dir_make(h->state_dir, id.uid, id.gid);
    if (!err)
        err = privileges_become(&id);
    /* After the change of user, which makes a process readable or not by rules
     * of its own. */
    if (!err && !option_int(h->root, "core_dumps", 0))
        privileges_hide_memory();
    return err;
}

const char *
host_state_dir(const struct host *h)
{
    return h->state_dir;
}

/* --- start --------------------------------------------------------------- */

/* Blocked in every thread, so that only host_run() sees them. */
static void
block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, HOST_SIGNAL_ERRAND);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* A state_dir that is spelt wrong is one without events, keys and positions:
 * whoever reads the log sees it. */
static void
report_state_dir(const struct host *h)
{
    char spool[4096], *real = realpath(h->state_dir, NULL);
    const char *dir = real ? real : h->state_dir;
    struct stat st;
    log_info("config %s, state_dir %s",
             conf_place_main(h->assembly->plan->conf).file, dir);
    if (!state_dir_path(spool, sizeof(spool), h->state_dir, "spool")
        && stat(spool, &st) && errno == ENOENT)
        log_warn("state_dir %s is new: a first start, with no events, keys or "
                 "positions of before; if there was one, state_dir is wrong",
                 dir);
    free(real);
}

int
host_start_state(struct host *h)
{
    int err = 0;
    if (h->lock < 0)
        h->lock = state_dir_lock(h->state_dir);
    if (h->lock < 0)
        return h->lock;
    if (!h->watchdog)
        err = host_watchdog_start(h);
    if (!err)
        report_state_dir(h);
    if (!err)
        err = state_dir_format_take(h->state_dir);
    if (!err)
        err = host_open_stores(h);
    if (err)
        return err;
    h->timers = timers_new();
    if (!h->timers)
        return -ENOMEM;
    timers_call_by(h->timers, instance_timer);
    return timers_start(h->timers);
}

int
host_start(struct host *h)
{
    sigset_t set;
    block_signals(&set);
    int err = host_successor_waits(h);
    if (!err)
        err = host_start_state(h);
    if (!err)
        err = host_prepare_servers(h);
    if (!err)
        err = host_start_lanes(h);
    if (!err)
        spool_hold_move(h->keeps, UINT64_MAX); /* the lanes have their own */
    if (!err)
        host_successor_ready(h);
    /* Last: whoever gets a connection gets an answer. */
    if (!err)
        err = host_start_servers(h);
    if (!err)
        err = host_requests_start(h);
    if (err == -ENOMEM)
        log_error("no memory to start");
    if (err)
        return err;
    atomic_store(&h->serving, 1);
    host_successor_serves(h);
    return 0;
}

/* --- run ----------------------------------------------------------------- */

static void
report_addresses(const struct host *h, const char *group,
                 const struct http *http, const char *what)
{
    const struct il_conf *g = option_group(h->root, group, 0);
    for (size_t i = 0; i < option_count(g, "listen"); i++) {
        struct il_text address = { 0 };
        http_listens_on(http, i, &address);
        log_info("%s on %s", what, text_str(&address));
        text_clear(&address);
    }
}

int
host_run(struct host *h)
{
    sigset_t set;
    int64_t checkpoint_us = clock_monotonic_us() + CHECKPOINT_US;
    const size_t lanes = assembly_lanes_run(h->assembly);
    block_signals(&set);
    report_addresses(h, "http", h->gate_http, "accepting events");
    report_addresses(h, "admin", h->admin_http, "health and metrics");
    log_info("ingestlayer " PACKAGE_VERSION " runs: %zu source%s, %zu lane%s",
             h->assembly->plan->source_count,
             h->assembly->plan->source_count == 1 ? "" : "s", lanes,
             lanes == 1 ? "" : "s");
    int told = 0, rc = 0;
    host_errands_begin(h);
    for (;;) {
        /* systemd hears the process before until that is gone */
        if (!told && (told = host_successor_alone(h)))
            notify_ready();
        struct timespec second = { .tv_sec = 1 };
        int signal = sigtimedwait(&set, NULL, &second);
        if (signal == SIGTERM || signal == SIGINT)
            break;
        if (signal == SIGHUP)
            host_reload(h);
        else if (signal == HOST_SIGNAL_ERRAND)
            host_errands(h);
        else
            host_watch(h);
        host_collect(h, 0);
        if ((rc = host_upgrade(h)))
            break;
        if (told)
            notify_alive();
        if (clock_monotonic_us() >= checkpoint_us) {
            idem_checkpoint(h->idem, clock_wall_us());
            gate_marks_checkpoint(h->marks, 0);
            checkpoint_us = clock_monotonic_us() + CHECKPOINT_US;
        }
    }
    host_errands_end(h);
    return rc;
}

/* --- flush, stop, close -------------------------------------------------- */

/* Everything that counts is on disk, so leaving at once loses nothing. */
static void
leave_at_once(int signal)
{
    static const char message[] =
        "second signal: leaving at once; what is not delivered will be "
        "after the next start\n";
    (void) signal;
    ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void) n;
    _exit(1);
}

static void
expect_second_signal(void)
{
    sigset_t set;
    struct sigaction act = { .sa_handler = leave_at_once };
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void
host_flush(struct host *h)
{
    atomic_store(&h->serving, 0);
    h->deadline_us = clock_monotonic_us() + atomic_load(&h->drain_us);
    atomic_store(&h->stop_by_us, h->deadline_us);
    notify_stopping();
    log_info("stopping: no new events are accepted");
    expect_second_signal();
    host_cancel_sources(h);
    host_quiesce(h);
    atomic_store(&h->drains_until_us, h->deadline_us);
    host_drain_lanes(h);
    atomic_store(&h->drains_until_us, 0);
}

void
host_stop(struct host *h)
{
    host_requests_stop(h);
    host_stop_lanes(h);
    host_stop_servers(h);
    host_close_stores(h);
    log_info("stopped");
}

void
host_close(struct host *h)
{
    if (!h)
        return;
    /* After a start that failed halfway these find what there is. */
    host_requests_stop(h);
    host_stop_lanes(h);
    host_stop_servers(h);
    host_close_stores(h);
    if (h->assembly)
        assembly_close(h->assembly);
    host_watchdog_end(h);
    if (h->before)
        handover_close(h->before);
    free(h->before);
    upgrade_free(h->upgrade);
    if (h->assembly)
        assembly_free(h->assembly);
    else
        plan_free(h->plan);
    http_inherited_free(h->inherited);
    if (h->lock >= 0)
        close(h->lock);
    pthread_rwlock_destroy(&h->changes);
    pthread_mutex_destroy(&h->lanes_lock);
    pthread_mutex_destroy(&h->errand_lock);
    free(h->config);
    free(h->state_dir);
    free(h);
}

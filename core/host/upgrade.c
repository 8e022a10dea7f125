/* SPDX-License-Identifier: MIT */
/* The old process, step by step.  Others wait only from host_rest() on, and
 * nothing that can wait is done after it. */
#include <config.h>

#include "notify.h"

#include "private.h"
#include "upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "http/inherited.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To read a config and open its plugins; to open what state_dir has.  A big
 * disk that is slow takes a few seconds for the latter. */
#define PREPARED_US 30000000
#define READY_US 30000000
/* For what is with destinations, and for connections with TLS to be told. */
#define SETTLE_US 2000000
/* The last part of it, in which those with TLS that have come are answered, and no
 * others come: a request on its way over a new one would be cut off. */
#define TLS_SHUT_US 300000
/* For requests at hand, whose senders may be slow: all others wait for them. */
#define ANSWER_US 500000
/* A process that says nothing more is about to end. */
#define END_MS 2000
#define LOOK_MS 20

struct successor {
    struct handover talk;
    pid_t pid;
    struct http_inherited *list; /* what it is to get */
};

/* --- hearing from it ------------------------------------------------------- */

/* It failed or is late: `waits` for what. */
static void
say_gone(struct host *h, struct successor *s, int rc, const char *waits)
{
    char ended[64] = "ended";
    const int late = rc != 0;
    handover_end(s->pid, late ? 0 : END_MS, ended, sizeof(ended));
    if (rc == -ECANCELED)
        upgrade_fails(h->upgrade, "the daemon is to stop");
    else if (rc == -ETIMEDOUT)
        upgrade_fails(h->upgrade, "the new process was not %s in time", waits);
    else if (late)
        upgrade_fails(h->upgrade, "cannot speak to the new process: %s",
                      strerror(-rc));
    else
        upgrade_fails(h->upgrade, "the new process %s before it was %s; %s",
                      ended, waits,
                      h->upgrade->findings.len ? "see what it has found"
                                               : "its messages are in the log");
}

static void
keep_finding(struct upgrade *u, const struct handover_message *m)
{
    pthread_mutex_lock(&u->lock);
    text_put(&u->findings, m->data.ptr, m->data.len);
    pthread_mutex_unlock(&u->lock);
}

/* Until it says this word: 1, and *m is it; 0: it is gone; or a negative
 * errno. */
static int
wait_for(struct host *h, struct successor *s, const char *word,
         int64_t limit_us, struct handover_message *m)
{
    const int64_t until = clock_monotonic_us() + limit_us;
    for (;;) {
        int rc = handover_hear(&s->talk, LOOK_MS, m);
        notify_alive();
        if (rc == -ETIMEDOUT && clock_monotonic_us() < until) {
            /* Once all is closed it is the new one that is to stop. */
            if (!s->list && host_stop_is_pending())
                return -ECANCELED;
            continue;
        }
        if (rc <= 0)
            return rc;
        if (m->fd >= 0)
            close(m->fd);
        m->fd = -1;
        if (strcmp(m->word, "finding") == 0)
            keep_finding(h->upgrade, m);
        else if (strcmp(m->word, word) == 0)
            return 1;
    }
}

/* "FORMAT VERSION": 1 as FORMAT is that state_dir stays as it is. */
static int
may_take(struct host *h, struct successor *s, const struct handover_message *m)
{
    struct upgrade *u = h->upgrade;
    int keeps = 0;
    char version[32] = "";
    if (memchr(m->data.ptr, 0, m->data.len))
        sscanf(m->data.ptr, "%d %31s", &keeps, version);
    pthread_mutex_lock(&u->lock);
    const int may = keeps || u->no_way_back;
    snprintf(u->facts.to_version, sizeof(u->facts.to_version), "%s", version);
    u->facts.to = (long) s->pid;
    pthread_mutex_unlock(&u->lock);
    if (may)
        return 1;
    handover_end(s->pid, 0, NULL, 0);
    upgrade_fails(u,
                  "version %s would change how state_dir is laid out, and no "
                  "earlier one reads it afterwards; keep a copy, and say "
                  "--no-way-back",
                  version);
    return 0;
}

/* --- letting go ------------------------------------------------------------ */

static void
wait_until(struct host *h, int (*holds)(struct host *), int64_t until_us)
{
    while (!holds(h) && clock_monotonic_us() < until_us) {
        poll(NULL, 0, 2);
        notify_alive();
    }
}

static int
is_quiet(struct host *h)
{
    return host_lanes_rest(h) && !http_tls_count(h->gate_http)
           && !http_tls_count(h->admin_http);
}

static int
is_over(struct host *h)
{
    return host_lanes_rest(h) && http_tls_is_over(h->gate_http)
           && http_tls_is_over(h->admin_http);
}

/* The gate still takes events, which lie in the spool. */
static void
settle(struct host *h)
{
    const int64_t until = clock_monotonic_us() + SETTLE_US;
    http_farewell(h->gate_http);
    http_farewell(h->admin_http);
    host_halt_lanes(h);
    host_jobs_stop(h->jobs); /* their clients would be waited for */
    wait_until(h, is_quiet, until - TLS_SHUT_US);
    http_shut_tls(h->gate_http);
    http_shut_tls(h->admin_http);
    wait_until(h, is_over, until);
    h->changing = 1; /* lanes that end here go on elsewhere */
    host_stop_lanes(h);
    h->changing = 0;
    /* what there is to write at the end is then little */
    idem_checkpoint(h->idem, clock_wall_us());
    gate_marks_checkpoint(h->marks, 0);
}

static void
let_go(struct host *h, struct host_leaving *leaving,
       struct handover_facts *facts)
{
    host_errands_end(h);
    settle(h);
    facts->rested_us = clock_monotonic_us();
    h->deadline_us = facts->rested_us + ANSWER_US;
    atomic_store(&h->stop_by_us, h->deadline_us);
    h->leaving = leaving;
    host_cancel_sources(h);
    host_rest(h);
    host_quiesce(h);
    host_requests_stop(h);
    host_stop_servers(h);
    host_close_stores(h);
    h->leaving = NULL;
    atomic_store(&h->stop_by_us, 0);
    facts->connections = leaving->left.connections;
    facts->tls = leaving->left.tls;
    facts->requests = leaving->left.requests;
}

/* --- the way back ---------------------------------------------------------- */

static int
reopen(struct assembly *a)
{
    int err = 0;
    for (size_t i = 0; i < a->plan->source_count && !err; i++)
        err = assembly_open_source(a, i);
    for (size_t i = 0; i < a->lane_count && !err; i++)
        err = assembly_open_lane(a, i);
    if (err)
        conf_print(a->plan->conf, stderr);
    return err;
}

/* As at a start, with the sockets and the connections of before. */
static int
go_back(struct host *h, struct successor *s)
{
    http_inherited_free(h->inherited);
    h->inherited = s->list;
    s->list = NULL;
    state_dir_lock_note(h->state_dir, h->lock);
    host_successor_over(h);
    int err = reopen(h->assembly);
    if (!err)
        err = host_start(h);
    if (err)
        log_error("upgrade: the old process cannot go on either: %s",
                  strerror(-err));
    else
        log_info("upgrade: the old process goes on");
    if (!err)
        host_errands_begin(h);
    return err;
}

/* --- the order of it ------------------------------------------------------- */

/* 1: it has all; 0: it has not, and does not run any more. */
static int
give(struct host *h, struct successor *s, struct handover_facts *facts)
{
    struct handover_message m;
    uint64_t cut = 0;
    int rc = handover_give(&s->talk, h->lock, s->list, facts, &cut);
    if (!rc)
        rc = wait_for(h, s, "ready", READY_US, &m);
    if (rc > 0) {
        int err = handover_say(&s->talk, "yours", slice_of(NULL, 0), -1);
        if (!err)
            return 1;
        rc = err == -EPIPE ? 0 : err;
    }
    say_gone(h, s, rc == -EPIPE ? 0 : rc, "ready");
    return 0;
}

/* From here on there is no way but through. */
static int
hand_over(struct host *h, struct successor *s)
{
    struct host_leaving leaving = { .list = http_inherited_new() };
    if (!leaving.list) {
        say_gone(h, s, -ENOMEM, "");
        return 0;
    }
    pthread_mutex_lock(&h->upgrade->lock);
    h->upgrade->state = UPGRADE_HANDS_OVER;
    struct handover_facts facts = h->upgrade->facts;
    pthread_mutex_unlock(&h->upgrade->lock);
    log_info("upgrade: process %ld, version %s, is prepared", facts.to,
             facts.to_version);
    let_go(h, &leaving, &facts);
    s->list = leaving.list;
    if (leaving.err)
        say_gone(h, s, leaving.err, "");
    else if (give(h, s, &facts)) {
        log_info("upgrade: process %ld goes on", facts.to);
        notify_main_process(s->pid);
        return 1;
    }
    return go_back(h, s);
}

static int
upgrade(struct host *h)
{
    struct successor s = { .talk = { .fd = -1 } };
    struct handover_message m;
    int rc = handover_start(&s.talk, &s.pid);
    if (rc) {
        upgrade_fails(h->upgrade, "cannot start %s: %s", handover_program(),
                      strerror(-rc));
        return 0;
    }
    rc = wait_for(h, &s, "prepared", PREPARED_US, &m);
    if (rc <= 0) {
        say_gone(h, &s, rc, "prepared");
        rc = 0;
    } else {
        rc = may_take(h, &s, &m) ? hand_over(h, &s) : 0;
    }
    handover_close(&s.talk);
    http_inherited_free(s.list);
    return rc;
}

int
host_upgrade(struct host *h)
{
    struct upgrade *u = h->upgrade;
    pthread_mutex_lock(&u->lock);
    int wanted = u->wanted;
    u->wanted = 0;
    pthread_mutex_unlock(&u->lock);
    return wanted ? upgrade(h) : 0;
}

/* SPDX-License-Identifier: MIT */
/* Who asks for an upgrade, and what became of it. */
#include <config.h>

#include "private.h"
#include "upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/json_out.h"
#include "http/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct upgrade *
upgrade_new(void)
{
    struct upgrade *u = calloc(1, sizeof(*u));
    if (u)
        pthread_mutex_init(&u->lock, NULL);
    return u;
}

void
upgrade_free(struct upgrade *u)
{
    if (!u)
        return;
    text_clear(&u->findings);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

void
upgrade_fails(struct upgrade *u, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&u->lock);
    vsnprintf(u->why, sizeof(u->why), fmt, ap);
    u->state = UPGRADE_FAILED;
    log_error("upgrade: %s", u->why);
    pthread_mutex_unlock(&u->lock);
    va_end(ap);
}

/* Somebody waits for this very process, who cannot be told of another one; why,
 * or NULL. */
static const char *
is_waited_for(void)
{
    const char *started = getenv("SYSTEMD_EXEC_PID");
    if (getpid() == 1)
        return "this daemon is process 1, with which its container ends; "
               "replace the container";
    if (started && strtol(started, NULL, 10) == (long) getpid()
        && !getenv("NOTIFY_SOCKET"))
        return "systemd takes the end of this process for that of the "
               "service: it takes Type=notify in the unit, and a build with "
               "--with-systemd; until then restart, with ingestlayer.socket";
    return NULL;
}

/* --- answers --------------------------------------------------------------- */

static const char *const states[] = { "none", "preparing", "handing over",
                                      "failed", "done" };

static void
put_process(struct json_out *o, const char *key, long pid, const char *version)
{
    json_out_object(o, key);
    json_out_number(o, "pid", (uint64_t) pid);
    json_out_str(o, "version", version);
    json_out_end(o);
}

static void
put_facts(struct json_out *o, const struct upgrade *u)
{
    const struct handover_facts *f = &u->facts;
    json_out_number(o, "id", f->id);
    put_process(o, "from", f->from, f->from_version);
    if (f->to)
        put_process(o, "to", f->to, f->to_version);
    if (u->state != UPGRADE_DONE)
        return;
    json_out_number(o, "waited_us", (uint64_t) u->stall_us);
    json_out_number(o, "connections", f->connections);
    json_out_number(o, "tls_closed", f->tls);
    json_out_number(o, "requests_cut", f->requests);
}

static int
answer(struct host_request *r)
{
    struct upgrade *u = r->host->upgrade;
    struct json_out o;
    pthread_mutex_lock(&u->lock);
    host_answer_begin(r, &o);
    json_out_str(&o, "state", states[u->state]);
    if (u->state != UPGRADE_NONE)
        put_facts(&o, u);
    if (u->state == UPGRADE_FAILED)
        json_out_str(&o, "error", u->why);
    json_out_slice(&o, "findings", slice_of(u->findings.data, u->findings.len));
    pthread_mutex_unlock(&u->lock);
    return host_answer(r, &o);
}

int
host_upgrade_look(struct host_request *r)
{
    return answer(r);
}

static void
begin(struct upgrade *u, int no_way_back)
{
    u->no_way_back = no_way_back;
    u->state = UPGRADE_PREPARES;
    u->findings.len = 0;
    u->why[0] = 0;
    u->stall_us = 0;
    u->facts = (struct handover_facts){ .id = (uint64_t) clock_wall_us(),
                                        .from = (long) getpid() };
    snprintf(u->facts.from_version, sizeof(u->facts.from_version), "%s",
             PACKAGE_VERSION);
}

static void
wanted(struct host *h, void *arg, int stopping)
{
    struct upgrade *u = h->upgrade;
    (void) arg;
    if (stopping) {
        upgrade_fails(u, "the daemon is starting or stopping");
        return;
    }
    pthread_mutex_lock(&u->lock);
    u->wanted = 1;
    pthread_mutex_unlock(&u->lock);
}

int
host_upgrade_ask(struct host_request *r)
{
    struct upgrade *u = r->host->upgrade;
    const char *why = is_waited_for();
    if (why)
        return host_refuse(r, 409, "waited_for", "%s", why);
    pthread_mutex_lock(&u->lock);
    const int busy =
        u->state == UPGRADE_PREPARES || u->state == UPGRADE_HANDS_OVER;
    if (!busy)
        begin(u, il_request_query(r->http, "no_way_back") != NULL);
    pthread_mutex_unlock(&u->lock);
    if (busy)
        return host_refuse(r, 409, "busy", "an upgrade is under way already");
    if (host_send(r->host, wanted, NULL))
        wanted(r->host, NULL, 1);
    return answer(r);
}

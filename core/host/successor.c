/* SPDX-License-Identifier: MIT */
/* A process that takes the place of another: what it does beside a start. */
#include <config.h>

#include "private.h"
#include "upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "http/inherited.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of them so much is told. */
#define FINDINGS_MAX (64u << 10)

int
host_successor(struct host *h)
{
    struct handover talk;
    int rc = handover_inherit(&talk);
    if (rc <= 0)
        return rc;
    h->before = malloc(sizeof(*h->before));
    if (!h->before) {
        handover_close(&talk);
        return -ENOMEM;
    }
    *h->before = talk;
    return 0;
}

static void
let_go(struct host *h)
{
    handover_close(h->before);
    free(h->before);
    h->before = NULL;
}

void
host_successor_found(struct host *h, struct conf *conf)
{
    char *text = NULL;
    size_t len;
    if (!h->before)
        return;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return;
    conf_print(conf, out);
    fclose(out);
    if (text && len)
        handover_say(h->before, "finding",
                     slice_of(text, len < FINDINGS_MAX ? len : FINDINGS_MAX),
                     -1);
    free(text);
}

static int
say_prepared(struct host *h)
{
    struct il_text t = { 0 };
    unsigned format;
    int err = state_dir_format(h->state_dir, &format);
    if (!err)
        err = text_printf(&t, "%d %s", format == STATE_DIR_FORMAT,
                          PACKAGE_VERSION);
    if (!err)
        err = text_putc(&t, 0);
    if (!err)
        err = handover_say(h->before, "prepared", slice_of(t.data, t.len), -1);
    text_clear(&t);
    return err;
}

/* What systemd has passed goes through the old one, too. */
int
host_successor_waits(struct host *h)
{
    struct upgrade *u = h->upgrade;
    if (!h->before)
        return 0;
    int err = say_prepared(h);
    if (!err)
        err = handover_take(h->before, &h->lock, h->inherited, &u->facts);
    if (err == -EPIPE)
        log_error("the process before has not given its place");
    else if (err && err != -ENOTSUP)
        log_error("cannot take the place of the process before: %s",
                  strerror(-err));
    if (err)
        return err;
    u->state = UPGRADE_HANDS_OVER;
    u->facts.to = (long) getpid();
    snprintf(u->facts.to_version, sizeof(u->facts.to_version), "%s",
             PACKAGE_VERSION);
    log_info("taking the place of process %ld, version %s", u->facts.from,
             u->facts.from_version);
    return state_dir_lock_note(h->state_dir, h->lock);
}

/* 1; 0: the old one is gone. */
static int
is_given(struct handover *talk)
{
    struct handover_message m;
    for (;;) {
        int rc = handover_hear(talk, -1, &m);
        if (rc == -ETIMEDOUT)
            continue;
        if (rc <= 0)
            return 0;
        if (m.fd >= 0)
            close(m.fd);
        if (strcmp(m.word, "yours") == 0)
            return 1;
    }
}

/* An old one that gives up ends this one before it does anything else. */
void
host_successor_ready(struct host *h)
{
    if (h->before
        && (handover_say(h->before, "ready", slice_of(NULL, 0), -1)
            || !is_given(h->before)))
        log_warn("the process before is gone; this one goes on");
}

/* Nobody comes to sockets that this config does not have. */
static void
close_rest(struct host *h)
{
    for (size_t i = 0; i < http_inherited_count(h->inherited); i++) {
        struct il_text at = { 0 };
        if (http_inherited_is_taken(h->inherited, i))
            continue;
        http_inherited_address(h->inherited, i, &at);
        log_info("nobody listens on %s any more", text_str(&at));
        text_clear(&at);
    }
    http_inherited_free(h->inherited);
    h->inherited = NULL;
}

void
host_successor_serves(struct host *h)
{
    struct upgrade *u = h->upgrade;
    if (!h->before)
        return;
    close_rest(h);
    pthread_mutex_lock(&u->lock);
    u->state = UPGRADE_DONE;
    u->stall_us = clock_monotonic_us() - u->facts.rested_us;
    log_info("in the place of process %ld: new requests waited %lld ms, %llu "
             "connection%s went on, %llu with TLS %s closed, %llu request%s "
             "cut off",
             u->facts.from, (long long) (u->stall_us / 1000),
             (unsigned long long) u->facts.connections,
             u->facts.connections == 1 ? "" : "s",
             (unsigned long long) u->facts.tls,
             u->facts.tls == 1 ? "was" : "were",
             (unsigned long long) u->facts.requests,
             u->facts.requests == 1 ? " was" : "s were");
    pthread_mutex_unlock(&u->lock);
}

int
host_successor_alone(struct host *h)
{
    struct handover_message m;
    if (!h->before)
        return 1;
    int rc = handover_hear(h->before, 0, &m);
    if (rc == -ETIMEDOUT || rc > 0)
        return 0;
    let_go(h);
    return 1;
}

void
host_successor_over(struct host *h)
{
    if (h->before)
        let_go(h);
}

/* SPDX-License-Identifier: MIT */
/* What an instance says of itself, and what it does wrong. */
#include "instance.h"

#include "private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/wtf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_EVERY_US 60000000

void
plugin_said_begin(struct il_host *h)
{
    struct il_text labels = { 0 };
    h->said = calloc(1, sizeof(*h->said));
    if (!h->said)
        conf_give_up();
    pthread_mutex_init(&h->said->lock, NULL);
    if (plugin_metric_labels(h, &labels) == 0)
        h->said->fault_count = metric_counter(
            "instance_faults_total", text_str(&labels), IL_UNIT_NONE,
            "What a plugin did and must not do; each kind is in the log.");
    text_clear(&labels);
}

void
plugin_said_end(struct il_host *h)
{
    pthread_mutex_destroy(&h->said->lock);
    free(h->said);
    h->said = NULL;
}

/* Both end up in JSON and on terminals. */
void
instance_note(const struct il_host *h, const char *text, size_t len)
{
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    size_t n = utf8_show(h->said->text, sizeof(h->said->text) - 1, text, len);
    h->said->text[n] = 0;
    h->said->at_us = clock_monotonic_us();
    pthread_mutex_unlock(&h->said->lock);
}

void
instance_said(const struct il_host *h, int64_t since_us, char *out, size_t size)
{
    *out = 0;
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    if (h->said->at_us >= since_us)
        snprintf(out, size, "%s", h->said->text);
    pthread_mutex_unlock(&h->said->lock);
}

void
plugin_doing_set(const struct il_host *h, const char *text, size_t len)
{
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    size_t n = utf8_show(h->said->doing, sizeof(h->said->doing) - 1, text, len);
    h->said->doing[n] = 0;
    pthread_mutex_unlock(&h->said->lock);
}

void
instance_doing(const struct il_host *h, char *out, size_t size)
{
    *out = 0;
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    snprintf(out, size, "%s", h->said->doing);
    pthread_mutex_unlock(&h->said->lock);
}

/* --- faults -------------------------------------------------------------- */

/* The place of this kind; where there are more than places, several share the
 * last. */
static struct instance_fault *
fault_kind(struct instance_said *said, const char *fmt)
{
    const size_t n = sizeof(said->faults) / sizeof(said->faults[0]);
    for (size_t i = 0; i < n; i++) {
        struct instance_fault *f = &said->faults[i];
        if (f->fmt == fmt || !f->fmt || i + 1 == n) {
            f->fmt = fmt;
            return f;
        }
    }
    return NULL;
}

/* How many of this kind a line would tell of now; 0: it is not the time. */
static uint64_t
fault_due(struct instance_said *said, const char *fmt, int64_t *since_us)
{
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&said->lock);
    struct instance_fault *f = fault_kind(said, fmt);
    uint64_t n = ++f->unlogged;
    *since_us = f->logged_us ? now - f->logged_us : 0;
    if (f->logged_us && *since_us < FAULT_EVERY_US) {
        n = 0;
    } else {
        f->logged_us = now;
        f->unlogged = 0;
    }
    pthread_mutex_unlock(&said->lock);
    return n;
}

void
instance_fault(const struct il_host *h, const char *fmt, ...)
{
    struct il_text line = { 0 };
    int64_t since_us = 0;
    uint64_t n = 1;
    va_list ap;
    if (h && h->said) {
        metric_add(h->said->fault_count, 1);
        n = fault_due(h->said, fmt, &since_us);
    }
    if (!n)
        return;
    va_start(ap, fmt);
    int err = text_puts(&line, "fault of the plugin: ")
              || text_vprintf(&line, fmt, ap);
    va_end(ap);
    if (!err && n > 1)
        err =
            text_printf(&line, " (%llu times in the last %lld s)",
                        (unsigned long long) n, (long long) since_us / 1000000);
    /* A batch that is not at an instance, as in a test, has no name. */
    if (!err && h && h->api)
        h->api->log_text(h, IL_LOG_ERROR, line.data, line.len);
    else if (!err)
        log_text(IL_LOG_ERROR, "a plugin", line.data, line.len);
    text_clear(&line);
}

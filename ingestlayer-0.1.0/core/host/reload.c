/* SPDX-License-Identifier: MIT */
/* What can be read again while the daemon runs: certificates and their keys.
 * All else in a config takes a restart. */
#include "private.h"

#include "base/log.h"
#include "codec/json.h"
#include "http/tls.h"

#include <string.h>

void
host_watch(struct host *h)
{
    if (h->gate_tls)
        tls_watch(h->gate_tls);
    if (h->admin_tls)
        tls_watch(h->admin_tls);
}

struct reload {
    int taken, failed;
    struct il_text messages; /* JSON strings */
};

static void
put_message(struct il_text *out, const char *server,
            const struct tls_fault *fault)
{
    struct il_text t = { 0 };
    if (!text_puts(&t, server) && !text_puts(&t, ".tls.")
        && !text_puts(&t, fault->key) && !text_puts(&t, ": ")
        && !text_puts(&t, fault->why)) {
        if (out->len)
            text_putc(out, ',');
        json_write_str(out, t.data, t.len, 0);
    }
    text_clear(&t);
}

static void
reload_one(struct reload *r, const char *server, struct tls *tls)
{
    struct tls_fault fault;
    if (!tls)
        return;
    if (!tls_reload(tls, &fault)) {
        r->taken++;
        return;
    }
    r->failed++;
    put_message(&r->messages, server, &fault);
}

static void
reload(struct host *h, struct reload *r)
{
    reload_one(r, "http", h->gate_tls);
    reload_one(r, "admin", h->admin_tls);
}

void
host_reload(struct host *h)
{
    struct reload r = { 0 };
    reload(h, &r);
    text_clear(&r.messages);
    log_info("reload: certificates are read again; all else in the config is "
             "read at start only");
}

void
host_reload_control(void *arg, const char *line, struct slice body,
                    struct il_text *reply)
{
    struct reload r = { 0 };
    char counts[64];
    (void) line;
    (void) body;
    reload(arg, &r);
    snprintf(counts, sizeof(counts), "{\"certificates\":%d,\"failed\":%d",
             r.taken, r.failed);
    text_puts(reply, counts);
    text_puts(reply, ",\"messages\":[");
    text_put(reply, r.messages.data, r.messages.len);
    text_puts(reply, "]}\n");
    text_clear(&r.messages);
}

/* SPDX-License-Identifier: MIT */
/* What can be read again while the daemon runs: certificates and their keys.
 * All else in a config takes a restart. */
#include "private.h"

#include "base/log.h"
#include "codec/json_out.h"
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
    struct il_text messages;
    struct json_out list; /* in it */
};

static void
put_message(struct json_out *o, const char *server,
            const struct tls_fault *fault)
{
    struct il_text t = { 0 };
    if (!text_puts(&t, server) && !text_puts(&t, ".tls.")
        && !text_puts(&t, fault->key) && !text_puts(&t, ": ")
        && !text_puts(&t, fault->why))
        json_out_slice(o, NULL, slice_of(t.data, t.len));
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
    put_message(&r->list, server, &fault);
}

static void
reload(struct host *h, struct reload *r)
{
    json_out_begin(&r->list, &r->messages);
    json_out_array(&r->list, NULL);
    reload_one(r, "http", h->gate_tls);
    reload_one(r, "admin", h->admin_tls);
    json_out_end(&r->list);
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
    struct json_out o;
    (void) line;
    (void) body;
    reload(arg, &r);
    json_out_begin(&o, reply);
    json_out_object(&o, NULL);
    json_out_number(&o, "certificates", (uint64_t) r.taken);
    json_out_number(&o, "failed", (uint64_t) r.failed);
    json_out_raw(&o, "messages", slice_of(r.messages.data, r.messages.len));
    json_out_end(&o);
    text_putc(reply, '\n');
    text_clear(&r.messages);
}

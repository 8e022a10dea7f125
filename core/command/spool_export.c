/* SPDX-License-Identifier: MIT */
/* ingestlayer spool export: events as NDJSON. */
#include "private.h"
#include "spool.h"

#include "codec/event.h"
#include "codec/json.h"
#include "codec/json_out.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* What is for one lane only says so, behind the event's own members. */
static int
export_event(struct il_text *line, const struct event *e, const char *body,
             size_t len)
{
    struct event_retry retry;
    struct json_out o;
    int again = event_retry(body, len, &retry);
    json_out_begin(&o, line);
    json_out_said(&o, again < 0 ? again : 0);
    json_out_object(&o, NULL);
    event_members(&o, e);
    if (e->flags & EVENT_PUBLISHABLE) /* its id may be another's as well */
        json_out_bool(&o, "publishable", 1);
    if (again > 0) {
        json_out_object(&o, "retry");
        json_out_slice(&o, "lane", retry.lane);
        json_out_number(&o, "letter", retry.letter);
        event_decided_json(&o, "stopped", retry.decided);
        json_out_end(&o);
    }
    json_out_end(&o);
    return json_out_done(&o);
}

/* 1: it is none, which is said. */
static int
export_frame(struct spool_look *k, uint64_t position, const char *body,
             size_t len)
{
    struct event e;
    k->line.len = 0;
    int rc = event_unpack(body, len, &e);
    if (rc == 0)
        rc = export_event(&k->line, &e, body, len);
    if (rc == -ENOMEM)
        return rc;
    if (rc) {
        command_progress_clear(&k->progress);
        fprintf(stderr,
                "ingestlayer spool: position %" PRIu64
                " is whole but no event\n",
                position);
        k->damaged++;
        return 0;
    }
    if (text_putc(&k->line, '\n'))
        return -ENOMEM;
    return fwrite(k->line.data, 1, k->line.len, stdout) == k->line.len ? 0
                                                                       : -EIO;
}

static int
export_one(void *arg, const char *segment, uint64_t offset, uint64_t position,
           const char *body, size_t len, const char *damage)
{
    struct spool_look *k = arg;
    if (damage) {
        command_progress_clear(&k->progress);
        fprintf(stderr, "ingestlayer spool: %s: byte %" PRIu64 ": %s\n",
                segment, offset, damage);
        return 0;
    }
    if (position < k->from || position > k->to)
        return 0;
    int rc =
        event_is_marks(body, len) ? 0 : export_frame(k, position, body, len);
    return rc ? rc : command_spool_at(k, position);
}

int
command_spool_export(struct spool_look *k)
{
    const struct spool_part part = { .from = k->from, .to = k->to };
    command_progress_begin(&k->progress, "export", "events", 0,
                           PROGRESS_WRITES);
    int rc = spool_walk_part(k->dir, &part, export_one, k);
    command_progress_end(&k->progress);
    if ((rc >= 0 || rc == -EINTR) && fflush(stdout))
        rc = -EIO;
    text_clear(&k->line);
    if (rc == -EINTR)
        command_spool_interrupted(k, "export");
    return rc == -EINTR ? 1 : rc < 0 ? rc : rc > 0 || k->damaged > 0;
}

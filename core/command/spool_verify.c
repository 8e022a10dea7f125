/* SPDX-License-Identifier: MIT */
/* ingestlayer spool verify and inspect: all of it is read, and counted.
 *
 * A frame whose checksum is right may still hold no event, where another program
 * wrote it: that counts as damage, too.  One that is interrupted says where it was,
 * and what is read from there adds up to the same. */
#include "private.h"
#include "spool.h"

#include "codec/event.h"
#include "codec/json_out.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* --- verify ------------------------------------------------------------------ */

static void
print_line(struct spool_look *k, struct json_out *o)
{
    json_out_end(o);
    if (!json_out_done(o))
        puts(text_str(&k->line));
}

static void
begin_line(struct spool_look *k, struct json_out *o)
{
    k->line.len = 0;
    json_out_begin(o, &k->line);
    json_out_object(o, NULL);
}

static void
print_damage(struct spool_look *k, const char *segment, uint64_t offset,
             const char *what)
{
    struct json_out o;
    command_progress_clear(&k->progress);
    k->damaged++;
    if (!k->json) {
        printf("%s: byte %" PRIu64 ": %s\n", segment, offset, what);
        return;
    }
    begin_line(k, &o);
    json_out_str(&o, "segment", segment);
    json_out_number(&o, "byte", offset);
    json_out_str(&o, "damage", what);
    print_line(k, &o);
}

/* What a frame holds is an event, or marks. */
static int
is_whole(struct spool_look *k, const char *body, size_t len)
{
    struct event_marks m;
    struct event e;
    if (!event_is_marks(body, len)) {
        k->frames++;
        return event_unpack(body, len, &e) == 0;
    }
    k->marks++;
    return event_marks_unpack(body, len, &m) == 0;
}

static int
verify_one(void *arg, const char *segment, uint64_t offset, uint64_t position,
           const char *body, size_t len, const char *damage)
{
    struct spool_look *k = arg;
    char what[80];
    if (damage) {
        print_damage(k, segment, offset, damage);
        return 0;
    }
    if (position < k->from)
        return 0;
    k->bytes += len;
    if (!is_whole(k, body, len)) {
        snprintf(what, sizeof(what),
                 "position %" PRIu64 " is whole but no event", position);
        print_damage(k, segment, offset, what);
    }
    return command_spool_at(k, position);
}

static void
print_sum(struct spool_look *k, int interrupted)
{
    struct json_out o;
    if (!k->json) {
        printf("%" PRIu64 " events, ", k->frames);
        if (k->marks)
            printf("%" PRIu64 " with marks of sources, ", k->marks);
        printf("%" PRIu64 " bytes, %" PRIu64 " damaged\n", k->bytes,
               k->damaged);
        return;
    }
    begin_line(k, &o);
    json_out_number(&o, "events", k->frames);
    json_out_number(&o, "marks", k->marks);
    json_out_number(&o, "bytes", k->bytes);
    json_out_number(&o, "damaged", k->damaged);
    if (interrupted)
        json_out_number(&o, "interrupted_at", k->at);
    print_line(k, &o);
}

int
command_spool_verify(struct spool_look *k)
{
    const struct spool_part part = { .from = k->from,
                                     .to = UINT64_MAX,
                                     .alone = 1 };
    command_progress_begin(&k->progress, "verify", "events", 0, 0);
    int rc = spool_walk_part(k->dir, &part, verify_one, k);
    command_progress_end(&k->progress);
    if (rc >= 0 || rc == -EINTR)
        print_sum(k, rc == -EINTR);
    if (rc == -EINTR)
        command_spool_interrupted(k, "verify");
    text_clear(&k->line);
    return rc < 0 && rc != -EINTR ? rc : rc || k->damaged;
}

/* --- inspect ----------------------------------------------------------------- */

static void
print_segment(struct spool_look *k, int interrupted)
{
    struct json_out o;
    const int some = k->frames || k->marks;
    command_progress_clear(&k->progress);
    if (!k->segment[0])
        return;
    if (k->json) {
        begin_line(k, &o);
        json_out_str(&o, "segment", k->segment);
        if (some) {
            json_out_number(&o, "first", k->first);
            json_out_number(&o, "last", k->last);
        }
        json_out_number(&o, "events", k->frames);
        json_out_number(&o, "bytes", k->bytes);
        json_out_number(&o, "damaged", k->damaged);
        if (interrupted)
            json_out_number(&o, "interrupted_at", k->at);
        print_line(k, &o);
        return;
    }
    printf("%s  ", k->segment);
    if (some)
        printf("%12" PRIu64 " %12" PRIu64, k->first, k->last);
    else
        printf("%12s %12s", "-", "-");
    printf(" %10" PRIu64 " %12" PRIu64 " %8" PRIu64 "\n", k->frames, k->bytes,
           k->damaged);
}

static int
inspect_one(void *arg, const char *segment, uint64_t offset, uint64_t position,
            const char *body, size_t len, const char *damage)
{
    struct spool_look *k = arg;
    (void) offset;
    if (strcmp(k->segment, segment) != 0) {
        print_segment(k, 0);
        snprintf(k->segment, sizeof k->segment, "%s", segment);
        k->frames = k->bytes = k->marks = k->damaged = 0;
    }
    if (damage) {
        k->damaged++;
        return 0;
    }
    if (position < k->from) {
        k->damaged = 0; /* it lies before that, too */
        return 0;
    }
    if (k->frames + k->marks == 0)
        k->first = position;
    if (event_is_marks(body, len))
        k->marks++;
    else
        k->frames++;
    k->last = position;
    k->bytes += len;
    return command_spool_at(k, position);
}

int
command_spool_inspect(struct spool_look *k)
{
    if (!k->json)
        printf("%-24s  %12s %12s %10s %12s %8s\n", "segment", "first", "last",
               "events", "bytes", "damaged");
    command_progress_begin(&k->progress, "inspect", "events", 0, 0);
    const struct spool_part part = { .from = k->from,
                                     .to = UINT64_MAX,
                                     .alone = 1 };
    int rc = spool_walk_part(k->dir, &part, inspect_one, k);
    print_segment(k, rc == -EINTR);
    command_progress_end(&k->progress);
    text_clear(&k->line);
    if (rc != -EINTR)
        return rc < 0 ? rc : 0;
    command_spool_interrupted(k, "inspect");
    return 1;
}

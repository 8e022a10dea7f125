/* SPDX-License-Identifier: MIT */
/* What a lane costs by itself: W1 from the spool through a filter (and through
 * an enrichment) to a destination that settles at once.
 *
 *   bench-lane [-n EVENTS] [-r ROUNDS] [-u USERS [-s]] [-e ENTITIES] [-t] [-m]
 *
 * Prints core-seconds per million events.  -s: nine events in ten come from a
 * hundredth of the users.  -e: a store of bench-entity's that knows them.  -t:
 * each run is followed by one at which somebody looks (lane/tap.h).  -m: instead of
 * all that a step that remembers two cells of each event, and how long it was
 * from one batch of 1,000 to the next: checkpoints make the longest. */
#include "scratch.h"
#include "w1.h"
#include "base/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "cells/cells.h"
#include "codec/json.h"
#include "lane/lane.h"
#include "lane/tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 20000

static struct il_expr *where;
static struct il_field *user_id;
static struct il_kind *user;

static void
must(int err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "bench-lane: %s: %s\n", what, strerror(abs(err)));
    exit(1);
}

/* As filter.match and enrich.entity do it. */
static int
filter_process(void *self, struct il_batch *b)
{
    (void) self;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].state == BATCH_LIVE
            && !expr_true(where, &b->events[i]))
            batch_drop(b, i);
    return 0;
}

#define AHEAD 16

static struct slice
enrich_look(struct il_batch *b, uint32_t i)
{
    struct il_value id;
    if (b->events[i].state != BATCH_LIVE
        || !ref_get(user_id, &b->events[i], &id) || id.type != IL_STRING)
        return slice_of(NULL, 0);
    entity_reader_hint(b->reader, user, slice_of(id.str, id.len));
    return slice_of(id.str, id.len);
}

static int
enrich_process(void *self, struct il_batch *b)
{
    struct slice ids[AHEAD];
    uint32_t next = 0;
    int err = 0;
    (void) self;
    for (uint32_t i = 0; i < b->count && err >= 0; i++) {
        struct entity e;
        for (; next < b->count && next - i < AHEAD; next++)
            ids[next % AHEAD] = enrich_look(b, next);
        if (!ids[i % AHEAD].ptr)
            continue;
        err = entity_reader_get(b->reader, user, ids[i % AHEAD], &e);
        if (err == 1)
            err = batch_attach(b, i, user, &e.traits);
    }
    return err < 0 ? err : 0;
}

/* As dedupe and count do it: a cell of the event, one of the user. */
static struct il_memory memory = { .step = "1", .lineage = 1 };

static int
remember_process(void *self, struct il_batch *b)
{
    struct il_remembered seen;
    int err = 0;
    (void) self;
    for (uint32_t i = 0; i < b->count && err >= 0; i++) {
        const struct batch_event *e = &b->events[i];
        const int64_t now_us = batch_stream_us(b, i);
        const struct slice id = e->ev.id;
        struct il_value v;
        uint64_t count = 0;
        err = cells_get(&memory, id.ptr, id.len, now_us, &seen);
        if (!err)
            err = cells_put(&memory, id.ptr, id.len, e->position, &now_us, 8,
                            now_us + 86400000000);
        if (err < 0 || !ref_get(user_id, e, &v))
            continue;
        err = cells_get(&memory, v.str, v.len, now_us, &seen);
        if (err == 1)
            memcpy(&count, seen.value, sizeof count);
        count++;
        if (err >= 0)
            err = cells_put(&memory, v.str, v.len, e->position, &count,
                            sizeof count, 0);
    }
    return err < 0 ? err : 0;
}

/* --- how long the lane does something else --- */

#define GAPS_MAX 100000
static double gaps[2][GAPS_MAX]; /* ms, on the wall and of CPU */
static size_t gap_count;
static double gap_from[2];

static void
gap_note(void)
{
    static const clockid_t clocks[] = { CLOCK_MONOTONIC,
                                        CLOCK_THREAD_CPUTIME_ID };
    const int first = !gap_from[0];
    for (int i = 0; i < 2; i++) {
        struct timespec t;
        clock_gettime(clocks[i], &t);
        double ms = (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
        if (!first && gap_count < GAPS_MAX)
            gaps[i][gap_count] = ms - gap_from[i];
        gap_from[i] = ms;
    }
    gap_count += !first && gap_count < GAPS_MAX;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static void
gaps_tell(void)
{
    static const char *const of[] = { "on the wall", "of CPU" };
    for (int i = 0; i < 2; i++) {
        const double *g = gaps[i];
        qsort(gaps[i], gap_count, sizeof *g, by_size);
        printf("%-24s between batches, ms %-11s  median %6.2f  1 in 100 %6.2f  "
               "longest %6.2f %6.2f %6.2f\n",
               "", of[i], g[gap_count / 2], g[gap_count * 99 / 100],
               g[gap_count - 3], g[gap_count - 2], g[gap_count - 1]);
    }
}

static int
null_write(void *self, struct il_batch *b, struct il_ack *ack)
{
    *(uint64_t *) self += b->live;
    gap_note();
    lane_settle(ack, IL_OK, NULL);
    return 0;
}

static const struct il_plugin filter = { IL_PLUGIN_ABI, .kind = IL_STEP,
                                         .name = "filter",
                                         .process = filter_process };
static const struct il_plugin enrich = { IL_PLUGIN_ABI, .kind = IL_STEP,
                                         .name = "enrich",
                                         .process = enrich_process };
static const struct il_plugin remember = { IL_PLUGIN_ABI, .kind = IL_STEP,
                                           .name = "remember",
                                           .process = remember_process };
static const struct il_plugin null = { IL_PLUGIN_ABI, .kind = IL_DESTINATION,
                                       .name = "null", .write = null_write };

static double
cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec)
           + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
fill_spool(struct spool *spool, uint64_t events)
{
    struct il_text payload = { 0 }, body = { 0 };
    char json[W1_TEXT_MAX];
    uint64_t first = 0;
    for (uint64_t i = 0; i < events; i++) {
        struct json_error error;
        struct w1 w;
        w1_make(&w, i);
        payload.len = body.len = 0;
        must(json_to_msgpack(json, w1_payload(json, &w), &payload, &error),
             "json");
        struct event ev = { .id = slice_of(w.id, strlen(w.id)),
                            .type = SLICE("feature.used"),
                            .source_id = SLICE("app"),
                            .received_us = w.time_us,
                            .timestamp_us = w.time_us,
                            .payload = slice_of(payload.data, payload.len) };
        must(event_pack(&body, &ev), "event");
        struct slice s = slice_of(body.data, body.len);
        must(spool_append(spool, &s, 1, &first), "spool");
    }
    while (spool_durable(spool) < first)
        usleep(1000);
    text_clear(&payload);
    text_clear(&body);
}

static void
fill_entities(struct entities *entities)
{
    static struct entity_put puts[CHUNK];
    static char ids[CHUNK][16];
    struct il_text traits = { 0 };
    struct json_error error;
    static const char json[] =
        "{\"account\":\"acc_01234\",\"owner\":\"grace\",\"plan\":\"pro\"}";
    size_t bad;
    must(json_to_msgpack(json, sizeof json - 1, &traits, &error), "json");
    for (uint32_t i = 0; i < w1_users;) {
        uint32_t k = 0;
        for (; k < CHUNK && i < w1_users; k++, i++) {
            snprintf(ids[k], sizeof ids[k], "u_%06u", i);
            puts[k] = (struct entity_put){
                .kind = SLICE("user"),
                .id = slice_of(ids[k], strlen(ids[k])),
                .traits = slice_of(traits.data, traits.len),
                .seen_us = 1,
            };
        }
        must(entity_put(entities, puts, k, &bad), "entities");
    }
    text_clear(&traits);
}

/* Somebody looks at what goes to the destination. */
static struct looking {
    struct lane_tap *tap;
    pthread_t thread;
    atomic_int over;
    uint64_t seen, skipped;
} looking;

static int
see(void *arg, const struct lane_tapped *seen)
{
    (void) seen;
    ++*(uint64_t *) arg;
    return 0;
}

static void *
look(void *arg)
{
    uint64_t skipped;
    (void) arg;
    while (!atomic_load(&looking.over)) {
        lane_tap_read(looking.tap, 20, see, &looking.seen, &skipped);
        looking.skipped += skipped;
    }
    return NULL;
}

static void
begin_looking(struct lane *lane)
{
    const struct lane_tap_spec spec = { .per_s = 1000 };
    looking = (struct looking){ .tap = NULL };
    must(lane_tap_new(&spec, &looking.tap), "tap");
    must(lane_tap_attach(looking.tap, lane), "tap");
    must(pthread_create(&looking.thread, NULL, look, NULL), "thread");
}

static void
end_looking(void)
{
    atomic_store(&looking.over, 1);
    pthread_join(looking.thread, NULL);
    lane_tap_free(looking.tap);
    printf("%-24s %9llu shown, %llu not looked at\n", "",
           (unsigned long long) looking.seen,
           (unsigned long long) looking.skipped);
}

/* One that is empty. */
static const char *
memory_dir(const struct lane_context *ctx)
{
    static char path[300];
    static int made;
    snprintf(path, sizeof path, "%s/memory%d", ctx->state_dir, made++);
    must(mkdir(path, 0700), path);
    return path;
}

static void
run(const char *name, const struct lane_context *ctx,
    const struct lane_step *steps, size_t n, uint64_t events, int looks)
{
    uint64_t delivered = 0;
    struct lane_match all = { .source = SLICE("app"),
                              .type = SLICE("feature.*") };
    struct lane_spec spec = { .name = name,
                              .instance = name,
                              .matches = &all,
                              .match_count = 1,
                              .steps = steps,
                              .step_count = n,
                              .destination = &null,
                              .self = &delivered };
    struct lane *lane;
    struct il_memory *const memories[] = { &memory };
    if (steps->plugin == &remember) {
        spec.remembers = 1;
        spec.batch_events = 1000;
        gap_count = 0;
        gap_from[0] = 0;
    }
    must(lane_new(&spec, ctx, &lane), "lane");
    if (spec.remembers)
        must(lane_remembers(lane, memory_dir(ctx), memories, 1), "memory");
    if (looks)
        begin_looking(lane);
    double cpu = cpu_seconds();
    int64_t begin = clock_monotonic_us();
    must(lane_start(lane), "lane");
    if (lane_stop(lane, begin + 600000000) != 1)
        must(1, "not all was delivered");
    double wall = (double) (clock_monotonic_us() - begin) / 1e6;
    cpu = cpu_seconds() - cpu;
    printf("%-24s %9llu of %llu events  %6.3f core-seconds per million  "
           "%9.0f events/s\n",
           name, (unsigned long long) delivered, (unsigned long long) events,
           cpu * 1e6 / (double) events, (double) events / wall);
    if (looks)
        end_looking();
    if (spec.remembers)
        gaps_tell();
    lane_free(lane);
}

static void
open_stores(struct lane_context *ctx, const char *dir, const char *entities)
{
    char path[3][300];
    struct spool_recovery found;
    static const char *const part[] = { "spool", "dead", "entities" };
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", dir, part[i]);
    struct spool_options o = { .dir = path[0],
                               .segment_bytes = 64 << 20,
                               .buffer_bytes = 8 << 20,
                               .retain_us = INT64_MAX / 4 };
    ctx->state_dir = dir;
    must(spool_open(&o, &ctx->spool, &found), "spool");
    must(dead_open(path[1], 0, &ctx->dead), "dead");
    /* callgrind cannot map what is the default */
    must(entity_open(entities ? entities : path[2],
                     entities ? 0 : UINT64_C(1) << 30, &ctx->entities),
         "entities");
    if (!entities)
        fill_entities(ctx->entities);
}

static void
compile(void)
{
    static const char keep[] = "feature in {export, *.export, api, api.*, "
                               "webhook, webhook.*}";
    struct lang_error error;
    must(expr_compile(keep, sizeof keep - 1, &where, &error), "expression");
    must(ref_parse("$event.payload.user_id", 22, REF_ROOTED, &user_id, &error),
         "reference");
    user = batch_kind("user", 4);
}

static int looked_at, remembered;

static void
round_of(int number, const struct lane_context *ctx, uint64_t events)
{
    static const char *const what[] = { "nothing", "filter", "enrich",
                                        "filter+enrich" };
    struct lane_step steps[] = { { "1", &filter, NULL, "the filter", NULL },
                                 { "2", &enrich, NULL, "the enrichment",
                                   NULL } };
    const size_t first[] = { 0, 0, 1, 0 }, n[] = { 0, 1, 1, 2 };
    if (remembered) {
        const struct lane_step step = { "1", &remember, NULL, "the memory",
                                        NULL };
        char name[40];
        snprintf(name, sizeof name, "remember/%d", number);
        run(name, ctx, &step, 1, events, 0);
        return;
    }
    for (int looks = 0; looks <= looked_at; looks++)
        for (int k = 0; k < 4; k++) {
            char name[40];
            snprintf(name, sizeof name, "%s/%d%s", what[k], number,
                     looks ? "-tap" : "");
            run(name, ctx, steps + first[k], n[k], events, looks);
        }
}

int
main(int argc, char **argv)
{
    uint64_t events = 1000000;
    int rounds = 3, o;
    const char *entities = NULL;
    struct lane_context ctx = { 0 };
    while ((o = getopt(argc, argv, "n:r:u:se:tm")) > 0) {
        switch (o) {
        case 'n': events = strtoull(optarg, NULL, 10); break;
        case 'r': rounds = atoi(optarg); break;
        case 'u': w1_users = (uint32_t) atoi(optarg); break;
        case 's': w1_skewed = 1; break;
        case 't':
            looked_at = 1;
            break;
        case 'm':
            remembered = 1;
            break;
        case 'e': entities = optarg; break;
        default: return 2;
        }
    }
    log_level_set(IL_LOG_WARN);
    open_stores(&ctx, scratch_dir(), entities);
    compile();
    fill_spool(ctx.spool, events);
    for (int i = 1; i <= rounds; i++)
        round_of(i, &ctx, events);
    entity_close(ctx.entities);
    dead_close(ctx.dead);
    spool_close(ctx.spool);
    expr_free(where);
    ref_free(user_id);
    return 0;
}

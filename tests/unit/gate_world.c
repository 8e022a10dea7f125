/* SPDX-License-Identifier: MIT */
#include "gate_world.h"

#include "base/clock.h"
#include "base/log.h"
#include "tempdir.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world world;
const char *world_fault;
static uint64_t tokens;

static char *
path_of(const char *name)
{
    static char path[4][512];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", world.dir, name);
    return path[i];
}

static void
settled(void *self, uint64_t token, int outcome)
{
    (void) self;
    pthread_mutex_lock(&world.lock);
    ck_assert_uint_lt(world.heard, WORLD_HEARD);
    world.tokens[world.heard] = token;
    world.outcomes[world.heard++] = outcome;
    pthread_mutex_unlock(&world.lock);
}

static void
room(void *self)
{
    (void) self;
    pthread_mutex_lock(&world.lock);
    world.rooms++;
    pthread_mutex_unlock(&world.lock);
}

void
world_open(void)
{
    struct spool_recovery found;
    struct spool_options so = { .dir = path_of("spool"),
                                .segment_bytes = world.segment_bytes,
                                .retain_us = -1 };
    struct idem_options io = { .dir = path_of("idem"),
                               .window_us = INT64_C(86400000000) };
    ck_assert_int_eq(spool_open(&so, &world.spool, &found), 0);
    ck_assert_int_eq(gate_marks_open(so.dir, world.spool, &world.marks), 0);
    ck_assert_int_eq(idem_open(&io, world.spool, &world.idem), 0);
    ck_assert_int_eq(dead_open(path_of("dead"), 0, &world.dead), 0);
    struct gate_options go = { .spool = world.spool,
                               .idem = world.idem,
                               .dead = world.dead,
                               .marks = world.marks };
    ck_assert_int_eq(gate_new(&go, &world.gate), 0);
    ck_assert_int_eq(gate_source_new(world.gate, "pull", 0, settled, NULL,
                                     &world.pull),
                     0);
    gate_source_room(world.pull, room);
    ck_assert_int_eq(gate_start(world.gate), 0);
    tokens = world.heard = world.rooms = 0;
}

void
world_close(void)
{
    gate_source_close(world.pull, clock_monotonic_us() + 20000000);
    gate_stop(world.gate);
    idem_close(world.idem);
    gate_marks_checkpoint(world.marks, 1);
    gate_marks_close(world.marks);
    spool_close(world.spool);
    gate_free(world.gate);
    dead_close(world.dead);
}

void
world_setup(void)
{
    log_level_set(IL_LOG_ERROR);
    world = (struct world){ .dir = tempdir_make() };
    pthread_mutex_init(&world.lock, NULL);
    world_open();
}

void
world_teardown(void)
{
    world_close();
    tempdir_remove(world.dir);
}

int
world_offer(struct il_emission *e)
{
    e->struct_size = sizeof(*e);
    e->event_size = sizeof(struct il_event);
    e->mark_size = sizeof(struct il_mark);
    e->token = ++tokens;
    world_fault = NULL;
    return gate_emit(world.pull, e, &world_fault);
}

int
world_emit(const struct il_event *events, size_t n,
           const struct il_mark *marks, size_t mark_count)
{
    struct il_emission e = { .events = events,
                             .count = n,
                             .marks = marks,
                             .mark_count = mark_count };
    return world_offer(&e);
}

static uint32_t
wait_for(const uint32_t *count, uint32_t n)
{
    uint32_t now = 0;
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&world.lock);
        now = *count;
        pthread_mutex_unlock(&world.lock);
        if (now >= n)
            break;
        usleep(1000);
    }
    return now;
}

uint32_t
world_heard(uint32_t n)
{
    return wait_for(&world.heard, n);
}

uint32_t
world_rooms(uint32_t n)
{
    return wait_for(&world.rooms, n);
}

int
world_outcome(uint64_t token)
{
    int outcome = -1;
    pthread_mutex_lock(&world.lock);
    for (uint32_t i = 0; i < world.heard; i++)
        if (world.tokens[i] == token)
            outcome = world.outcomes[i];
    pthread_mutex_unlock(&world.lock);
    return outcome;
}

struct il_event
world_event(const char *type, const char *payload)
{
    return (struct il_event){ .struct_size = sizeof(struct il_event),
                              .encoding = IL_JSON,
                              .type = type,
                              .type_len = strlen(type),
                              .payload = payload,
                              .payload_len = strlen(payload) };
}

struct il_mark
world_mark(const char *name, const char *value)
{
    return (struct il_mark){ .struct_size = sizeof(struct il_mark),
                             .name = name,
                             .name_len = strlen(name),
                             .value = value,
                             .value_len = value ? strlen(value) : 0 };
}

const char *
world_marked(const char *name)
{
    static struct il_text value;
    int found = gate_marks_get(world.marks, SLICE("pull"),
                               slice_of(name, strlen(name)), &value);
    ck_assert_int_ge(found, 0);
    return found ? text_str(&value) : NULL;
}

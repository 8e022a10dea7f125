/* SPDX-License-Identifier: MIT */
/* How the test host works: the daemon's own code for options, references,
 * expressions and events, and stand-ins for the stores and servers around it.
 *
 *   testhost.c   the plugin's life
 *   around.c     what surrounds it: clock, timers, numbers, log, files
 *   batches.c    events, and batches of them; process()
 *   delivery.c   write(), settling, dead letters
 *   entities.c   what is known of users, accounts, ...; mirrors.c  as somebody
 *                else's table has it
 *   memory.c     what a step remembers
 *   emission.c   what a source emits, its marks
 *   sources.c    requests to a source
 *   checks.c     functions of the table for batches, which look whether they may
 *                be called
 *   objects.c    functions that make things, which can be told to fail, and
 *                notice what is not given back
 *   verify.c     all of that, for a plugin that nobody has written a test for
 *
 * There are two tables: `plain` is what the daemon has without its stores, and
 * what the plugin is handed stands before it, looks, and passes on.
 *
 * One thread drives a test host, and the plugin calls it from any; `lock`
 * protects what both touch.  It is never held in a plugin. */
#ifndef TESTHOST_PRIVATE_H
#define TESTHOST_PRIVATE_H

#include "testhost.h"
#include "codec/batch.h"
#include "plugin/instance.h"

#include <pthread.h>
#include <stdatomic.h>

struct known_entity {
    struct known_entity *next;
    char *kind, *id;
    struct il_text traits; /* msgpack */
    struct il_text owners; /* of each; empty: nobody in particular */
    int64_t first_seen_us, last_seen_us;
};

/* One event that was emitted. */
struct emitted {
    struct emitted *next;
    char *json, *key, *id; /* key: NULL where it has none of its own */
    int gone;              /* settled IL_RETRY, or lost: it never was */
};

struct mark {
    struct mark *next;
    char *name;
    struct il_text value;
    int forget; /* of an emission: the mark is to go */
    int64_t written_us;
};

/* One il_emit() that was taken and is not settled. */
struct emission {
    struct emission *next;
    uint64_t token;
    struct emitted *first;
    size_t count;
    struct mark *marks;
};

/* When a batch may be edited, and by whom. */
enum phase {
    PHASE_NONE, /* not the plugin's */
    PHASE_STEP,
    PHASE_DESTINATION
};

/* A batch on its way.  lane of the batch points here. */
struct flight {
    struct flight *next;
    struct testhost *t;
    struct il_batch *batch;
    struct il_ack *ack; /* of the last attempt; NULL: none yet */
    int number;         /* of testhost_write_async() */
    _Atomic int phase;
    int settled, outcome, passed;
    char why[512];
};

/* One attempt.  Kept until the end, so that late calls are noticed. */
struct il_ack {
    const struct il_api *api; /* first, as in every object of the host */
    struct il_ack *next;
    struct flight *flight;
    int settled, refused; /* refused: write() did not take it */
    int dead;             /* of a process that was killed */
};

struct letter {
    uint64_t position;
    char code[32];
};

struct held_off {
    struct held_off *next;
    int64_t until_us;
    char target[]; /* "": all */
};

struct first_place {
    struct first_place *next;
    uint64_t position, origin;
};

struct remembered; /* memory.c */

struct test_timer {
    struct test_timer *next;
    void (*fn)(void *arg);
    void *arg;
    int64_t interval_us; /* 0: once */
    int64_t due_us;      /* monotonic; before start: counted from there */
};

enum life { LIFE_NONE, LIFE_OPENING, LIFE_OPEN, LIFE_STARTED, LIFE_STOPPING };

#define THREADS_MAX 256

struct thread_set {
    long ids[THREADS_MAX];
    size_t count;
};

struct testhost {
    struct il_host host; /* first: what the plugin holds leads back to us */
    struct conf *conf;
    struct loader *loader;
    char *dir, *lane, *findings;
    struct schema *schema;
    _Atomic int life; /* enum life */
    _Atomic int dead; /* killed: nothing reaches the host any more */
    _Atomic int cancelled;
    _Atomic int emitting;     /* calls of il_emit() under way */
    _Atomic uint64_t fail_in; /* allocations until one fails; 0: none does */
    _Atomic int failed;
    struct thread_set before; /* threads as it was opened */
    int threads_left;         /* the plugin stays mapped for their sake */

    struct flight *current; /* what testhost_event() adds to */
    struct flight *away;    /* of testhost_write_async() */
    struct flight *gone;    /* replaced by one that was taken back */
    int flight_count;
    struct arena_block *frames;
    size_t frame_bytes;
    uint64_t next_position;
    uint8_t spool[16];
    uint32_t set_backs;
    struct first_place *first_places;
    struct batch_again *again; /* of the next event; in `frames` */
    uint64_t *waiting;         /* orders */
    size_t waiting_count;
    struct il_deferral deferral; /* as shown last */

    /* What the step remembers, and (memory_kept) as it was before the batch at
     * hand, where that was processed. */
    struct il_memory *memory;
    struct remembered *memory_before;
    int memory_made, memory_kept;
    struct batch_stream stream; /* before the batch at hand */

    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t changed;
    int prepared, prepare_error, emit_result, entity_error;
    int wants_room;
    int64_t clock_us, ahead_us; /* clock_us 0: the real one */
    struct il_text log, violations, status_text;
    struct held_off *held;
    char paused[200], paused_shown[200];
    struct il_ack *acks;
    struct test_timer *timers;
    struct known_entity *entities;
    struct il_mirror *mirrors;
    struct emitted *emitted;
    struct emission *pending;
    struct mark *marks;     /* in the order of their names */
    struct letter *letters; /* in order */
    size_t letter_count;
    char *state_dir;
    int state_dir_stays;

    struct il_text answer, answer_headers, ingested;
    int status, has_ingested, refused;
    char *sender;

    struct il_text shown[11]; /* what the accessors return */
};

enum {
    SHOW_PAYLOAD,
    SHOW_ATTACHED,
    SHOW_ENTITY,
    SHOW_DDL,
    SHOW_PROBE,
    SHOW_LOG,
    SHOW_LETTERS,
    SHOW_VIOLATIONS,
    SHOW_STATUS,
    SHOW_MARK,
    SHOW_RENDER
};

static inline struct testhost *
testhost_of(const struct il_host *h)
{
    return (struct testhost *) (uintptr_t) h;
}

/* What the daemon has; the plugin's table. */
extern struct il_api testhost_plain;
const struct il_api *testhost_table(void);
/* The parts of the function table. */
void testhost_fill_around(struct il_api *);
void testhost_fill_delivery(struct il_api *);
void testhost_fill_entities(struct il_api *);
void testhost_fill_mirrors(struct il_api *);
void testhost_fill_memory(struct il_api *);
void testhost_fill_emission(struct il_api *);
void testhost_fill_sources(struct il_api *);
void testhost_fill_checks(struct il_api *);
void testhost_fill_objects(struct il_api *);

/* Note what no plugin may do, each once; the callback that the thread is in is
 * put before it.  Any thread, without the lock. */
void testhost_violate(struct testhost *, const char *fmt, ...) IL_PRINTF(2, 3);
/* An allocation is asked for: is it to fail?  t may be NULL. */
int testhost_alloc_fails(struct testhost *);
/* What the plugin holds of what was made for it. */
void testhost_objects_left(struct testhost *);

/* A value as JSON in one of t->shown. */
const char *testhost_show(struct testhost *, int slot, const struct il_value *);
/* Pack a JSON event as a frame.  0 or -EINVAL. */
int testhost_pack(struct testhost *, const char *json, struct il_text *body);
struct flight *testhost_flight_new(struct testhost *);
void testhost_flight_free(struct flight *); /* or NULL */
/* A step is the second of its lane: something is before it and after it. */
#define TESTHOST_STEP 2
/* The plugin gets the batch, or (PHASE_NONE) has it no longer. */
void testhost_flight_enter(struct flight *, int phase);
/* Nothing of it that is not settled will ever be: neither batches nor
 * emissions. */
void testhost_lose_batches(struct testhost *);
/* stop() has returned: what has not come back by now never does. */
void testhost_unsettled(struct testhost *);
void testhost_lose_emissions(struct testhost *);
/* The batch at hand is processed, perhaps again: it finds what was there before.
 * 0 or -ENOMEM. */
int testhost_memory_begin(struct testhost *);
/* It is not processed again: what was remembered of it stays. */
void testhost_memory_settle(struct testhost *);
/* Merge traits (msgpack) into an entity, seen then, with the lock held. */
int testhost_merge(struct testhost *, const char *kind, const char *id,
                   size_t len, struct slice traits, int64_t seen_us);
/* A batch has been through process(): what it tells of entities.  0 or -ENOMEM,
 * -EMSGSIZE. */
int testhost_told(struct testhost *, struct il_batch *);
struct testhost *testhost_of_request(const struct il_request *);
/* Answer a request as the gate does that takes all of it. */
void testhost_accept(struct il_request *);
/* With the lock held. */
int64_t testhost_now_us(const struct testhost *);
int64_t testhost_monotonic_us(const struct testhost *);

void testhost_threads(struct thread_set *);
void testhost_free_around(struct testhost *);
void testhost_free_batches(struct testhost *);
void testhost_free_entities(struct testhost *);
void testhost_free_mirrors(struct testhost *);

/* Between entities.c and mirrors.c, with the lock held.  What is stored of one
 * follows the times in the store's values: see entity_merge_owned(). */
struct entity;
struct known_entity *testhost_known(struct testhost *, const char *kind,
                                    const char *id, size_t len);
void testhost_known_view(const struct known_entity *, struct entity *out);
int testhost_known_same(const struct known_entity *, struct slice stored);
int testhost_known_put(struct testhost *, const char *kind, const char *id,
                       size_t len, struct slice stored);
void testhost_known_remove(struct testhost *, struct known_entity *);
void testhost_free_memory(struct testhost *);
void testhost_free_emission(struct testhost *);
void testhost_free_sources(struct testhost *);

#endif

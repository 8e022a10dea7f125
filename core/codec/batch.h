/* SPDX-License-Identifier: MIT */
/* A batch: events that a lane has read, in spool order, with what steps have
 * added.  Owned by one lane; touched by one thread at a time (the lane's, or
 * the destination's between write() and settle). */
#ifndef BATCH_H
#define BATCH_H

#include "event.h"

/* Kinds are interned for the life of the process: equal names, same pointer.
 * Any thread.  NULL on lack of memory.  For names that an operator chose,
 * never for names from outside: they are not given back. */
struct il_kind {
    const char *name;
    size_t len;
};
struct il_kind *batch_kind(const char *name, size_t len);

/* One attached entity of an event, in the order of attaching. */
struct entity_link {
    const struct il_kind *kind;
    struct il_value traits; /* IL_MAP, its length exact */
    struct entity_link *next;
};

/* What a step tells of an entity, for an event; in the order in which it is
 * told. */
struct batch_upsert {
    struct batch_upsert *next;
    const struct il_kind *kind;
    struct slice id, traits; /* msgpack: a map */
    uint64_t position;
    int64_t seen_us; /* when the event came in */
    uint16_t stop;   /* of the step */
    uint8_t again;   /* the event comes again */
};

/* An event that a step has made, at one that it was given; in the order in which
 * they come into being. */
struct batch_derived {
    struct batch_derived *next;
    struct slice name; /* tells it from others of the step */
    struct slice type, timestamp, payload; /* timestamp.len 0: none; msgpack */
    uint64_t position; /* of the event */
    uint16_t stop;     /* of the step */
    uint8_t again;     /* the event comes again */
};
#define BATCH_DERIVED_MAX 100 /* of a step at an event */
#define BATCH_DERIVED_BYTES (16u << 10) /* of a payload */
#define BATCH_DERIVED_NAME 1024u

/* Of an event that comes again. */
struct batch_again {
    uint32_t attempts; /* that failed and counted */
    uint32_t turn;     /* how often it was parked */
    uint32_t replayed; /* by `ingestlayer replay` */
    int64_t first_us, since_us;
    const char *code, *message;
    const char *decided; /* the step where it stopped; NULL: at none */
    struct event_origin origin;
    uint64_t order; /* 0: it is in no chain */
    /* So many stops had it passed, steps and `when` among them, and BATCH_ALL all
     * of them: what was decided there stays.  0: it is decided anew. */
    uint32_t passed;
    uint32_t at; /* it goes on at this step's stop; 0: elsewhere */
    struct entity_link *results; /* of steps that it had passed: they hold */
};
#define BATCH_ALL UINT32_MAX

/* Of an event that is to come again; see struct il_deferral. */
struct batch_deferral {
    uint32_t flags;
    int64_t since_us, delay_us;
    const struct il_reason *why;
    const char *target; /* NULL: none is named */
    uint64_t order;     /* hash; 0: none */
};

enum batch_state {
    BATCH_LIVE,
    BATCH_DROPPED,   /* by a step, on purpose */
    BATCH_ELSEWHERE, /* `when` says: not for this destination */
    BATCH_REFUSED,   /* a step's dead letter: for good */
    BATCH_REJECTED,  /* the destination's: it may take the mark back */
    BATCH_DONE,      /* the destination has it, whatever the batch comes to */
    BATCH_DEFERRED,  /* it comes again alone, likewise */
    BATCH_TICK       /* nobody's: it says that time has passed */
};

/* Who has the batch: what plugins may do with it. */
enum batch_phase {
    BATCH_NOBODY,        /* no plugin */
    BATCH_IN_STEP,       /* process(): edited, by its thread */
    BATCH_AT_DESTINATION /* from write() until it is settled: marked */
};

struct batch_event {
    struct event ev; /* payload may point into the arena after a mutation */
    uint64_t position;
    uint8_t state;
    uint8_t kept;      /* the destination's: settled by an earlier attempt */
    uint16_t stop;     /* of what a step ended: which; see il_batch.step */
    uint32_t body_len; /* the frame as accepted, for dead letters */
    uint32_t room;     /* of a payload that was edited: what its memory holds */
    const char *body;
    struct entity_link *entities;
    const struct il_reason *reason; /* in the arena; why it is no row */
    const struct batch_again *again; /* NULL: it comes for the first time */
    const struct batch_deferral *deferral; /* BATCH_DEFERRED */
};

/* The time of a stream of events: see il_stream_us(). */
struct batch_stream {
    int64_t us;      /* 0: nothing has come */
    uint32_t behind; /* so many in a row were more than a minute behind it */
    uint32_t jumped; /* it went ahead by more than an hour at once */
};

struct arena_block;

struct il_batch {
    const struct il_api *api;
    struct batch_event *events;
    uint32_t count, capacity;
    uint32_t live;          /* in state BATCH_LIVE */
    uint32_t dropped;       /* in state BATCH_DROPPED */
    uint32_t letters;       /* refused and rejected ones */
    uint32_t kept;          /* of all these, those that are kept */
    uint32_t done, deferred;
    uint32_t ticks;
    uint32_t agains;        /* that a frame brings again */
    uint32_t sealed;        /* steps are done; see batch_seal() */
    uint64_t id;            /* position of the first event */
    uint64_t last;          /* position once settled; covers skipped frames */
    struct il_text frames;  /* the bytes that events point into */
    struct il_text scratch; /* while a payload is replaced */
    struct arena_block *arena;
    struct arena_block *mark; /* of batch_seal() */
    size_t mark_used;
    size_t bytes; /* held by the arena */
    struct batch_upsert *upserts, **upserts_end; /* of steps */
    int upserts_put;                             /* they are in the store */
    struct batch_derived *derived, **derived_end; /* of steps */
    struct batch_derived *derived_last;
    uint32_t derived_count; /* of the step and event of the last */
    int derived_asked; /* they are on their way to the gate, or durable */
    /* What was said of single events, which no rewind undoes. */
    struct arena_block *said;
    size_t said_bytes;
    /* Before the first event, and after so many of them. */
    struct batch_stream stream_before, stream;
    uint32_t streamed;
    void *lane;   /* for prepare(); NULL in tests */
    void *reader; /* entity read transaction of this pass, or NULL */
    int phase;    /* of those above; see batch_enter() */
    uint16_t
        step; /* which stop has it, from 1 on, `when` among them; 0: none */
    const char *thread;             /* of the step that has it */
    const struct il_host *instance; /* whose plugin has it, for its faults */
    /* Where in which spool a position is: that of lane; NULL: none is known. */
    void (*origin)(void *lane, uint64_t position, struct event_origin *);
    /* Event i is done, or deferred; NULL: nobody asks. */
    void (*told)(void *lane, uint32_t i);
    /* Does one of this order wait that comes before event i?  1, 0 or a
     * negative errno; NULL: none. */
    int (*waits)(void *lane, uint32_t i, uint64_t order);
    /* The order of event i where the destination names none; 0: it has none. */
    uint64_t (*order)(void *lane, uint32_t i);
};

/* Its address tells threads apart, at the price of a load. */
extern _Thread_local char batch_thread;

/* A plugin gets the batch, or (BATCH_NOBODY) has it no longer.  Phases end
 * where they began: in the lane's thread, but for what is settled, which is the
 * destination's. */
static inline void
batch_enter(struct il_batch *b, int phase, const struct il_host *instance)
{
    b->phase = phase;
    b->thread = &batch_thread;
    b->instance = instance;
}
/* Is it a step that calls, out of process()? */
static inline int
batch_in_step(const struct il_batch *b)
{
    return b->phase == BATCH_IN_STEP && b->thread == &batch_thread;
}

#define BATCH_STEPS_MAX 10000 /* of a lane */
#define BATCH_IN_FLIGHT_MAX 16 /* at a destination, whatever it asks for */
#define BATCH_TARGET_MAX 255   /* bytes of a deferral's target */
#define BATCH_DELAY_MAX_MS (UINT64_C(400) * 86400 * 1000)

/* An empty batch whose api is the host's table.  NULL: no memory. */
struct il_batch *batch_new(void);
void batch_free(struct il_batch *);
/* Forget the events and what was attached; keep frames and memory (arena
 * beyond its first block apart). */
void batch_reset(struct il_batch *);
/* The same, and the frames as well. */
void batch_clear(struct il_batch *);
/* Give the memory of an empty batch back. */
void batch_trim(struct il_batch *);

/* Append an event whose frame body lies in memory that outlives the batch's
 * use (normally batch->frames).  0, -EINVAL (unreadable body), -ENOMEM. */
int batch_add(struct il_batch *, uint64_t position, const char *body,
              size_t len);
/* The same for a body that is already unpacked. */
int batch_add_event(struct il_batch *, uint64_t position, const char *body,
                    size_t len, const struct event *);
/* The same for one that only says that time has passed. */
int batch_add_tick(struct il_batch *, uint64_t position, const char *body,
                   size_t len, const struct event *);
/* Append a body that nothing can read: a dead letter from the start. */
int batch_add_unreadable(struct il_batch *, uint64_t position, const char *body,
                         size_t len);
/* Append an event as batch_decided() packed it, in memory that outlives the
 * batch's use.  again (copied, texts too) gets its origin.  0, -EINVAL, -ENOMEM. */
int batch_add_decided(struct il_batch *, uint64_t position, const char *bytes,
                      size_t len, const struct batch_again *again);
/* Append an event that its frame brings again (as batch_add_event(); the texts
 * are copied), with what was decided taken from the frame but for how far it had
 * come, which is the lane's to say. */
int batch_add_again(struct il_batch *, uint64_t position, struct slice body,
                    const struct event *, const struct event_retry *,
                    uint32_t passed, uint32_t at);
/* The last of them, as batch_add_again() added it: a step that it had passed has
 * found this out then, whatever it finds now.  As batch_attach(). */
int batch_found(struct il_batch *, const struct il_kind *,
                const struct il_value *result);
/* Append event i to a text as it is now, with what steps have added: what is
 * kept of it while it waits to come again.  0 or -ENOMEM. */
int batch_decided(const struct il_batch *, uint32_t i, struct il_text *out);
/* Scratch with the lifetime of the batch's content, 16-byte aligned. */
void *batch_alloc(struct il_batch *, size_t size);

/* An event that is live is so no more.  Inline: a filter does it to most. */
static inline void
batch_leave(struct il_batch *b, uint32_t i, uint8_t state)
{
    if (i >= b->count || b->events[i].state != BATCH_LIVE)
        return;
    b->events[i].state = state;
    b->live--;
    b->dropped += state == BATCH_DROPPED;
    b->letters += state == BATCH_REFUSED || state == BATCH_REJECTED;
}
static inline void
batch_drop(struct il_batch *b, uint32_t i)
{
    batch_leave(b, i, BATCH_DROPPED);
}
/* A step (by its stop) is done with the batch: what it dropped or deferred of
 * events that had passed it before they came again is live again, and their results
 * are what they were.  Of the others that came again it is noted which step it
 * was. */
void batch_undo(struct il_batch *, uint32_t step);
/* Had event i passed this stop before it came again? */
static inline int
batch_passed(const struct il_batch *b, uint32_t i, uint32_t step)
{
    return b->events[i].again && b->events[i].again->passed >= step;
}
/* Not for this destination: as dropped, but no step's doing. */
void batch_elsewhere(struct il_batch *, uint32_t i);
/* A dead letter: for good before batch_seal(), else until batch_unreject() or
 * the next attempt.  Without memory for its texts the reason says so. */
void batch_reject(struct il_batch *, uint32_t i, const struct il_reason *);
void batch_unreject(struct il_batch *, uint32_t i);
/* Settled by an earlier attempt: neither delivered again nor marked. */
void batch_keep(struct il_batch *, uint32_t i);
/* Is there something that a step would look at? */
static inline int
batch_for_steps(const struct il_batch *b)
{
    return b->live || b->ticks;
}
/* Is it for the destination now? */
static inline int
batch_live(const struct il_batch *b, uint32_t i)
{
    return i < b->count && b->events[i].state == BATCH_LIVE
           && !b->events[i].kept;
}
/* As an earlier process has noted, the destination has it: so no step makes a
 * letter of it. */
void batch_was_done(struct il_batch *, uint32_t i);
/* It came to its end at the destination, by itself. */
void batch_done(struct il_batch *, uint32_t i);
/* It comes again: what a step defers goes on there, or (IL_AFTER) after it, and
 * knows no order.  The texts are copied.  0 or -ENOMEM. */
int batch_defer(struct il_batch *, uint32_t i, const struct il_deferral *);
/* The hash by which an order is known; never 0. */
uint64_t batch_order(const char *order, size_t len);
/* That of event i, as it is named, or (NULL) as the lane knows it; 0: none. */
uint64_t batch_order_of(const struct il_batch *, uint32_t i, const char *order,
                        size_t len);
int batch_set_payload(struct il_batch *, uint32_t i, int encoding, const void *,
                      size_t);
/* Where event i first stood. */
void batch_origin(const struct il_batch *, uint32_t i, struct event_origin *);

/* The time of the stream at event i.  Those that come again do not move it. */
int64_t batch_stream_us(struct il_batch *, uint32_t i);
/* The batch begins when the stream is at this. */
void batch_stream_begin(struct il_batch *, const struct batch_stream *);

/* --- batch_edit.c --- */

/* A step of a path below the payload: into a map by a key, into an array by a
 * number. */
struct batch_part {
    const char *key; /* NULL: an element */
    size_t len;
    int64_t index; /* below 0: from the end */
};
#define BATCH_PARTS_MAX 32 /* of a path */
/* Make value what stands at the end of a path; as il_set().  0, -ENOTDIR,
 * -ERANGE, -EINVAL, -ENOMEM. */
int batch_set(struct il_batch *, uint32_t i, const struct batch_part *,
              uint32_t parts, const struct il_value *);
/* As il_remove(): 1, 0, -EINVAL, -ENOMEM. */
int batch_remove(struct il_batch *, uint32_t i, const struct batch_part *,
                 uint32_t parts);
/* 0, -EINVAL (traits are no map) or -ENOMEM. */
int batch_attach(struct il_batch *, uint32_t i, const struct il_kind *,
                 const struct il_value *traits);

/* Append what was attached, {"KIND":{...},...}.  0 or -ENOMEM. */
int batch_entities_json(const struct entity_link *first, struct il_text *out);

/* Event i tells of an entity; all is copied.  Of one that had passed the step that
 * has the batch nothing is noted.  0, -EINVAL (the traits are no map), -ENOMEM. */
int batch_upsert(struct il_batch *, uint32_t i, const struct il_kind *,
                 struct slice id, int encoding, struct slice traits);

/* At event i a step makes another, of which the type, the timestamp, the encoding and
 * the payload count, and the id as its name; all is copied.  Of one that had passed
 * the step that has the batch nothing is noted.  0, -E2BIG, -EMSGSIZE, -EINVAL (the
 * payload is no map), -ENOMEM. */
int batch_derive(struct il_batch *, uint32_t i, const struct il_event *);

/* Steps are done: what they did stays, whatever the destination marks. */
void batch_seal(struct il_batch *);
/* Before another attempt: take the destination's marks and its scratch memory
 * back.  Bounds what endless attempts hold. */
void batch_rewind(struct il_batch *);

#endif

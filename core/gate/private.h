/* SPDX-License-Identifier: MIT */
/* How the room works: the checks on the way in.
 *
 *   request.c      a source's request becomes a batch, and its answer
 *   parse.c        a body, in one pass from JSON to frames; take.c the same of
 *                  events that a source has taken apart; event.c one event
 *   declared.c     an event against its declaration
 *   limit.c        rates; undelivered.c, backlog.c what waits of a source
 *   gate.c         deduplicate, append, know what is durable; answer.c says it
 *   source.c       sources, and their replacement while the gate is open
 *   keep.c         refusals become dead letters
 *   upsert.c       traits first, in one transaction for all who wait
 *   emit.c         il_emit(); settle.c what sources hear of it afterwards
 *   marks.c        how far sources have read; marks_file.c over a restart
 *   control.c      `ingestlayer emit`
 *   entities.c     /v1/entities; sender.c who may send what
 *
 * Threads.  Requests run in the loops of the server, each with a batch of its
 * own (batch.c keeps some).  The spool's thread says what has become durable
 * and wakes the servers; requests that are held then find their outcome without
 * a lock.  Three threads of the gate's own: one puts upserts, one calls
 * settled() and room(), one counts at start what was undelivered.
 *
 * Locks.  `lock`: from the look-up of a batch's keys to its append, so that the
 * index and the spool have one order; nothing in between waits for a disk.
 * pool_lock, pending_lock, upsert_lock, wake_lock: what stands beside each, and
 * none of them is held while another is taken; that of the marks is, under
 * `lock`, so that their list is in the order of the spool; and pending_lock,
 * where the list of sources changes, which is walked under either.
 *
 * A crash leaves nothing here: what was answered is in the spool, and a sender
 * who got no answer sends again. */
#ifndef GATE_PRIVATE_H
#define GATE_PRIVATE_H

#include "backlog.h"
#include "gate.h"
#include "marks.h"
#include "sender.h"
#include "base/metrics.h"
#include "base/table.h"
#include "codec/json.h"

#include <pthread.h>
#include <stdatomic.h>

/* Why an event or a body is refused: the codes of answers, metrics and dead
 * letters. */
enum gate_code {
    GATE_OK,
    GATE_BAD_JSON,      /* not JSON */
    GATE_BAD_BODY,      /* JSON, but no shape that carries events */
    GATE_NO_EVENTS,
    GATE_TOO_MANY,
    GATE_INVALID_EVENT, /* its envelope is wrong */
    GATE_UNDECLARED,    /* its type is not declared */
    GATE_SCHEMA,        /* its payload is not as declared */
    GATE_TOO_LARGE,
    GATE_UNSUPPORTED,   /* content type */
    GATE_ENCODING,      /* content encoding */
    GATE_BODY_LARGE,
    GATE_BAD_GZIP,
    GATE_NO_LENGTH,
    GATE_TYPE,          /* its key may not send such events */
    GATE_ORIGIN,        /* ... from this page */
    GATE_ENTITIES,      /* ... entities */
    GATE_KEY_IN_URL,
    GATE_OTHER,         /* a code of a source's own */
    /* from here on: sent again, it may be accepted */
    GATE_RATE,
    GATE_BUSY,
    GATE_SOURCE_FULL,
    GATE_SPOOL_FULL,
    GATE_SPOOL_FAILED,
    GATE_NO_MEMORY,
    GATE_UNAVAILABLE,
    GATE_CODES
};
#define GATE_TRANSIENT GATE_RATE
extern const char *const gate_code_name[GATE_CODES];

/* Of the problems found, so many are told: per event and per request.  The
 * answer to a hostile body must not be much larger than the body. */
#define GATE_PROBLEMS_EVENT (SCHEMA_PROBLEMS_MAX + 1)
#define GATE_PROBLEMS_BATCH 1000

/* With more events than this, an answer leaves out the entries that would only
 * repeat the id that the sender gave, with status "accepted": the receipt of a
 * batch would outgrow the buffers of many senders and say nothing new.  Made
 * ids, duplicates and refusals are always listed. */
#define GATE_LIST_ALL 32

enum gate_item_state { ITEM_NEW, ITEM_DUPLICATE, ITEM_REFUSED };

#define GATE_NO_TWIN UINT32_MAX

struct gate_item {
    uint8_t state;
    uint8_t code;         /* enum gate_code, of ITEM_REFUSED */
    uint8_t made;         /* the gate made the id */
    uint8_t keyed;        /* the sender gave an id or a key */
    uint8_t apart;        /* ... a key, so that the id is something else */
    uint16_t window;      /* 1 + number of the declaration that has its own */
    uint32_t twin;        /* the item before with the same key */
    uint32_t frame, len;  /* body in batch->frames */
    uint32_t id, id_len;  /* in frames; of ITEM_DUPLICATE in batch->ids */
    uint32_t json, json_len; /* in the request's body, for dead letters */
    uint32_t problem, problems; /* in batch->problems */
    struct idem_key key;
    struct idem_key key_was; /* the same by the source's name before */
};

/* path, rule and message are offsets of strings in batch->texts */
struct gate_problem {
    uint32_t path, rule, message;
};

/* Bytes of ids, keys and types in what senders write as our own events.  What a
 * source takes apart for the clients of others may have as much as a frame
 * holds: EVENT_ID_MAX, EVENT_TYPE_MAX. */
#define GATE_TEXT_MAX 128

/* The event being read. */
struct gate_event {
    struct event ev;
    uint32_t seen;          /* bits of the fields that came */
    uint32_t head;          /* length of the envelope before the payload */
    int packed;             /* the payload is in frames */
    int late;               /* an envelope field came after the payload */
    char made[EVENT_MADE_ID];
    char copy[3][EVENT_ID_MAX]; /* fields with escapes in them */
};

/* Traits for an entity, of an item. */
struct gate_upsert {
    const struct il_kind *kind;
    uint32_t item;
    uint32_t id, id_len;         /* in batch->traits */
    uint32_t traits, traits_len; /* in batch->traits: msgpack */
    int skip;                    /* a duplicate, or refused */
    int error;                   /* what the store said of this one */
};

struct gate_batch {
    struct gate_batch *next; /* in the gate's pool, or in gate->upserting */
    struct gate *gate;
    struct gate_source *source;
    struct il_sender *sender; /* NULL: not by one */
    int unlimited;            /* the operator's own */
    int64_t now_us;

    struct gate_item *items;
    struct slice *bodies;    /* one more than items */
    uint32_t count, capacity;
    struct table keys; /* of the items in this batch */
    uint64_t seed;     /* of their hashes */
    struct il_text frames, ids, texts, scratch, head;
    struct gate_problem *problems;
    uint32_t problem_count, problem_capacity;
    struct gate_event event;
    const struct schema_event *declared; /* of the last type looked up */
    enum gate_code limit;    /* of -EDQUOT: which one */
    int64_t wait_ns;         /* ... and for how long */
    int limit_own;           /* the rate is that of its key */
    const char *body;        /* what items' json is an offset in ... */
    const struct il_event *offered; /* ... or what a source offered, */
    size_t offered_size;            /* ... so far apart */
    struct gate_marking *marking;   /* goes with them; NULL: none */
    size_t frames_max;              /* bytes of frames; 0: any number */
    const char *fault;              /* of the source; why -EINVAL */

    /* upsert.c */
    struct gate_upsert *upserts;
    uint32_t upsert_count, upsert_capacity;
    struct il_text traits;   /* ids and traits */
    struct il_text kept;     /* refused events, once `offered` is gone */
    int upsert_error;        /* of the transaction */
    _Atomic int upserted;
    struct gate_batch *held_next, **held_at; /* in gate->held */

    uint32_t accepted, duplicates, refused;
    uint64_t position;       /* the answer waits for it; 0: for nothing */
    uint32_t epoch;          /* of the gate, when position was given */

    enum gate_code code;     /* the body as a whole is refused */
    int status;
    char message[400];

    uint8_t random[2560];
    uint32_t random_left;
};

/* What a held request waits for, and what is counted then. */
struct gate_ticket {
    struct gate_source *source;
    struct il_sender *sender;
    uint64_t position;
    uint32_t epoch, accepted, duplicates;
    int64_t since_us;
};

/* An il_emit() on its way. */
struct gate_pending {
    struct gate_pending *next;
    struct gate_ticket ticket;
    uint64_t token;
};

/* What a source that emits waits for; under pending_lock. */
struct gate_waiting {
    uint32_t emitting;  /* calls of gate_emit(), and of `emit` */
    uint32_t unsettled; /* in the list, or in settled() now */
    int calling;        /* it is in room() now */
    int closed;         /* it takes no more */
    int given_up;       /* what is unsettled is IL_RETRY */
    int counted;        /* in the gate's given_up */
    int wants_room;     /* it was told -EAGAIN ... */
    int64_t room_ns;    /* ... and not before this time is there room */
};

#define GATE_EPOCHS 16
#define GATE_SERVERS 8

struct gate_source {
    struct gate_source *next;
    struct gate *gate;
    char *name;
    struct slice id; /* the name */
    char *was_name;
    struct slice was; /* the name before; ptr NULL: none */
    int undeclared, reserve;
    int ids_of_keys; /* what it makes ids of, where there is a key */
    int retired; /* another has its name now */
    int begun;   /* ... and what it has undelivered is counted */
    int counts;  /* what was there before is being counted */
    const struct schema *schema;
    void (*settled)(void *self, uint64_t token, int outcome);
    void (*room)(void *self);
    void *self;
    struct gate_waiting waiting;
    struct limit limit;
    struct backlog *backlog; /* NULL: without a limit; under the gate's lock */
    struct il_gauge *undelivered;
    struct sender_said said;
    struct il_counter *accepted, *duplicates, *refused[GATE_CODES];
    struct il_counter *bytes, *unkept;
};

struct gate {
    struct gate_options options;
    /* lock: the order of spool_append and the idempotency index */
    pthread_mutex_t lock;
    uint64_t indexed;   /* idem_durable() was told up to here */
    pthread_t
        old_counter; /* counts what is undelivered since before the start */
    uint64_t old_end;
    int old_counting; /* it is to be joined */
    int old_counted;  /* it is done; under lock */
    struct gate_source *sources;

    /* Failures of the spool.  A position given in epoch e is durable once the
     * spool says so while e is current; afterwards, if it is no greater than
     * failed[e].  Changed under lock, by the spool's thread. */
    _Atomic uint32_t epoch;
    _Atomic uint64_t failed[GATE_EPOCHS];
    _Atomic int error;  /* of the last failure */

    _Atomic(struct http *) servers[GATE_SERVERS]; /* to wake */
    pthread_mutex_t wake_lock; /* while they are woken, and forgotten */

    /* pool_lock: batches not in use */
    pthread_mutex_t pool_lock;
    struct gate_batch *pool;
    uint32_t pool_count;

    /* pending_lock: what il_emit() waits for, and its thread */
    pthread_mutex_t pending_lock;
    pthread_cond_t pending_wake; /* on the monotonic clock */
    struct gate_pending *pending, **pending_end;
    uint32_t given_up;  /* sources that are */
    uint32_t want_room; /* sources that do */
    pthread_t settler;
    int settler_runs, settler_stop;
    uint32_t sleepers; /* in gate_wait() */
    _Atomic int closed; /* gate_stop() */

    /* upsert_lock: batches whose upserts wait, their thread, and all batches
     * that went there and are not back in the pool */
    pthread_mutex_t upsert_lock;
    pthread_cond_t upsert_wake;
    struct gate_batch *upserting, **upserting_end, *held;
    size_t upsert_bytes;
    pthread_t upserter;
    int upsert_runs, upsert_stop;

    struct il_counter *waits, *wait_us;
};

/* batch.c */
struct gate_batch *gate_batch_take(struct gate *, struct gate_source *);
void gate_batch_give(struct gate_batch *);
void gate_batch_free_all(struct gate *);
/* Room for one body more than there are items.  0 or -ENOMEM. */
int gate_batch_reserve(struct gate_batch *);
/* A new item at the end, or NULL. */
struct gate_item *gate_item_add(struct gate_batch *);
/* Note a problem of the last item.  0 or -ENOMEM. */
int gate_problem(struct gate_batch *, enum gate_code, const char *path,
                 const char *rule, const char *fmt, ...) IL_PRINTF(5, 6);
/* Refuse the body as a whole.  Always returns -EINVAL. */
int gate_refuse_body(struct gate_batch *, int status, enum gate_code,
                     const char *fmt, ...) IL_PRINTF(4, 5);
/* Refuse item i, and those with its key, after gate_event_end(): traits that
 * are too large and the like.  0 or -ENOMEM. */
int gate_refuse_late(struct gate_batch *, uint32_t i, const char *message);
/* Is the item's key known?  As idem_find(), with the gate's lock held. */
int gate_find(struct gate_batch *, const struct gate_item *, struct idem_hit *);
/* Remember the last item's key; finds its twin.  0 or -ENOMEM. */
int gate_item_key(struct gate_batch *);
struct slice gate_item_id(const struct gate_batch *, const struct gate_item *);

/* event.c: an event, field by field */
enum { FIELD_ID, FIELD_KEY, FIELD_TYPE, FIELD_TIMESTAMP, FIELD_PAYLOAD };
/* Begin one; makes its item.  0 or -ENOMEM. */
int gate_event_begin(struct gate_batch *);
/* A text field came (FIELD_ID ... FIELD_TIMESTAMP).  The text must live until
 * gate_event_end().  0 or -ENOMEM; problems are noted. */
int gate_event_text(struct gate_batch *, int field, struct slice);
/* The payload follows: writes what stands before it.  0 or -ENOMEM. */
int gate_event_payload(struct gate_batch *);
/* All came: check, finish the frame, refuse what has problems.  0 or
 * -ENOMEM. */
int gate_event_end(struct gate_batch *);
/* The event cannot be finished: give its bytes back. */
void gate_event_abandon(struct gate_batch *);

/* declared.c */
/* Check the payload of the event at hand against its declaration; where that
 * names a key and the event came without, it has one afterwards.  0 or
 * -ENOMEM. */
int gate_check_declared(struct gate_batch *, struct gate_item *,
                        struct slice payload);
/* UTF-8 without control characters, and no surrogates: ids and types are
 * compared, logged and shown by everybody.  NULL or what is wrong. */
const char *gate_text_flaw(struct slice);
/* How long the key of an item is remembered. */
static inline int64_t
gate_window(const struct gate_batch *b, const struct gate_item *item)
{
    return item->window
               ? schema_at(b->source->schema, item->window - 1u)->window_us
               : b->gate->options.window_us;
}

/* parse.c: 0; -EINVAL after gate_refuse_body(); -ENOMEM */
int gate_parse(struct gate_batch *, struct slice body, int ndjson,
               uint32_t max_events);
/* Refuse a body that is not JSON, naming the place. */
int gate_refuse_json(struct gate_batch *, const char *body,
                     const struct json_error *, const char *hint);

/* Has each of the events that a plugin offers, and what they tell of entities,
 * at least the size that it had in the first version?  1 or 0. */
int gate_offer_fits(const struct il_event *events, size_t n, size_t stride);
/* take.c: as gate_parse(); -EMSGSIZE: more than b->frames_max; b->fault with
 * -EINVAL: an event that cannot be read.  None is no fault where there are
 * marks. */
int gate_take(struct gate_batch *, const struct il_event *, size_t n,
              size_t stride);

/* gate.c: deduplicate, limit and append; 0, the error of spool_append(), or
 * -EDQUOT: b->limit is reached.  b->marking is taken over with 0. */
int gate_commit(struct gate_batch *);
/* 1 durable, 0 not yet, or the error for which it never will be. */
int gate_outcome(struct gate *, const struct gate_ticket *);
void gate_ticket_fill(const struct gate_batch *, struct gate_ticket *);
/* The wait is over: count. */
void gate_ticket_done(const struct gate_ticket *, int durable);
void gate_know_server(struct gate *, struct http *);
void gate_wake_servers(struct gate *);

/* upsert.c */
/* What the event at hand tells of entities is copied; problems are noted.  0 or
 * -ENOMEM. */
int gate_upsert_take(struct gate_batch *, const struct il_event *);
/* How many upserts are to be put; the others are marked. */
uint32_t gate_upsert_wanted(struct gate_batch *);
/* Put them and wait; then as gate_upsert_done(). */
int gate_upsert_now(struct gate_batch *);
/* Let the thread put them: b->upserted says when it has, and the servers are
 * woken.  0, or -EAGAIN: too much waits.  Then gate_upsert_release(). */
int gate_upsert_queue(struct gate_batch *);
void gate_upsert_release(struct gate_batch *);
/* They were put: refuse the events whose own were not.  0 or why none was. */
int gate_upsert_done(struct gate_batch *);
void gate_upsert_stop(struct gate *);

/* limit.c */
/* May n more events come now?  0 or -EDQUOT.  Under the gate's lock, as the
 * next. */
int gate_limit(struct gate_batch *, uint32_t n);
/* The same, taking the lock, before anything else is done with at least n of
 * them. */
int gate_limit_first(struct gate_batch *, uint32_t n);
/* They came: the first n of b->bodies, up to this position. */
void gate_limit_took(struct gate_batch *, uint32_t n, uint64_t position);
/* The rates of whoever sends a request without events, for as much as n of
 * them: 0, or -EDQUOT after an answer.  Any thread. */
int gate_limit_request(struct il_request *, uint32_t n);
/* What -EDQUOT is for the sender. */
void gate_answer_limit(struct il_request *, const struct gate_batch *);
/* il_request_sender() */
int gate_request_sender(struct il_request *, struct il_sender *);
/* Count and log, in few lines, n refusals. */
void gate_count_refused(struct gate_source *, struct il_sender *,
                        enum gate_code, uint64_t n);

/* backlog.c; the first two under the gate's lock */
/* How long until the source may send again; 0: now. */
int64_t gate_backlog_wait_ns(const struct gate_batch *);
void gate_backlog_took(const struct gate_batch *, uint32_t n,
                       uint64_t position);
void gate_backlog_stop(struct gate *);
/* A source's count is shown no more; any number of times. */
void gate_backlog_end(struct gate_source *);

/* keep.c: count and keep what was refused */
void gate_keep_refused(const struct gate_batch *);
/* The same, but durable on return, in one transaction; without counting.  all:
 * whatever the rate of letters.  Gives the number of the first and how many
 * were kept, for gate_unkeep(): what they are of did not happen.  0 or a
 * negative errno. */
int gate_keep_now(struct gate_batch *, int all, uint64_t *first, size_t *n);
void gate_unkeep(struct gate_batch *, uint64_t first, size_t n);
/* Why an item was refused; as long as the batch lives. */
void gate_item_reason(const struct gate_batch *, const struct gate_item *,
                      struct il_reason *out);
/* Count what was refused. */
void gate_keep_count(const struct gate_batch *);
/* Copy what was refused, before what a source offered goes.  0 or -ENOMEM. */
int gate_keep_copy(struct gate_batch *);
void gate_keep_body(struct gate_source *, struct il_sender *, enum gate_code,
                    const char *message, struct slice body);
/* The same by the name of a code; one that is not known counts as "other". */
void gate_keep_request(struct gate_source *, struct il_sender *,
                       const char *code, const char *message,
                       struct slice body);
int gate_source_counters(struct gate_source *);

/* settle.c */
/* Wait until it is decided: 0 durable, or why it never will be. */
int gate_wait(struct gate *, const struct gate_ticket *);
int gate_settler_start(struct gate *);
void gate_settler_wake(struct gate *);
void gate_settler_stop(struct gate *);
/* Somebody may emit by this source, or not any more: it is not gone until then.
 * 0, or -ESHUTDOWN: it takes nothing more. */
int gate_source_enter(struct gate_source *);
void gate_source_leave(struct gate_source *);
/* At the end of the list, to be settled and freed.  0, or -ESHUTDOWN: the source
 * hears nothing any more. */
int gate_pend(struct gate_pending *);
/* It is told -EAGAIN, and room() follows, not before that time. */
void gate_wants_room(struct gate_source *, int64_t not_before_ns);

/* marks.c: what stands at this place of the spool.  Under the gate's lock. */
void gate_marks_expect(struct gate_marking *, const struct gate_ticket *);
/* Take in what has become durable. */
void gate_marks_apply(struct gate_marks *);
/* From here on it tells what is durable; NULL: nothing is on its way. */
void gate_marks_attach(struct gate_marks *, struct gate *);

/* gate.c: so much time on the monotonic clock from now. */
void gate_deadline(struct timespec *, int64_t us);

/* answer.c: the bodies of answers.  0 or -ENOMEM; the status. */
int gate_answer(struct il_text *, const struct gate_batch *, int *status);

#endif

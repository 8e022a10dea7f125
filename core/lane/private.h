/* SPDX-License-Identifier: MIT */
/* How the room works: from the spool through steps to one destination.
 *
 *   lane.c      the loop, from the oldest flight to the newest; life cycle
 *   size.c      how much at once
 *   read.c      read, match, steps, when, own steps: from the spool to a batch
 *   remember.c  what steps remember; timed.c  events that they put aside;
 *               tell.c  what they tell of entities; derive.c  events that they
 *               make
 *   dry.c       steps without a lane
 *   tap.c, tap_lane.c  those who look at what passes
 *   settle.c    write, settle, dead letters, position; refusals.c  their log
 *   retry.c     frames that bring a dead letter's event again
 *   begin.c     where to begin; place.c  for a new lane; take.c, left.c  for
 *               one that is another's, or does not run
 *   park.c      events one by one; due.c  when they come again; hold_off.c  far
 *               sides that take nothing for a while; replay.c  events that
 *               somebody has delivered once more
 *   pause.c     a lane that somebody pauses
 *   status.c    status, metrics, and log lines about trouble
 *
 * A flight is a batch with its way through the lane.  Flights form a ring in
 * the order of the spool; only the oldest ever leaves it, and with it the lane's
 * position moves.  One that failed comes again with the same events.  Where each
 * event comes to an end of its own (IL_PER_EVENT), a flight leaves once what it
 * leaves behind is in the store of the parked, in one transaction with the
 * position; what is due comes back in flights of its own, which have no order.
 *
 * A lane is one thread: it alone reads, runs its own instances of the steps and
 * calls write().  The destination settles from any thread; that only notes the
 * outcome under `lock` and wakes the lane.  `cursor_lock` guards the cursor's
 * file, which others write; `lock` may be taken under it, and neither is held in
 * a plugin.  A crash leaves the cursor file, in one of its two slots, and what
 * the destination says of itself (resume); the greater of the two counts. */
#ifndef LANE_PRIVATE_H
#define LANE_PRIVATE_H

#include "lane.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cells/cells.h"
#include "store/parked.h"

#include <pthread.h>
#include <stdatomic.h>

/* The way out, with the lane's name. */
#define LANE_FENCED_HELP                                                       \
    "what there is here waits; `ingestlayer lane take %s` says what taking "   \
    "the lane would do"

/* What the ABI calls an ack.  Each write() gets another one of its flight's, in
 * turn, so that one who settles late, a second time, has none that is open. */
struct il_ack {
    const struct il_api *api;
    struct flight *flight;
    int open; /* lane->lock: from write() until it is settled */
};
#define FLIGHT_ACKS 32 /* writes that it takes for an address to come again */

enum flight_stage {
    FLIGHT_FREE,
    FLIGHT_READ,    /* frames are there, steps have not passed */
    FLIGHT_READY,   /* to be written */
    FLIGHT_WRITTEN, /* at the destination */
    FLIGHT_SETTLED  /* outcome is known */
};

struct frame_place {
    uint64_t position;
    size_t offset, len; /* in batch->frames */
};

struct flight {
    struct lane *lane;
    struct il_batch *batch;
    struct frame_place *frames;
    uint32_t frame_count, frame_capacity;
    uint64_t before;   /* the lane's position before this batch */
    int64_t oldest_us; /* received_at of its first event */
    uint32_t *drops;   /* by each step */
    uint32_t elsewhere;
    uint32_t matched; /* events, before the steps */
    uint32_t attempts;
    int64_t written_us;
    int grows;  /* newer events come along when it is written next */
    int due;    /* of parked events that are due, outside of the ring */
    struct lane_replay *replay; /* likewise: whose events these are */
    uint64_t lost_to; /* the spool let go of what is before it, up to this */
    int stored; /* the store may hold letters of this range */
    /* Where there are steps that remember: they have run (made), from this time
     * of the stream on, and what they changed can be taken back. */
    int made;
    struct batch_stream stream_before;
    struct cells_undo undo;
    /* Of its frames that bring a letter again, in their order; in the batch's
     * memory. */
    struct dead_claim *claims;
    uint32_t claim_count, claims_seen;
    /* Somebody looks at what steps do: how many events were live at the point
     * before, and, in the batch's memory, which have come to an end before and
     * which there; NULL: nobody asks, or has time for it. */
    int looked_at;
    uint32_t live_before;
    uint8_t *noted;
    uint64_t *counted; /* letters in its range whose events come later */
    size_t counted_count, counted_seen;
    /* lane->lock: what its steps have made is with the gate, in so many parts, of
     * which one was not taken for good (derive_failed). */
    uint32_t deriving;
    int derive_failed;
    /* lane->lock while WRITTEN: */
    int stage, outcome;
    char why[512];
    uint32_t ack; /* the one in use, or used last */
    struct il_ack acks[FLIGHT_ACKS];
};

struct match_entry; /* size.c */
/* Frames and bytes at which a batch ends, for now. */
uint32_t lane_most(const struct lane *);
uint64_t lane_most_bytes(const struct lane *);
size_t lane_read_bytes(const struct lane *, const struct flight *);
/* It has read this; NULL: nothing for a while. */
void lane_note_size(struct lane *, const struct flight *);
/* A free flight gives back its memory: where it has more than it is to take, or in
 * any case. */
void lane_fit(const struct lane *, struct flight *);
void lane_trim(struct flight *);

/* read.c */

#define LANE_REFUSAL_KINDS 8

/* Dead letters of one kind, as far as the log has told of them. */
struct lane_refusals {
    char code[64], last[512]; /* of their reason; the last one */
    int64_t told_us;          /* 0: never */
    uint64_t untold;
};

#define LANE_TELL_US 100000      /* how long a delivery may not be on disk */
#define LANE_PARKED_MOST 1000000 /* where the destination says nothing */
#define LANE_PARKED_BYTES (UINT64_C(1) << 30)
#define LANE_DUE_FLIGHTS 2
#define LANE_REPLAY_FLIGHTS 2
#define LANE_DUE_MOST 1024 /* due events that are known of at a time */
#define LANE_HOLDS 8       /* targets that are shown, as in lane_status */
#define LANE_WAKES 16      /* targets that take again, until it is acted upon */

/* A far side that takes nothing. */
struct lane_hold {
    int64_t until_us; /* since 1970; 0: the entry is free */
    char target[BATCH_TARGET_MAX + 1], why[256];
};

/* Numbers that are added at one end and looked for. */
struct lane_numbers {
    uint64_t *at;
    size_t count, capacity;
};

/* What a lane has besides whose destination takes events one by one. */
struct lane_parked {
    struct parked_lane *store;
    struct flight flights[LANE_DUE_FLIGHTS];
    struct flight replays[LANE_REPLAY_FLIGHTS];
    struct parked_due *due; /* LANE_DUE_MOST */
    struct il_text packed;  /* events as they were decided */
    int64_t look_us;        /* since 1970: when something may be due, */
    int64_t looked_us;      /* and when that was found out */
    int64_t wake_us;        /* monotonic: when to see to it next */
    int64_t not_before_us;  /* monotonic */
    /* A batch ends at so many frames, or events that match: what became of
     * the last one says how many it takes for those that the destination
     * wants. */
    uint32_t frames_most, matched_most;
    /* A target takes again: what waits for it comes, from this position on. */
    char waking[BATCH_TARGET_MAX + 1]; /* "": none */
    uint64_t wake_from;
    uint64_t until;     /* records of an earlier run may be up to here */
    uint64_t *was_done; /* marks of an earlier run, in order */
    size_t was_done_count;
    struct il_counter *count_lost, *count_old;
    struct il_gauge *gauge_held;

    /* lane->lock: */
    struct lane_replay *replay; /* or NULL */
    uint32_t away; /* flights outside of the ring at the destination */
    int wants;                  /* one of them is ready to go */
    int turn;                   /* with one batch at a time: it goes next */
    int changed;                /* by somebody else; see lane_due_changed() */
    struct lane_numbers done;   /* positions, not written yet */
    int64_t done_since_us;      /* monotonic: the first of them */
    struct lane_numbers orders; /* of events that are deferred, not stored */
    int orders_lost;            /* for want of memory: any may be there */
    struct lane_hold holds[LANE_HOLDS];
    char wakes[LANE_WAKES][BATCH_TARGET_MAX + 1];
    uint32_t wake_count;
    int64_t held_until_us;      /* monotonic; nothing goes out before then, */
    int64_t held_until_wall_us; /* or this, since 1970 */
};

struct lane {
    struct lane_spec spec;
    struct lane_context ctx;
    struct spool_reader *reader;
    struct spool_hold *hold;
    struct entity_reader *entities;
    struct match_entry *matches;
    pthread_mutex_t cursor_lock;
    struct cursor cursor;

    /* Of the lane's thread. */
    struct flight *flights;
    uint32_t flight_count, in_flight;
    uint32_t head, used;     /* the oldest; how many are not FREE */
    uint64_t read_position;  /* the reader goes on after it */
    uint64_t frame_bytes;    /* of a frame, on average, in the last batch */
    int large;          /* that was a large one */
    uint32_t next_most; /* frames that the next may have */
    uint64_t suspect_until;  /* letters of an earlier run may be up to here */
    uint64_t counted_until;  /* letters whose events a later frame brings */
    uint64_t saved_position; /* in the cursor file */
    int64_t saved_us, written_us, read_us;
    int64_t answered_us; /* when a batch last came to an end */
    int64_t not_before_us; /* the next attempt of steps or destination */
    int64_t pass_after_us; /* of keeping dead letters */
    int64_t
        timed_look_us; /* since 1970: when what a step deferred may be due, */
    int64_t timed_looked_us; /* and when that was found out */
    int64_t timed_after_us;  /* monotonic: not before then */
    struct dead_back timed_back;
    int timed_some;         /* there may be some */
    uint64_t given; /* positions up to here: what comes after was not there
                     * when the destination last said how far it is */
    uint32_t failures;     /* in a row: back-off */
    uint64_t untold;       /* of entities: refused, and not said in the log */
    int64_t untold_us;     /* when it was said last; 0: never */
    struct lane_parked *parked; /* NULL: batches settle as a whole */
    uint32_t set_back_failures; /* set back in a row, nothing delivered */
    int trimmed; /* batches have no memory, */
    int rests;   /* nor has what steps remember */
    int flushed, cursor_failed, cursor_known;
    struct cells *cells;        /* NULL: no step remembers anything */
    int recalled;               /* all of it, up to where the lane began */
    struct batch_stream stream; /* after the newest batch that was made */
    _Atomic uint64_t passed;    /* see lane_passed() */
    int tells; /* the destination says where it itself is */
    int asks_was;  /* the destination is to move its rows */
    int moves;     /* the cursor is still that of `was` */
    int undecided; /* what was decided is not in the cursor yet */
    int begun; /* the two have talked: it is never beyond the spool then */

    struct lane_refusals refusals[LANE_REFUSAL_KINDS];

    /* Trouble, as logged (status.c). */
    int64_t trouble_since_us, trouble_logged_us, overdue_us;
    uint64_t trouble_count, trouble_unlogged;

    struct lane_tap *_Atomic taps; /* tap_private.h */
    atomic_uint taps_want;         /* of what steps do: LANE_TAPS_... */
    pthread_mutex_t taps_lock;

    pthread_t thread;
    int started;
    pthread_mutex_t lock;   /* guards what follows, and flights' outcomes */
    pthread_cond_t wake;    /* to the thread */
    pthread_cond_t ended;   /* to lane_stop() */
    uint64_t signals, seen; /* what happened; what the thread has seen of it */
    uint32_t unsettled;
    int reading; /* the thread waits in the spool */
    int draining, stopping, finished, fenced;
    int halting; /* to end without reading more */
    uint64_t drain_to;
    int64_t deadline_us; /* of the drain */
    int64_t oldest_us;   /* received_at of the oldest event not settled */
    struct lane_status status;

    struct il_counter *delivered, *elsewhere, *dead_letters, *retries,
        *set_backs;
    struct il_counter **dropped; /* by each step */
    /* Where the destination or a step may put events aside; else NULL. */
    struct il_counter *count_parked;
    struct il_gauge *gauge_parked, *gauge_bytes, *gauge_due;
    struct il_histogram *times;
    struct il_gauge *gauge_lag_events, *gauge_lag_bytes, *gauge_lag,
        *gauge_state, *gauge_dead, *gauge_retrying, *gauge_position,
        *gauge_memory, *gauge_memory_keys, *gauge_memory_disk,
        *gauge_memory_written;
};

static inline struct flight *
lane_flight(struct lane *l, uint32_t i) /* 0: the oldest */
{
    return &l->flights[(l->head + i) % l->flight_count];
}

/* Where an event can stop on its way, in order, from 1 on: the pipeline's steps,
 * `when`, the destination's own. */
static inline uint32_t
lane_stop_of_when(const struct lane *l)
{
    return (uint32_t) (l->spec.step_count - l->spec.own_count) + 1;
}
static inline uint32_t
lane_spec_stop_of(const struct lane_spec *s, size_t step)
{
    return (uint32_t) step + 1 + (step >= s->step_count - s->own_count);
}
static inline uint32_t
lane_stop_of(const struct lane *l, size_t step)
{
    return lane_spec_stop_of(&l->spec, step);
}
/* The step of a stop that is one; NULL: it is none. */
static inline const struct lane_step *
lane_step_at(const struct lane *l, uint32_t stop)
{
    uint32_t when = lane_stop_of_when(l);
    return !stop || stop == when || stop > l->spec.step_count + 1
               ? NULL
               : &l->spec.steps[stop - 1 - (stop > when)];
}

/* By config, by somebody, or as it is to end.  With the lock held. */
static inline int
lane_paused(const struct lane *l)
{
    return l->spec.paused || l->status.paused_us || l->halting;
}

/* The plugin of host (NULL: unknown) did what it must not. */
#define lane_fault(l, host, ...)                                               \
    ((l)->spec.fault ? (l)->spec.fault((host), __VA_ARGS__) : (void) 0)

/* lane.c */
int lane_goes_on(struct lane *); /* 0: stop, fenced, or all is delivered */
/* Until then, or until something happens that lane_goes_on() has not seen. */
void lane_wait_until(struct lane *, int64_t monotonic_us);
/* Something happened that the thread should look at.  With the lock held. */
void lane_signal(struct lane *);

/* read.c */
int lane_frame(void *flight, uint64_t position, size_t offset, size_t len);
int lane_matches_new(struct lane *);
/* 0, LANE_TAKES or LANE_TICKS. */
#define LANE_TAKES 1
#define LANE_TICKS 2 /* as one that only says that time passes */
int lane_takes(struct lane *, const struct event *);
/* Make an event of a frame that it takes so.  0, -EINVAL or -ENOMEM. */
int lane_add(struct flight *, const struct frame_place *, const struct event *,
             int takes);
int lane_read(struct lane *, struct flight *);
int lane_grow(struct lane *, struct flight *);
void lane_unread(struct lane *, struct flight *);
/* Once nothing has come for a while: give memory back. */
void lane_idle(struct lane *);
int lane_match(struct lane *, struct flight *);
int lane_steps(struct lane *, struct flight *);
void lane_ready(struct lane *, struct flight *);

/* retry.c */
/* The i-th frame brings a letter again: 1 when this lane is to take it, 0, or a
 * negative errno.  Asked in the order of the frames. */
int lane_retry(struct lane *, struct flight *, uint32_t i,
               const struct event_retry *);
/* Then: make an event of it, which goes on where it had stopped, or is a letter
 * where there is no such place.  0 or -ENOMEM. */
int lane_bring(struct lane *, struct flight *, uint32_t i, const struct event *,
               const struct event_retry *);
/* What is decided about an event that became a letter, in the batch's memory: *out
 * as event_decided_pack() writes it.  0 or -ENOMEM. */
int lane_decided(const struct lane *, struct flight *,
                 const struct batch_event *, struct slice *out);
/* Does it come again through the spool, whatever the destination is: as a letter
 * that somebody tries again, or as a step has deferred it? */
static inline int
lane_by_spool(const struct batch_event *e)
{
    return (e->state == BATCH_REFUSED && (e->stop || e->again))
           || (e->state == BATCH_DEFERRED && e->stop);
}
/* The letters of events that came again, and were dropped, stay: durable before
 * the destination gets the batch, whose position then says that it has passed
 * them.  0 or a negative errno. */
int lane_stays(struct lane *, struct flight *);
/* The flight leaves: its letters are done with, and those whose frames were
 * lost wait for help again.  0 or a negative errno. */
int lane_retried(struct lane *, struct flight *);
/* Was the event of this frame a letter that a later frame brought, and brings
 * again as the destination was set back?  1, 0 or a negative errno. */
int lane_counted_later(struct lane *, struct flight *, uint32_t i);
/* The lane begins after position: the same for what it had passed when it
 * stopped. */
int lane_retries_begin(struct lane *, uint64_t position);

/* Is it for this lane, by its name or the one before? */
int lane_retry_is_ours(const struct lane *, const struct event_retry *);

/* remember.c */
/* Around lane_match() and lane_steps() of a flight.  begin: what it changed
 * before is taken back.  0 or a negative errno. */
int lane_remember_begin(struct lane *, struct flight *);
void lane_remember_end(struct lane *, struct flight *);
/* The newest flight that was made is not any more. */
void lane_unremember(struct lane *, struct flight *);
/* It leaves: what the steps changed stays. */
void lane_remember_settle(struct flight *);
/* The lane has passed position, which is in its cursor: the spool may let go of
 * what is before, as far as steps have it written down. */
void lane_hold_move(struct lane *, uint64_t position);
/* A checkpoint, where it is time for one.  *until_us: not later than that. */
void lane_remember(struct lane *, int64_t *until_us);
uint32_t lane_remember_ms(struct lane *, uint32_t ms);
void lane_remember_last(struct lane *);
/* The lane begins after position: have the steps remember what came before.  0
 * or -ECANCELED. */
int lane_recall(struct lane *, uint64_t position);
/* The frames of a flight through the steps, for what these remember of it.  0 or
 * a negative errno. */
int lane_recall_flight(struct lane *, struct flight *);

/* tap_lane.c */
enum { LANE_TAPS_AFTER = 1, LANE_TAPS_ENDED = 2 };
/* Does somebody look at what the steps do with this flight, whose events have been
 * matched?  Then these follow, where flight->looked_at: after each step, and after
 * who else ended events. */
void lane_tap_begin(struct lane *, struct flight *);
void lane_tap_step(struct lane *, struct flight *, size_t step);
void lane_tap_other(struct lane *, struct flight *, const char *who);
/* The destination gets it now; where there are taps. */
void lane_tap_written(struct lane *, struct flight *);
/* tap.c: the lane ends. */
void lane_taps_end(struct lane *);

/* settle.c */
/* Is there room for one more flight at the destination?  due: of those that
 * come again.  With the lock held. */
int lane_room(const struct lane *, int due);
/* The outcome is IL_REJECT: none of it will ever be acceptable. */
void lane_reject_all(struct flight *);
/* The destination has it no longer, or never had it. */
void lane_settle_here(struct flight *, int outcome);
void lane_write(struct lane *, struct flight *);
void lane_settled(struct lane *);
int lane_failed(struct lane *);
void lane_cursor(struct lane *, int final);
/* Something failed: when to try again. */
int64_t lane_back_off(struct lane *, int outcome);

/* park.c */
int lane_parked_new(struct lane *);
void lane_parked_free(struct lane *);
/* The destination is asked no more where it is: position gets how far the lane
 * came that the store knows of.  0 or -ECANCELED. */
int lane_parked_begin(struct lane *, uint64_t *position);
/* Keep what a flight leaves behind, before it leaves.  0 or a negative
 * errno. */
int lane_park(struct lane *, struct flight *);
/* Was the event at this position, asked in order, delivered before the start? */
int lane_was_done(const struct lane *, uint64_t position);
/* Write down what was delivered of flights that have not left; NULL until: what
 * there is, now. */
void lane_tell_done(struct lane *, int64_t *until);
/* What there is of a lane: letters, and (not NULL) the parked. */
uint64_t lane_letters(const struct lane *, struct parked_counts *);
/* Both of them. */
uint64_t lane_left_behind(const struct lane *);
/* How many events of a flight are for the destination, of so many that match:
 * decides how large the next one is. */
void lane_learn(struct lane *, const struct flight *, uint32_t matched);

/* Nothing may go out, and it has fallen behind by more than a segment: what is
 * for the destination is parked without an attempt, so that the spool is not
 * held for it, as long as there may be more parked ones. */
int lane_parks_on(struct lane *);
/* All of a flight that is ready, instead of writing it. */
void lane_park_all(struct lane *, struct flight *);
/* After a read: note what the spool has let go of before the lane came to it. */
void lane_note_lost(struct lane *, struct flight *);
/* Is event i too old to be sent?  Then it is a letter, or dropped. */
int lane_too_old(struct lane *, struct il_batch *, uint32_t i);
/* There may be no more parked ones: the lane waits, and says so.  1 or 0. */
int lane_parked_full(struct lane *);

/* derive.c */
/* The destination is to get a flight: are the events durable that steps have made of
 * it?  0: they are; 1: they are on their way, and the lane is woken; or a negative
 * errno after telling of the trouble. */
int lane_derive(struct lane *, struct flight *);
/* The lane ends: wait until none is on its way. */
void lane_derive_end(struct lane *);

/* tell.c */
/* The destination is to get a flight: what steps have told of entities for it is in
 * the store, durably.  0 or a negative errno after telling of the trouble. */
int lane_tell(struct lane *, const struct flight *);

/* Is it time to look what is due, by what was found out when it was looked last?
 * A clock that went back since then may have made something due. */
static inline int
lane_looks(int64_t look_us, int64_t looked_us)
{
    const int64_t now = clock_wall_us();
    return now >= look_us || now < looked_us;
}

/* timed.c */
/* Have what a step has deferred come again where it is due.  *until: not later
 * than when the next is. */
void lane_timed(struct lane *, int64_t *until);
/* There may be no more of it: the lane waits, and says so.  1 or 0. */
int lane_timed_full(struct lane *);
/* What a read of the spool may wait at most. */
uint32_t lane_timed_wait_ms(const struct lane *, uint32_t ms);

/* due.c */
/* Settle and send what is due.  *until: not later than when the next is. */
void lane_due(struct lane *, int64_t *until);
/* Keep what became of those that are settled. */
void lane_due_settled(struct lane *);
/* What a read of the spool may wait at most. */
uint32_t lane_due_wait_ms(struct lane *, uint32_t ms);

/* replay.c */
/* Settle and send what a replay has for it.  *until: not later than when to look
 * again. */
void lane_replay_go(struct lane *, int64_t *until);
/* Tell what became of those that are settled; the lane ends. */
void lane_replay_settled(struct lane *);
void lane_replay_end(struct lane *);

/* hold_off.c */
/* Does the far side take nothing now?  With the lock held. */
int lane_is_held(const struct lane *, int64_t now_us);
/* Who takes nothing, for lane_status(). */
void lane_holds(struct lane *, struct lane_status *);

/* place.c */
/* Open the cursor, or that of the name before.  As spool_cursor_open(). */
int lane_place_open(struct lane *);
/* The destination has talked: decide where to begin, if it is not decided.  0,
 * or -ECANCELED when the lane is to stop before anybody has said. */
int lane_place_decide(struct lane *, uint64_t *position);

/* pause.c */
int lane_is_paused(struct lane *);
/* At the start: log that it is, and by whom. */
void lane_paused_say(struct lane *);
/* Nothing is under way: wait for as long as it is paused.  0, or -ECANCELED when
 * the lane is to stop. */
int lane_rest(struct lane *);
/* It is paused: give back to the spool what was read and never written; then
 * wait for what is under way, and for what else may happen. */
void lane_give_back(struct lane *);
void lane_stay(struct lane *);
/* The pause in the cursor is the lane's.  Under cursor_lock, or before there are
 * others. */
void lane_paused_note(struct lane *);
/* spool_cursor_save(), spool_cursor_rename() */
int lane_cursor_save(struct lane *, uint64_t position, int sync);
/* What was saved is on the disk; any thread. */
int lane_cursor_sync(void *lane);
int lane_cursor_rename(struct lane *);

/* refusals.c */
/* Tell of the dead letters of a batch that leaves. */
void lane_refused(struct lane *, const struct il_batch *);
/* Tell of those that wait to be told; all: of each, now. */
void lane_refusals_tell(struct lane *, int all);

/* begin.c */
/* Find out where to begin and open the reader.  0, or -ECANCELED when the lane
 * is to stop (or fenced) before it knows. */
int lane_begin(struct lane *);
/* The destination has lost what it had: go on from where it is now.  As
 * lane_begin(). */
int lane_go_back(struct lane *);
/* Look up how old the oldest event is that waits. */
void lane_peek(struct lane *);

/* status.c */
void lane_state_set(struct lane *, enum lane_state);
void lane_trouble(struct lane *, enum lane_state, const char *fmt, ...)
    IL_PRINTF(3, 4);
void lane_recovered(struct lane *);
/* Is a batch away for so long that it is trouble? */
void lane_overdue(struct lane *);
int lane_metrics(struct lane *);
/* Count how long those of these events that were delivered took since they were
 * received. */
void lane_delivered(struct lane *, const struct batch_event *, uint32_t count);
void lane_metrics_end(struct lane *);

#endif

/* SPDX-License-Identifier: MIT */
/* How the parts work together.
 *
 *   kind.h    what a destination of this engine has of its own
 *   out.c     life: batches that come in, the end
 *   queue.c   the events at hand: by target, by order, and what ends them
 *   pump.c    which of them is sent next, and what must wait
 *   request.c one of them as a request that is under way
 *   judge.c   what an answer means for its event and its target
 *   tell.c    status, metrics, log, the file of attempts
 *   show.c    check --online, dead show --render
 *
 * An event is at hand from write() until it has come to an end: delivered
 * (il_done()), to come again (il_defer_as()) or a dead letter (il_reject()).
 * Its batch is settled once all of it has.  Events that are sent for the first
 * time and those that come again have a queue each, so that neither starves.
 *
 * A target that is left alone (breaker.h) keeps no event in memory: they are
 * deferred until it may be asked again, and count no attempt.  Where there is but
 * one target the host is told to hand out nothing until then (il_hold_off()).
 *
 * Threads: the lane's hands batches over, libcurl's brings answers, the host's
 * timer looks again.  `lock` guards all that follows it in struct out, and all
 * batches at hand; the host is called with it held, but for what waits for the
 * disk.  The host takes locks of its own below it, and calls nothing of ours
 * with them.
 *
 * A crash leaves nothing of the events here: what had no end comes again, under
 * the same id.  What is known of targets outlives it (keep.h). */
#ifndef OUT_H
#define OUT_H

#include "attempts.h"
#include "kind.h"
#include "keep.h"

#include <pthread.h>

#define OUT_SLOTS 1024 /* of targets at hand */

enum { OUT_NEW, OUT_AGAIN, OUT_QUEUES };

struct out_event {
    struct out_event *next;       /* in its queue */
    struct out_event *order_next; /* in its slot, those that came first first */
    struct out_batch *batch;
    struct out_target *target;
    uint32_t i, attempts; /* attempts: that failed and counted */
    uint64_t position;
    uint64_t order;   /* a hash; 0: none */
    int64_t tried_us; /* when it was deferred last; 0: it was never tried */
    int queue;        /* OUT_NEW, OUT_AGAIN */
};

/* In the memory of its batch. */
struct out_batch {
    struct out_batch *next, *prev;
    struct il_batch *batch;
    struct il_ack *ack;
    uint32_t left; /* events that have come to no end */
    int undecided; /* the host could not keep what one came to */
    uint32_t count;
    struct out_event events[];
};

struct out_queue {
    struct out_event *first, *last;
};

/* Where events at hand go to. */
struct out_target {
    struct out_target *slot_next;
    struct out_target *next, *prev; /* with an event in a queue, in turn */
    struct out_queue queues[OUT_QUEUES];
    uint32_t waiting; /* in them */
    uint32_t at_hand; /* events, those in flight and for an order too */
    uint32_t in_flight;
    int64_t not_before_us; /* monotonic: nothing is sent, for its rate say */
    uint64_t hash;
    char name[TRANSPORT_TARGET_MAX];
};

struct out_request {
    struct out_request *next; /* spare ones */
    struct out *out;
    struct out_event *event;
    struct breaker_target *breaker;
    int probe;
    int replayed; /* its receiver is to know */
    struct rendered rendered;
    struct sign_header signatures[SIGN_HEADERS];
    struct transport_header headers[RENDER_HEADERS + SIGN_HEADERS + 1];
};

struct out_counts {
    struct il_counter *delivered, *redirected, *refused, *broken, *unanswered,
        *unsent, *time, *unattempted;
    struct il_gauge *in_flight, *open;
};

struct out {
    const struct il_host *host;
    struct out_options options;
    struct render render;
    struct transport *transport;
    struct out_counts counts;
    struct attempts *attempts;              /* from start() on; or NULL */
    int attempts_failed;                    /* the timer's: it was said */
    struct keep *keep;                      /* likewise */
    char only_target[TRANSPORT_TARGET_MAX]; /* "": each event has its own */

    pthread_mutex_t lock;
    int stopping;
    struct breaker *breaker;
    struct out_batch *batches; /* at hand */
    struct out_target *slots[OUT_SLOTS];
    struct out_target *first, *last; /* with something in a queue */
    uint32_t target_count;           /* at hand */
    uint32_t waiting[OUT_QUEUES], in_flight[OUT_QUEUES];
    int turn; /* the queue that was served last */
    struct out_event **orders;
    size_t order_slots; /* a power of two; 0: there is no order */
    struct out_request *spare;
    struct rendered place;  /* for a moment */
    struct il_text *answer; /* likewise */
    uint64_t random;
    int64_t proxy_wait_us; /* after its next failure */
    int changed;           /* since tell_state() */
    int keep_failed;       /* it was said */
    int64_t told_us;       /* monotonic: the last line about many targets */
    uint64_t untold;
};

/* All below: with the lock held. */

/* queue.c */
/* Take a batch over: 0, and from then on it is settled here; or a negative
 * errno, and it is not. */
int queue_take(struct out *, struct il_batch *, struct il_ack *);
/* What is at hand comes again after the next start: their batches are given
 * back.  Nothing may be in flight. */
void queue_give_up(struct out *);
/* Into its queue, as the first: it could not go yet. */
void queue_put_back(struct out *, struct out_event *);
/* Out of its queue. */
void queue_remove(struct out *, struct out_event *);
/* The other targets come first from now on. */
void queue_turn(struct out *, struct out_target *);
/* A target that is at hand stays so, whatever becomes of its events. */
void queue_pin(struct out_target *);
void queue_unpin(struct out *, struct out_target *);
/* It has come to its end. */
void queue_done(struct out *, struct out_event *);
void queue_reject(struct out *, struct out_event *, const char *code,
                  const char *message);
/* code NULL: for no reason of its own.  attempt 0: nothing was tried. */
void queue_defer(struct out *, struct out_event *, int64_t delay_ms,
                 int attempt, const char *code, const char *message);
/* Does an earlier event of its order wait on disk?  1: it has come to its end
 * for now; 0; or a negative errno. */
int queue_waits(struct out *, struct out_event *);

/* pump.c */
/* Send what may be sent. */
void pump(struct out *);
/* il_timer_once(); without the lock. */
void pump_again(void *out);
/* All of a target that is in a queue comes again after so long, untried. */
void pump_defer_all(struct out *, struct out_target *, int64_t delay_ms,
                    const char *code, const char *why);
/* Tell the host of a target that takes nothing now, or that takes again. */
void pump_hold(struct out *, const char *target, const struct breaker_state *);
/* The same of all that a restart has not forgotten. */
void pump_hold_restored(struct out *);

/* request.c */
/* Send it: 0; 1: it has come to its end instead; or a negative errno, and
 * nothing has happened. */
int request_send(struct out *, struct out_event *, struct breaker_target *);
void request_free(struct out *, struct out_request *);
/* All headers of a rendered event that is sent at time_s; *count of them.  0 or
 * -ENOMEM. */
int request_headers(const struct out *, struct out_request *, int64_t time_s,
                    size_t *count);

/* judge.c */
/* Its answer is here.  *pause: "", or why the lane is to pause (il_pause()). */
#define JUDGE_PAUSE_MAX 200
void judge(struct out *, struct out_request *, const struct transport_answer *,
           char pause[JUDGE_PAUSE_MAX]);

/* tell.c */
int tell_open(struct out *);
void tell_answer(struct out *, const struct transport_answer *, int delivered);
/* Before it comes to its end: text is what its letter would say. */
void tell_attempt(struct out *, const struct out_request *,
                  const struct transport_answer *, enum attempts_end,
                  const char *text);
/* A target was left alone, or has come back; why: its last failure. */
void tell_opened(struct out *, const char *target, int64_t wait_us,
                 const char *why);
void tell_closed(struct out *, const char *target, int64_t since_us);
/* Something may have changed of a target: it is written down. */
void tell_keep(struct out *, struct breaker_target *);
/* Of the timer's thread; without the lock. */
void tell_write(void *out);
void tell_state(void *out);

/* A number for jitter. */
uint64_t out_random(struct out *);
/* il_now_us(), il_monotonic_us() */
static inline int64_t
out_wall(const struct out *o)
{
    return il_now_us(o->host);
}
static inline int64_t
out_clock(const struct out *o)
{
    return il_monotonic_us(o->host);
}

#endif

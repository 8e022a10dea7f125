/* SPDX-License-Identifier: MIT */
/* Whether a target is to be asked at all.
 *
 * A target (scheme://host:port) that fails for everybody is left alone but for a
 * probe now and then, and no event pays for it with its attempts; one event that
 * fails for itself must neither shut the door for others nor keep it shut.
 *
 *   closed   everything is sent.  It opens when the newest attempts all failed
 *            and are (a) three without an answer of the application, of
 *            whatever events, or (b) ten, of at least three events, whose
 *            answers speak of the application and not of what it was sent.
 *   open     nothing is sent but probes, each with another event.  The first
 *            comes after 30 s, and each wait is twice the one before, up to
 *            5 min.  A 2xx closes.
 *   held     besides: the target asked for time (429, 503).  What is sent first
 *            when that is over is another event than the one that it said this
 *            of: else one that always makes it say so would hold it for ever.
 *
 * No clock, no lock, no thread: `now_us` is handed in (microseconds since 1970,
 * which may go back), and one thread at a time may call. */
#ifndef BREAKER_H
#define BREAKER_H

#include <stddef.h>
#include <stdint.h>

#define BREAKER_TARGETS 10000
#define BREAKER_NAME_MAX 255
#define BREAKER_CAUSE_MAX 160
#define BREAKER_FAILURES 10 /* of which it knows the events */

struct breaker;
struct breaker_target;

/* What came of an attempt. */
enum breaker_class {
    BREAKER_OK,        /* 2xx */
    BREAKER_NO_ANSWER, /* name, connect, TLS, time-out; 502, 504 */
    BREAKER_SICK,      /* other 5xx, 401, 403, 404 */
    BREAKER_BUSY,      /* 429, 503 */
    BREAKER_OTHER      /* any other answer: about the event */
};
/* Of an answer's status. */
enum breaker_class breaker_class_of(long status);

/* Remembers at most so many targets; those with a request in flight are never
 * forgotten.  NULL: no memory.  free accepts NULL. */
struct breaker *breaker_new(size_t most);
void breaker_free(struct breaker *);

/* The target of this name, which is closed where it is new; names are cut to
 * BREAKER_NAME_MAX.  NULL: no memory.  Valid until the next call, and for as
 * long as it has a request in flight. */
struct breaker_target *breaker_target(struct breaker *, const char *name,
                                      size_t len);

/* An event that could go to a target. */
struct breaker_event {
    uint64_t key;   /* tells events apart */
    int64_t due_us; /* since when it is due; 0: it was never tried */
    uint64_t position;
};
/* Which of count (at least 1) is to be sent next, of those for a target that is
 * open or wary (see breaker_state()): one that was not yet a probe and has not
 * made it ask for time, the longest due and then the oldest; one of which either
 * happened twice comes last. */
size_t breaker_pick(const struct breaker_target *,
                    const struct breaker_event *events, size_t count);

enum breaker_say { BREAKER_SEND, BREAKER_PROBE, BREAKER_WAIT };
/* May this event be sent?  BREAKER_SEND and BREAKER_PROBE: a request is in
 * flight, and breaker_done() or breaker_cancel() must follow.  BREAKER_WAIT: not
 * before *wait_us have passed. */
enum breaker_say breaker_ask(struct breaker_target *, uint64_t key,
                             int64_t now_us, int64_t *wait_us);

struct breaker_attempt {
    uint64_t key;
    int probe; /* it was BREAKER_PROBE */
    enum breaker_class what;
    int64_t last_try_us; /* of the same event, the one before; 0: none */
    int64_t busy_us;     /* BREAKER_BUSY: how long to leave it alone, by its
                          * Retry-After or the schedule: not 0, which would
                          * be asking it again at once and for nothing */
    const char *cause;   /* for a person: "HTTP 502"; never a secret */
};
struct breaker_verdict {
    int counts;         /* the failure costs the event one of its attempts */
    int opened, closed; /* by this attempt */
    int held;           /* the target, for busy_us */
};
struct breaker_verdict breaker_done(struct breaker_target *,
                                    const struct breaker_attempt *,
                                    int64_t now_us);
/* Nothing came of it: it was not sent, or given up by ourselves. */
void breaker_cancel(struct breaker_target *, uint64_t key, int probe);

/* For how long an event is to wait, of a target where breaker_ask() would say
 * BREAKER_WAIT.  Where it is open, events take turns: the first that asks after a
 * probe is to be the next one, the second the one after that, and so on, up to
 * an hour; more than that are spread over the hour.  So what waits for a target
 * that is away does not come each time that one is sent. */
int64_t breaker_turn(struct breaker_target *, int64_t now_us);

/* For status, metrics and the rate. */
struct breaker_state {
    const char *name, *cause; /* cause: the last one, "" */
    int open;
    int wary;         /* it asked for time, and nothing has got through since */
    int64_t since_us; /* of open */
    int64_t wait_us;  /* nothing is sent for so long; 0: now */
    uint32_t in_flight;
};
void breaker_state(const struct breaker_target *, int64_t now_us,
                   struct breaker_state *out);
/* Each one, those that were used last first, until fn returns other than 0. */
void breaker_each(const struct breaker *,
                  int (*fn)(void *arg, struct breaker_target *), void *arg);
size_t breaker_count(const struct breaker *);
/* The bucket of its rate: see pace_take_us(). */
int64_t *breaker_bucket(struct breaker_target *);
/* Where keep.h keeps it; 0 at first. */
uint32_t *breaker_place(struct breaker_target *);

/* A wait, which begins anew where the clock went back. */
struct breaker_wait {
    int64_t since_us, length_us;
};
/* What a restart is not to forget: whether it is open or has asked for time, and
 * the failures that may make it so.  Which events were probes is not in it. */
struct breaker_memory {
    char name[BREAKER_NAME_MAX + 1], cause[BREAKER_CAUSE_MAX];
    int64_t opened_us;
    struct breaker_wait probe, held;
    uint64_t failed[BREAKER_FAILURES];
    uint32_t open, wary, no_answers, failures;
};
/* 1; 0: there is nothing to remember, as of a target that was never seen. */
int breaker_remember(const struct breaker_target *, struct breaker_memory *);
/* As it was.  NULL: no memory. */
struct breaker_target *breaker_restore(struct breaker *,
                                       const struct breaker_memory *);

#endif

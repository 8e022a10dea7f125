/* SPDX-License-Identifier: MIT */
/* Rates: how many events may come in what time, and how many of them at once.
 *
 * A bucket holds `burst` events and fills at its rate.  Who takes more than the
 * whole bucket holds has to wait until it is full, and then owes the rest: so
 * a batch of any size passes some time, and the rate holds over time. */
#ifndef RATE_H
#define RATE_H

#include <stdint.h>

struct rate {
    uint64_t events; /* in so much time; 0: no limit */
    uint64_t per_ns;
    uint64_t burst;
};

/* In place of events, all in one word, the time at which it will be full:
 * threads may ask while another takes. */
struct bucket {
    struct rate rate;
    int64_t full_ns; /* atomic; clock_monotonic_us() in ns */
};

/* A bucket, and how its users take it.  After so many refusals in a row, with
 * nothing accepted in between, they are not heard any more until the time that
 * they were told: saying no must cost less than asking does. */
#define LIMIT_PATIENCE 32
struct limit {
    struct bucket bucket;
    uint32_t refusals; /* atomic */
    int64_t refuse_until_ns; /* atomic: until then */
};

#define RATE_EVENTS_MAX 1000000000

/* "1000/s", "600/m", "100/10s": the burst is that of the first number.  0, or
 * -EINVAL with a message that completes "expected". */
int rate_parse(const char *text, struct rate *out, const char **why);

/* The monotonic clock, as buckets count it. */
int64_t rate_now_ns(void);
/* How long until n events may be taken: 0: now. */
int64_t rate_wait_ns(const struct bucket *, uint64_t n, int64_t now_ns);
/* Take n events.  One thread at a time. */
void rate_take(struct bucket *, uint64_t n, int64_t now_ns);
/* As rate_wait_ns() and rate_take(), taking note. */
int64_t rate_limit_ask(struct limit *, uint64_t n, int64_t now_ns);
void rate_limit_take(struct limit *, uint64_t n, int64_t now_ns);
/* How long it does not listen.  Any thread. */
int64_t rate_limit_refuses_ns(const struct limit *, int64_t now_ns);
/* A bucket, or limit, in place of another one: what is taken by now stays taken, at
 * its own rate; whom the other did not listen to any more it hears where the rate is
 * another.  Before its first use; the other may be in use still. */
void rate_follow(struct bucket *, const struct bucket *before, int64_t now_ns);
void rate_limit_follow(struct limit *, const struct limit *before,
                       int64_t now_ns);
/* A time in seconds that is not too short, for Retry-After: 1 or more. */
uint32_t rate_seconds(int64_t wait_ns);

#endif

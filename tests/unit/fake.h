/* SPDX-License-Identifier: MIT */
/* A destination inside the test: it takes batches, settles them as told, from
 * a thread of its own, and remembers what became durable and in which order. */
#ifndef FAKE_H
#define FAKE_H

#include "lane/lane.h"

#include <pthread.h>

#define FAKE_MAX 200000 /* events */
#define FAKE_HELD 16

struct held {
    struct il_batch *batch;
    struct il_ack *ack;
};

struct fake {
    struct il_plugin plugin;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t thread;
    int running, quit;

    /* Called without the lock, by the fake's thread, with the number of the
     * attempt (from 0). */
    void (*act)(struct fake *, struct il_batch *, struct il_ack *, int n);
    int write_error; /* write() answers this so many times */
    int write_errors;
    int reverse; /* gather in_flight batches and act on the newest first */

    struct held held[FAKE_HELD];
    uint32_t held_count;
    uint64_t *got; /* positions that are durable, in order of arrival */
    uint32_t got_count;
    int writes, flushes;
    uint32_t flush_ms;

    /* resume(): these answers in turn, then 0 and the position. */
    int resume_errors[8];
    int resumes;
    uint64_t resume_position, resume_seen;
    uint32_t resume_set_backs;
    int tells; /* where it is, by what it has got */
    int stubborn, rewinds; /* does not go back; how often it did */
    uint8_t resume_spool[16];
};

void fake_open(struct fake *, uint32_t in_flight);
/* Answer resume() from now on. */
void fake_resuming(struct fake *);
/* Change what is done with batches; NULL: settle IL_OK. */
void fake_act(struct fake *, void (*act)(struct fake *, struct il_batch *,
                                         struct il_ack *, int n));
/* A new process: what is durable stays, all else is as after fake_open(). */
void fake_restart(struct fake *);
/* As a plugin's stop(): no thread of it runs afterwards. */
void fake_stop(struct fake *);
void fake_close(struct fake *);
/* Durable, then settled. */
void fake_ok(struct fake *, struct il_batch *, struct il_ack *);
uint32_t fake_count(struct fake *);
int fake_writes(struct fake *); /* calls of write() */
/* Wait until so many events are durable, 20 s at most; how many there are. */
uint32_t fake_wait(struct fake *, uint32_t events);

#endif

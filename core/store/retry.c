/* SPDX-License-Identifier: MIT */
#include "retry.h"

#include "base/clock.h"
#include "codec/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BYTES (2u << 20) /* of the spool's buffer, which others need too */
#define GROUP_LETTERS 1000
#define SYNC_US 20000000 /* a disk that takes longer is one to be looked at */

struct retry {
    struct spool *spool;
    struct dead *dead;
    pthread_mutex_t turn; /* of retry_letters(); guards what is of one caller */
    /* Held across an append and the look at failures: positions that failed
     * are given out again. */
    pthread_mutex_t lock;
    uint32_t failures;

    /* The letters that are appended next, of one caller. */
    struct il_text bodies;
    size_t ends[GROUP_LETTERS]; /* of each body */
    struct dead_claim claims[GROUP_LETTERS];
    struct retry_item *items[GROUP_LETTERS];
    uint32_t count;
};

static void
spool_told(void *arg, uint64_t up_to, int error)
{
    struct retry *r = arg;
    (void) up_to;
    if (!error)
        return;
    pthread_mutex_lock(&r->lock);
    r->failures++;
    pthread_mutex_unlock(&r->lock);
}

int
retry_new(struct spool *spool, struct dead *dead, struct retry **out)
{
    struct retry *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return -ENOMEM;
    r->spool = spool;
    r->dead = dead;
    pthread_mutex_init(&r->turn, NULL);
    pthread_mutex_init(&r->lock, NULL);
    int err = spool_notify(spool, spool_told, r);
    if (err)
        retry_free(r);
    else
        *out = r;
    return err;
}

void
retry_free(struct retry *r)
{
    if (!r)
        return;
    text_clear(&r->bodies);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->turn);
    free(r);
}

/* --- a group of letters --- */

static uint32_t
failures(struct retry *r)
{
    pthread_mutex_lock(&r->lock);
    uint32_t n = r->failures;
    pthread_mutex_unlock(&r->lock);
    return n;
}

/* Wait until the group is on disk.  The durable position is read before the
 * failures: it is of a time when there were no more. */
static int
group_sync(struct retry *r, uint64_t last, uint32_t failures_before)
{
    int64_t until = clock_monotonic_us() + SYNC_US;
    for (;;) {
        spool_flush(r->spool, 1000000);
        int durable = spool_durable(r->spool) >= last;
        if (failures(r) != failures_before)
            return spool_health(r->spool) ?: -ENOSPC;
        if (durable)
            return 0;
        if (clock_monotonic_us() >= until)
            return -ETIMEDOUT;
    }
}

static int
group_append(struct retry *r, uint64_t *first, uint32_t *failures_before)
{
    struct slice bodies[GROUP_LETTERS];
    size_t at = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        bodies[i] = slice_of(r->bodies.data + at, r->ends[i] - at);
        at = r->ends[i];
    }
    pthread_mutex_lock(&r->lock);
    *failures_before = r->failures;
    int err = spool_append_so(r->spool, bodies, r->count, first, SPOOL_RESERVE);
    pthread_mutex_unlock(&r->lock);
    return err;
}

static int
group_end(struct retry *r, const char *lane)
{
    uint64_t first;
    uint32_t failures_before;
    if (!r->count)
        return 0;
    int err = group_append(r, &first, &failures_before);
    if (!err)
        err = group_sync(r, first + r->count - 1, failures_before);
    for (uint32_t i = 0; i < r->count && !err; i++)
        r->items[i]->position = r->claims[i].position = first + i;
    if (!err)
        err = dead_claim_new(r->dead, lane, r->claims, r->count);
    r->count = 0;
    r->bodies.len = 0;
    return err;
}

/* --- one letter --- */

struct taking {
    struct retry *retry;
    struct retry_item *item;
    uint64_t passed;
    int anew;
};

/* Where the letter's event first stood: as the letter says, or the frame that
 * is in it, or, of older versions, where the letter is. */
static struct event_origin
letter_origin(const struct retry *r, const struct dead_letter *l)
{
    struct event_origin here;
    struct event_retry before;
    if (l->origin.position)
        return l->origin;
    int again =
        l->event.len && event_retry(l->event.ptr, l->event.len, &before) == 1;
    if (again && before.origin.position)
        return before.origin;
    spool_origin(r->spool, again ? before.letter : l->position, &here);
    return here;
}

static int
letter_take(void *arg, const struct dead_letter *l)
{
    struct taking *t = arg;
    const char *code = l->reason.code, *message = l->reason.message;
    struct event_retry mark = { .lane = slice_of(l->lane, strlen(l->lane)),
                                .letter = l->position,
                                .attempts = l->attempts,
                                .origin = letter_origin(t->retry, l),
                                .first_us = l->first_us,
                                .since_us = l->at_us,
                                .code = slice_of(code, strlen(code)),
                                .message = slice_of(message, strlen(message)) };
    if (!t->anew)
        mark.decided = l->decided;
    t->item->position = l->retry ? l->retry : l->position;
    if (l->retry || l->position > t->passed)
        return -EALREADY;
    return event_retry_pack(&t->retry->bodies, l->event.ptr, l->event.len,
                            &mark);
}

static int
letter_add(struct retry *r, const char *lane, uint64_t passed, int anew,
           struct retry_item *item)
{
    struct taking t = { r, item, passed, anew };
    int err = dead_get(r->dead, lane, item->letter, letter_take, &t);
    switch (err) {
    case 0:
        item->result = RETRY_DONE;
        r->claims[r->count].letter = item->letter;
        r->items[r->count] = item;
        r->ends[r->count++] = r->bodies.len;
        return 0;
    case -EALREADY:
        item->result = RETRY_UNDER_WAY;
        return 0;
    case -ENOENT:
        item->result = RETRY_GONE;
        return 0;
    case -EINVAL:
        item->result = RETRY_NO_EVENT;
        return 0;
    default:
        return err;
    }
}

static void
explain(struct retry *r, int err, char *why, size_t size)
{
    char text[200] = "";
    if (err == -ENOSPC || err == -EIO)
        spool_health_text(r->spool, text, sizeof text);
    snprintf(why, size, "%s", text[0] ? text : strerror(-err));
}

int
retry_letters(struct retry *r, const char *lane, uint64_t passed, int anew,
              struct retry_item *items, size_t n, char *why, size_t why_size)
{
    int err = 0;
    pthread_mutex_lock(&r->turn);
    r->count = 0;
    r->bodies.len = 0;
    for (size_t i = 0; i < n && !err; i++) {
        err = letter_add(r, lane, passed, anew, &items[i]);
        if (!err
            && (r->count == GROUP_LETTERS || r->bodies.len >= GROUP_BYTES))
            err = group_end(r, lane);
    }
    if (!err)
        err = group_end(r, lane);
    if (err)
        explain(r, err, why, why_size);
    text_clear(&r->bodies);
    pthread_mutex_unlock(&r->turn);
    return err;
}

/* SPDX-License-Identifier: MIT */
/* The "retry" and "due" requests of the control socket: dead letters of a lane,
 * and what is parked there, are to be tried now; somebody else has changed what
 * is parked. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_MAX 10000 /* of one request */

static const char *const result_words[] = { "retried", "under_way", "gone",
                                            "no_event" };

/* One number a line.  How many, or a negative errno. */
static int
read_numbers(struct slice body, struct retry_item *out)
{
    const char *p = body.ptr, *end = p + body.len;
    int n = 0;
    while (p < end) {
        uint64_t number = 0;
        const char *start = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(number, 10, &number)
                || __builtin_add_overflow(number, (uint64_t) (*p - '0'),
                                          &number))
                return -EINVAL;
        if (p == start || p == end || *p++ != '\n' || n == LETTERS_MAX)
            return -EINVAL;
        out[n++].letter = number;
    }
    return n;
}

/* Those that the spool takes to the lane. */
static void
retry_by_spool(struct host *h, const char *name, const struct lane_status *at,
               struct retry_item *items, int n, struct il_text *reply)
{
    char why[256];
    if (n
        && retry_letters(h->retry, name, at->position, items, (size_t) n, why,
                         sizeof(why))) {
        reply->len = 0;
        text_printf(reply, "error %s\n", why);
        return;
    }
    for (int i = 0; i < n; i++)
        text_printf(reply, "%" PRIu64 " %s %" PRIu64 "\n", items[i].letter,
                    result_words[items[i].result], items[i].position);
}

/* Of a lane that has no such destination any more: nobody would send them. */
static int
find_stuck(struct parked_lane *parked, struct parked_ask *asks, int n)
{
    struct il_text buffer = { 0 };
    struct parked_letter l;
    struct parked_event e;
    int found = 0;
    for (int i = 0; i < n && found >= 0; i++) {
        found = parked_read(parked, asks[i].position, &buffer, &e);
        if (!found)
            found = parked_letter_read(parked, asks[i].position, &buffer, &l);
        asks[i].found = found ? PARKED_DAMAGED : PARKED_NOT_THERE;
        found = found == -EIO ? 0 : found;
    }
    text_clear(&buffer);
    return found < 0 ? found : 0;
}

static void
put_asked(struct il_text *reply, const struct parked_ask *a, int per_event)
{
    const char *word = !per_event                    ? "not_one_by_one"
                       : a->found == PARKED_DAMAGED  ? "damaged"
                       : a->found == PARKED_NO_EVENT ? "no_event"
                       : a->found == PARKED_BEHIND   ? "behind"
                                                     : "now";
    text_printf(reply, "%" PRIu64 " %s %" PRIu32 "\n", a->position, word,
                a->turn);
}

/* Those that the lane has beside it are made due, and answered for; how many
 * are left in items, or a negative errno. */
static int
retry_parked(struct host *h, const char *name, struct lane *lane, int per_event,
             struct retry_item *items, int n, struct il_text *reply)
{
    struct parked_lane *parked;
    int rest = 0;
    int err = h->parked ? parked_lane_find(h->parked, name, &parked) : -ENOENT;
    if (err || !n)
        return err && err != -ENOENT ? err : n;
    struct parked_ask *asks = calloc((size_t) n, sizeof(*asks));
    if (!asks)
        return -ENOMEM;
    for (int i = 0; i < n; i++)
        asks[i].position = items[i].letter;
    err = per_event ? parked_ask(parked, asks, (size_t) n, clock_wall_us())
                    : find_stuck(parked, asks, n);
    for (int i = 0; i < n && !err; i++)
        if (asks[i].found == PARKED_NOT_THERE)
            items[rest++].letter = asks[i].position;
        else
            put_asked(reply, &asks[i], per_event);
    free(asks);
    if (!err && rest < n)
        lane_due_changed(lane);
    return err ? err : rest;
}

static void
retry(struct host *h, const char *name, struct lane *lane,
      struct retry_item *items, int n, struct il_text *reply)
{
    struct lane_status at;
    lane_status(lane, &at);
    n = retry_parked(h, name, lane, at.per_event, items, n, reply);
    if (n < 0)
        text_printf(reply,
                    "error parked events cannot be read or written: "
                    "%s\n",
                    strerror(-n));
    else
        retry_by_spool(h, name, &at, items, n, reply);
}

void
host_retry(void *arg, const char *line, struct slice body,
           struct il_text *reply)
{
    struct host *h = arg;
    struct retry_item *items = calloc(LETTERS_MAX, sizeof(*items));
    int n = items ? read_numbers(body, items) : -ENOMEM;
    const struct assembly_lane *l = host_find_lane(h, line);
    struct lane *lane = l ? l->lane : NULL;
    if (n < 0)
        text_printf(reply, "error %s\n",
                    n == -ENOMEM ? "no memory" : "not a list of positions");
    else if (!lane)
        text_printf(reply, "error the running configuration has no active or "
                           "paused pipeline with the lane %.400s\n", line);
    else
        retry(h, line, lane, items, n, reply);
    free(items);
}

void
host_due(void *arg, const char *line, struct slice body, struct il_text *reply)
{
    const struct assembly_lane *l = host_find_lane(arg, line);
    (void) body;
    if (l && l->lane)
        lane_due_changed(l->lane);
    text_puts(reply, "{}\n");
}

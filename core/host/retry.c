/* SPDX-License-Identifier: MIT */
/* The "retry", "anew" and "due" requests of the control socket: dead letters of a lane,
 * and what is parked there, are to be tried now; somebody else has changed what
 * is parked. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_MAX 10000 /* of one request */

/* What is asked about letters of a lane. */
struct asked {
    const char *name;
    struct lane *lane;
    int anew;
    struct retry_item *items;
    int n;
};

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
retry_by_spool(struct host *h, const struct asked *a, uint64_t passed,
               struct il_text *reply)
{
    char why[256];
    if (a->n
        && retry_letters(h->retry, a->name, passed, a->anew, a->items,
                         (size_t) a->n, why, sizeof(why))) {
        reply->len = 0;
        text_printf(reply, "error %s\n", why);
        return;
    }
    for (int i = 0; i < a->n; i++)
        text_printf(reply, "%" PRIu64 " %s %" PRIu64 "\n", a->items[i].letter,
                    result_words[a->items[i].result], a->items[i].position);
}

/* What can be done with none of them: of a lane that has no such destination any
 * more, which would send them; or to be decided anew, of which only what was
 * decided was kept. */
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
put_asked(struct il_text *reply, const struct parked_ask *ask,
          const char *stuck)
{
    const char *word = stuck                           ? stuck
                       : ask->found == PARKED_DAMAGED  ? "damaged"
                       : ask->found == PARKED_NO_EVENT ? "no_event"
                       : ask->found == PARKED_BEHIND   ? "behind"
                                                       : "now";
    text_printf(reply, "%" PRIu64 " %s %" PRIu32 "\n", ask->position, word,
                ask->turn);
}

/* Those that the lane has beside it are made due, and answered for; how many
 * are left, or a negative errno. */
static int
retry_parked(struct host *h, const struct asked *a, int per_event,
             struct il_text *reply)
{
    const char *stuck = !per_event ? "not_one_by_one"
                        : a->anew  ? "decided"
                                   : NULL;
    struct parked_lane *parked;
    int n = a->n, rest = 0;
    int err =
        h->parked ? parked_lane_find(h->parked, a->name, &parked) : -ENOENT;
    if (err || !n)
        return err && err != -ENOENT ? err : n;
    struct parked_ask *asks = calloc((size_t) n, sizeof(*asks));
    if (!asks)
        return -ENOMEM;
    for (int i = 0; i < n; i++)
        asks[i].position = a->items[i].letter;
    err = !stuck ? parked_ask(parked, asks, (size_t) n, clock_wall_us())
                 : find_stuck(parked, asks, n);
    for (int i = 0; i < n && !err; i++)
        if (asks[i].found == PARKED_NOT_THERE)
            a->items[rest++].letter = asks[i].position;
        else
            put_asked(reply, &asks[i], stuck);
    free(asks);
    if (!err && rest < n)
        lane_due_changed(a->lane);
    return err ? err : rest;
}

static void
retry(struct host *h, struct asked *a, struct il_text *reply)
{
    struct lane_status at;
    lane_status(a->lane, &at);
    a->n = retry_parked(h, a, at.per_event, reply);
    if (a->n < 0)
        text_printf(reply,
                    "error parked events cannot be read or written: "
                    "%s\n",
                    strerror(-a->n));
    else
        retry_by_spool(h, a, at.position, reply);
}

static void
asked(struct host *h, const char *line, int anew, struct slice body,
      struct il_text *reply)
{
    struct asked a = { .name = line, .anew = anew };
    const struct assembly_lane *l = host_find_lane(h, line);
    a.items = calloc(LETTERS_MAX, sizeof(*a.items));
    a.n = a.items ? read_numbers(body, a.items) : -ENOMEM;
    a.lane = l ? l->lane : NULL;
    if (a.n < 0)
        text_printf(reply, "error %s\n",
                    a.n == -ENOMEM ? "no memory" : "not a list of positions");
    else if (!a.lane)
        text_printf(reply, "error the running configuration has no active or "
                           "paused pipeline with the lane %.400s\n", line);
    else
        retry(h, &a, reply);
    free(a.items);
}

void
host_retry(void *arg, const char *line, struct slice body,
           struct il_text *reply)
{
    asked(arg, line, 0, body, reply);
}

void
host_anew(void *arg, const char *line, struct slice body, struct il_text *reply)
{
    asked(arg, line, 1, body, reply);
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

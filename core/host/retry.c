/* SPDX-License-Identifier: MIT */
/* Dead letters of a lane, and what is parked there, are to be tried now;
 * somebody else has changed what is parked. */
#include "body.h"
#include "private.h"

#include "base/clock.h"
#include "codec/json_out.h"

#include <errno.h>
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

/* {"letters":[...],"anew":true}.  0 or -EINVAL. */
static int
read_members(struct asked *a, const struct il_value *body)
{
    struct il_value letters, one;
    int err = host_body_list(body, "letters", LETTERS_MAX, &letters);
    if (!err && letters.type == IL_MISSING)
        err = -EINVAL;
    for (size_t iter = 0; !err && msg_item(&letters, &iter, NULL, &one);)
        err = host_body_position(&one, &a->items[a->n++].letter);
    return err ? err : host_body_bool(body, "anew", &a->anew);
}

static int
read_asked(struct asked *a, struct slice body)
{
    struct il_text packed = { 0 };
    struct il_value value;
    a->items = calloc(LETTERS_MAX, sizeof(*a->items));
    if (!a->items)
        return -ENOMEM;
    int err = host_body_read(body, &packed, &value);
    if (!err)
        err = read_members(a, &value);
    text_clear(&packed);
    return err;
}

static void
put_result(struct json_out *o, uint64_t letter, const char *result,
           const char *what, uint64_t number)
{
    json_out_object(o, NULL);
    json_out_number(o, "letter", letter);
    json_out_str(o, "result", result);
    json_out_number(o, what, number);
    json_out_end(o);
}

/* Those that the spool takes to the lane; 0 or the status of why not. */
static int
retry_by_spool(struct host_request *r, const struct asked *a, uint64_t passed,
               struct json_out *o)
{
    char why[256];
    if (a->n
        && retry_letters(r->host->retry, a->name, passed, a->anew, a->items,
                         (size_t) a->n, why, sizeof(why)))
        return host_refuse(r, 503, "not_now", "%s", why);
    for (int i = 0; i < a->n; i++)
        put_result(o, a->items[i].letter, result_words[a->items[i].result],
                   "position", a->items[i].position);
    return 0;
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
put_asked(struct json_out *o, const struct parked_ask *ask, const char *stuck)
{
    const char *word = stuck                           ? stuck
                       : ask->found == PARKED_DAMAGED  ? "damaged"
                       : ask->found == PARKED_NO_EVENT ? "no_event"
                       : ask->found == PARKED_BEHIND   ? "behind"
                                                       : "now";
    put_result(o, ask->position, word, "turn", ask->turn);
}

/* Those that the lane has beside it are made due, and answered for; how many
 * are left, or a negative errno. */
static int
retry_parked(struct host *h, const struct asked *a, int per_event,
             struct json_out *o)
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
            put_asked(o, &asks[i], stuck);
    free(asks);
    if (!err && rest < n)
        lane_due_changed(a->lane);
    return err ? err : rest;
}

static int
retry(struct host_request *r, struct asked *a)
{
    struct lane_status at;
    struct json_out o;
    lane_status(a->lane, &at);
    host_answer_begin(r, &o);
    json_out_array(&o, "letters");
    a->n = retry_parked(r->host, a, at.per_event, &o);
    if (a->n < 0)
        return host_refuse(r, 500, "io",
                           "parked events cannot be read or written: %s",
                           strerror(-a->n));
    int refused = retry_by_spool(r, a, at.position, &o);
    if (refused)
        return refused;
    json_out_end(&o);
    return host_answer(r, &o);
}

int
host_retry(struct host_request *r)
{
    struct asked a = { .name = r->name };
    const struct assembly_lane *l = host_find_lane(r->host, r->name);
    int status, err = read_asked(&a, r->body);
    a.lane = l ? l->lane : NULL;
    if (err == -ENOMEM)
        status = host_refuse(r, 503, "no_memory", "no memory");
    else if (err)
        status = host_refuse(r, 400, "bad_request",
                             "\"letters\" is no list of up to %d positions, or "
                             "\"anew\" neither true nor false",
                             LETTERS_MAX);
    else if (!a.lane)
        status = host_refuse(r, 404, "unknown_lane",
                             "the running configuration has no active or "
                             "paused pipeline with the lane %s",
                             r->name);
    else
        status = retry(r, &a);
    free(a.items);
    return status;
}

int
host_due(struct host_request *r)
{
    const struct assembly_lane *l = host_find_lane(r->host, r->name);
    struct json_out o;
    if (l && l->lane)
        lane_due_changed(l->lane);
    host_answer_begin(r, &o);
    return host_answer(r, &o);
}

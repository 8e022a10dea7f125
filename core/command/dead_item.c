/* SPDX-License-Identifier: MIT */
/* Both stores as one: the letters of the gate and of lanes that deliver batches
 * (store/dead.h), and what lanes that deliver event by event leave behind
 * (store/parked.h). */
#include "private.h"
#include "dead.h"

#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- opening -------------------------------------------------------------- */

static int
open_dead(struct dead_job *j, int read_only)
{
    char path[sizeof j->dir + sizeof "/dead"];
    snprintf(path, sizeof path, "%s/dead", j->dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    int err = dead_open(path, read_only, &j->store);
    return err == -ENOENT ? 0 : err;
}

int
command_dead_store(struct dead_job *j, int read_only)
{
    if (j->state_dir && strlen(j->state_dir) < sizeof j->dir)
        strcpy(j->dir, j->state_dir);
    else if (j->state_dir)
        return command_dead_usage("the name of state_dir is too long");
    else if (command_find_state_dir(j->config, j->dir, sizeof j->dir))
        return 1;
    if (j->state_dir && access(j->dir, F_OK) != 0) {
        fprintf(stderr, "ingestlayer dead: state_dir %s: %s\n", j->dir,
                strerror(errno));
        return 1;
    }
    if (j->state_dir && command_become_owner(j->dir, 0))
        return 1;
    if (open_dead(j, read_only))
        return 1; /* it has said why */
    int err = parked_open(j->dir, read_only ? PARKED_READ : PARKED_CHANGE, NULL,
                          &j->parked);
    return err && err != -ENOENT;
}

void
command_dead_close(struct dead_job *j)
{
    if (j->store)
        dead_close(j->store);
    parked_close(j->parked);
    batch_free(j->batch);
    text_clear(&j->text);
    text_clear(&j->buffer);
    text_clear(&j->unpacked);
}

/* --- from what the stores have -------------------------------------------- */

static const char *
text_or_null(const char *s)
{
    return s && *s ? s : NULL;
}

static struct dead_item
item_of_letter(const struct dead_letter *l)
{
    return (struct dead_item){ .kind = DEAD_LETTER,
                               .lane = l->lane,
                               .position = l->position,
                               .at_us = l->at_us,
                               .attempts = l->attempts,
                               .code = l->reason.code,
                               .message = l->reason.message,
                               .field = l->reason.field,
                               .rule = l->reason.rule,
                               .key = l->key,
                               .retry = l->retry,
                               .decided = l->decided,
                               .first_us = l->first_us,
                               .due_us = l->due_us,
                               .event = l->event };
}

static struct dead_item
item_of_own(const char *lane, const struct parked_letter *l)
{
    return (struct dead_item){ .kind = DEAD_OWN_LETTER,
                               .lane = lane,
                               .position = l->position,
                               .at_us = l->at_us,
                               .first_us = l->first_us,
                               .attempts = l->attempts,
                               .code = text_or_null(l->code),
                               .message = text_or_null(l->message),
                               .target = text_or_null(l->target),
                               .event = slice_of(l->event, l->event_len) };
}

static struct dead_item
item_of_parked(const char *lane, const struct parked_event *e)
{
    return (struct dead_item){ .kind = DEAD_WAITING,
                               .lane = lane,
                               .position = e->position,
                               .at_us = e->since_us,
                               .first_us = e->first_us,
                               .attempts = e->attempts,
                               .code = text_or_null(e->code),
                               .message = text_or_null(e->message),
                               .target = text_or_null(e->target),
                               .due_us = parked_due_us(e),
                               .behind = e->waits_behind,
                               .was_letter = e->again,
                               .event = slice_of(e->event, e->event_len) };
}

/* --- which ---------------------------------------------------------------- */

int
command_dead_waits(const struct dead_item *it)
{
    return it->kind == DEAD_WAITING || it->due_us;
}

int
command_dead_is_gate(const char *lane)
{
    return strncmp(lane, "gate/", 5) == 0;
}

static int
lane_chosen(const struct dead_job *j, const char *lane)
{
    size_t len = j->pipeline ? strlen(j->pipeline) : 0;
    return (!j->lane || strcmp(j->lane, lane) == 0)
           && (!j->pipeline
               || (strncmp(lane, j->pipeline, len) == 0 && lane[len] == '/'));
}

static int
reason_chosen(const char *reason, const struct dead_item *it)
{
    return (it->code && strcmp(it->code, reason) == 0)
           || (it->message && strstr(it->message, reason));
}

static int
is_chosen(struct dead_job *j, const struct dead_item *it)
{
    int64_t at = command_dead_waits(it) ? it->first_us : it->at_us;
    struct known k;
    if (!lane_chosen(j, it->lane) || at < j->since_us
        || (j->code && (!it->code || strcmp(j->code, it->code) != 0))
        || (j->reason && !reason_chosen(j->reason, it)))
        return 0;
    if (!j->event)
        return 1;
    command_dead_known(j, it, &k);
    return slice_equal(k.id, slice_of(j->event, strlen(j->event)));
}

/* --- walking, and one ------------------------------------------------------ */

struct walk {
    struct dead_job *job;
    command_dead_fn *fn;
    void *arg;
    int all; /* nothing is chosen */
};

static int
walk_item(const struct walk *w, const struct dead_item *it)
{
    return w->all || is_chosen(w->job, it) ? w->fn(w->arg, it) : 0;
}

static int
walk_letter(void *arg, const struct dead_letter *l)
{
    const struct walk *w = arg;
    struct dead_item it = item_of_letter(l);
    if (w->all || !l->due_us == !w->job->waiting)
        return walk_item(arg, &it);
    w->job->timed += l->due_us && lane_chosen(w->job, l->lane);
    return 0;
}

static int
walk_own(void *arg, const char *lane, const struct parked_letter *l)
{
    struct dead_item it = item_of_own(lane, l);
    return walk_item(arg, &it);
}

static int
walk_parked(void *arg, const char *lane, const struct parked_event *e)
{
    struct dead_item it = item_of_parked(lane, e);
    return walk_item(arg, &it);
}

int
command_dead_each(struct dead_job *j, command_dead_fn *fn, void *arg)
{
    struct walk w = { .job = j, .fn = fn, .arg = arg };
    int err = 0;
    if (j->parked && j->waiting)
        err = parked_walk(j->parked, j->lane, walk_parked, &w);
    else if (j->parked)
        err = parked_walk_letters(j->parked, j->lane, walk_own, &w);
    if (!err && j->store)
        err = dead_each(j->store, j->lane, walk_letter, &w);
    return err;
}

/* 1: it is there, and *it points into the job's buffer; 0; a negative errno. */
static int
find_parked(struct dead_job *j, uint64_t position, struct dead_item *it)
{
    struct parked_lane *lane;
    struct parked_event e;
    struct parked_letter l;
    int err = parked_lane_find(j->parked, j->lane, &lane);
    if (err)
        return err == -ENOENT ? 0 : err;
    int found = parked_read(lane, position, &j->buffer, &e);
    if (found > 0)
        *it = item_of_parked(j->lane, &e);
    if (found)
        return found;
    found = parked_letter_read(lane, position, &j->buffer, &l);
    if (found > 0)
        *it = item_of_own(j->lane, &l);
    return found;
}

int
command_dead_find(struct dead_job *j, uint64_t position, command_dead_fn *fn,
                  void *arg)
{
    struct walk w = { .job = j, .fn = fn, .arg = arg, .all = 1 };
    struct dead_item it;
    int found = j->parked ? find_parked(j, position, &it) : 0;
    if (found)
        return found < 0 ? found : fn(arg, &it);
    return j->store ? dead_get(j->store, j->lane, position, walk_letter, &w)
                    : -ENOENT;
}

struct counting {
    const struct dead_job *job;
    uint64_t n;
};

static int
count_lane(void *arg, const struct parked_lane_info *info)
{
    struct counting *c = arg;
    if (lane_chosen(c->job, info->name))
        c->n += info->counts.parked;
    return 0;
}

uint64_t
command_dead_waiting(struct dead_job *j)
{
    struct counting c = { .job = j };
    if (j->parked)
        parked_lanes(j->parked, count_lane, &c);
    return c.n + j->timed;
}

/* --- the event ------------------------------------------------------------- */

static struct slice
member(const struct il_value *map, const char *key)
{
    struct il_value v;
    if (map->type == IL_MAP && msg_find(map, key, strlen(key), &v)
        && v.type == IL_STRING)
        return slice_of(v.str, v.len);
    return slice_of(NULL, 0);
}

/* As it was decided, in a batch of its own. */
static int
known_decided(struct dead_job *j, const struct dead_item *it, struct known *out)
{
    const struct batch_again again = {
        .attempts = it->kind == DEAD_WAITING ? it->attempts : 0,
        .first_us = it->first_us,
        .since_us = it->at_us,
        .code = it->code,
        .message = it->message,
    };
    if (!j->batch && !(j->batch = batch_new()))
        return -ENOMEM;
    batch_clear(j->batch);
    int err = batch_add_decided(j->batch, it->position, it->event.ptr,
                                it->event.len, &again);
    if (err)
        return err;
    out->ev = j->batch->events[0].ev;
    out->entities = j->batch->events[0].entities;
    return 0;
}

static void
known_refused(struct dead_job *j, const struct dead_item *it, struct known *out)
{
    struct json_error error;
    struct il_value v;
    j->unpacked.len = 0;
    if (json_to_msgpack(it->event.ptr, it->event.len, &j->unpacked, &error))
        return;
    const char *p = j->unpacked.data;
    out->json = 1;
    if (msg_head(&p, p + j->unpacked.len, &v))
        return;
    out->id = member(&v, "id");
    out->type = member(&v, "type");
}

void
command_dead_known(struct dead_job *j, const struct dead_item *it,
                   struct known *out)
{
    *out = (struct known){ .accepted = 0 };
    if (command_dead_is_gate(it->lane)) {
        known_refused(j, it, out);
        return;
    }
    if (it->kind == DEAD_LETTER
            ? event_unpack(it->event.ptr, it->event.len, &out->ev)
            : known_decided(j, it, out))
        return;
    out->accepted = 1;
    out->id = out->ev.id;
    out->type = out->ev.type;
}

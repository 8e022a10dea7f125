/* SPDX-License-Identifier: MIT */
/* What events tell of entities is made durable before they are accepted.
 *
 * So an event that is found to be a duplicate has had its upserts, and a retry
 * that comes late cannot set an entity back.  The store syncs on each
 * transaction: a thread of the gate's puts the upserts of all requests that
 * wait into one, and the requests go on to the spool from their own loops. */
#include "config.h"

#include "private.h"
#include "base/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Events and traits that may wait: above, senders are told to come again. */
#define WAITING_MAX (64 << 20)

/* --- taking --------------------------------------------------------------- */

static struct gate_upsert *
upsert_add(struct gate_batch *b)
{
    if (b->upsert_count == b->upsert_capacity) {
        uint32_t capacity = b->upsert_capacity ? b->upsert_capacity * 2 : 16;
        struct gate_upsert *more
            = realloc(b->upserts, capacity * sizeof(*more));
        if (!more)
            return NULL;
        b->upserts = more;
        b->upsert_capacity = capacity;
    }
    struct gate_upsert *u = &b->upserts[b->upsert_count++];
    memset(u, 0, sizeof(*u));
    u->item = b->count - 1;
    return u;
}

static int
copy_traits(struct gate_batch *b, const struct il_upsert *from)
{
    const char *p = from->traits, *end = p + from->traits_len;
    struct json_error error;
    struct il_value v = { .type = IL_MISSING };
    size_t before = b->traits.len;
    if (!p)
        return -EINVAL;
    if (from->encoding == IL_JSON) {
        int err = json_to_msgpack(p, from->traits_len, &b->traits, &error);
        if (err)
            return err;
        p = b->traits.data + before;
        return msg_head(&p, b->traits.data + b->traits.len, &v)
                       || v.type != IL_MAP
                   ? -EINVAL
                   : 0;
    }
    if (msg_check(p, from->traits_len) || msg_head(&p, end, &v)
        || v.type != IL_MAP)
        return -EINVAL;
    return text_put(&b->traits, from->traits, from->traits_len);
}

static int
take_one(struct gate_batch *b, const struct il_upsert *from)
{
    struct slice id = slice_of(from->id, from->id_len);
    struct gate_upsert *u = upsert_add(b);
    if (!u)
        return -ENOMEM;
    u->kind = from->kind;
    u->id = (uint32_t) b->traits.len;
    u->id_len = (uint32_t) id.len;
    if (!from->kind || !id.ptr || !entity_id_valid(id))
        return gate_problem(b, GATE_INVALID_EVENT, "", "entity",
                            "the id of the %.64s has to be 1 to %d bytes "
                            "long, without NUL",
                            from->kind ? from->kind->name : "entity",
                            ENTITY_ID_MAX);
    if (text_put(&b->traits, id.ptr, id.len))
        return -ENOMEM;
    u->traits = (uint32_t) b->traits.len;
    int err = copy_traits(b, from);
    u->traits_len = (uint32_t) b->traits.len - u->traits;
    return err != -EINVAL ? err
                          : gate_problem(b, GATE_INVALID_EVENT, "", "entity",
                                         "the traits of the %.64s are no "
                                         "object that can be read",
                                         from->kind->name);
}

int
gate_upsert_take(struct gate_batch *b, const struct il_event *from)
{
    if (b->sender && b->sender->entities == SENDER_NOTHING)
        return 0; /* it is an event and nothing more */
    for (size_t i = 0; i < from->upsert_count; i++) {
        struct il_upsert one;
        if (api_copy_at(&one, sizeof(one), from->upserts, i, from->upsert_size,
                        API_UPSERT_1_0)) {
            b->fault = "an upsert's struct_size is wrong";
            return gate_refuse_body(b, 500, GATE_OTHER, "%s", b->fault);
        }
        int err = take_one(b, &one);
        if (err)
            return err;
    }
    return 0;
}

/* --- which of them -------------------------------------------------------- */

uint32_t
gate_upsert_wanted(struct gate_batch *b)
{
    struct gate *g = b->gate;
    struct idem_hit hit;
    uint32_t wanted = 0;
    if (!b->upsert_count)
        return 0;
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < b->upsert_count; i++) {
        struct gate_upsert *u = &b->upserts[i];
        const struct gate_item *item = &b->items[u->item];
        u->skip = item->state == ITEM_REFUSED || item->twin != GATE_NO_TWIN
                  || (item->keyed && !atomic_load(&g->closed)
                      && gate_find(b, item, &hit) > 0);
        wanted += !u->skip;
    }
    pthread_mutex_unlock(&g->lock);
    return wanted;
}

/* --- putting -------------------------------------------------------------- */

static uint32_t
fill_puts(const struct gate_batch *b, struct entity_put *puts)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->upsert_count; i++) {
        const struct gate_upsert *u = &b->upserts[i];
        if (u->skip)
            continue;
        puts[n++] = (struct entity_put){
            .kind = slice_of(u->kind->name, u->kind->len),
            .id = slice_of(b->traits.data + u->id, u->id_len),
            .traits = slice_of(b->traits.data + u->traits, u->traits_len),
            .seen_us = b->now_us,
            .flags = ENTITY_PUT_LENIENT,
        };
    }
    return n;
}

static uint32_t
take_results(struct gate_batch *b, const struct entity_put *puts, int err)
{
    uint32_t n = 0;
    b->upsert_error = err;
    for (uint32_t i = 0; i < b->upsert_count; i++)
        if (!b->upserts[i].skip)
            b->upserts[i].error = puts ? puts[n++].error : err;
    return n;
}

/* The upserts of a list of batches, in one transaction. */
static void
put_all(struct gate *g, struct gate_batch *list)
{
    size_t n = 0;
    int err = g->options.entities ? 0 : -ENOTCONN;
    for (struct gate_batch *b = list; b; b = b->next)
        n += b->upsert_count;
    struct entity_put *puts = calloc(n + 1, sizeof(*puts)), *at = puts;
    if (!puts)
        err = -ENOMEM;
    for (struct gate_batch *b = list; b && !err; b = b->next)
        at += fill_puts(b, at);
    if (!err)
        err = entity_put(g->options.entities, puts, (size_t) (at - puts),
                         NULL);
    at = puts;
    for (struct gate_batch *b = list; b; b = b->next)
        at += take_results(b, err ? NULL : at, err);
    free(puts);
}

int
gate_upsert_now(struct gate_batch *b)
{
    int err = gate_keep_copy(b);
    if (err)
        return err;
    b->next = NULL;
    put_all(b->gate, b);
    return gate_upsert_done(b);
}

int
gate_upsert_done(struct gate_batch *b)
{
    int err = b->upsert_error;
    for (uint32_t i = 0; i < b->upsert_count && !err; i++) {
        const struct gate_upsert *u = &b->upserts[i];
        if (!u->skip && u->error)
            err = gate_refuse_late(
                b, u->item,
                u->error == -EMSGSIZE
                    ? "the traits of the entity would grow too large"
                    : "the traits cannot be merged into the entity");
    }
    return err;
}

/* --- the thread ----------------------------------------------------------- */

static void *
upsert_run(void *arg)
{
    struct gate *g = arg;
    pthread_setname_np(pthread_self(), "gate-entities");
    pthread_mutex_lock(&g->upsert_lock);
    while (!g->upsert_stop) {
        struct gate_batch *list = g->upserting, *next;
        if (!list) {
            pthread_cond_wait(&g->upsert_wake, &g->upsert_lock);
            continue;
        }
        g->upserting = NULL;
        g->upserting_end = &g->upserting;
        g->upsert_bytes = 0;
        pthread_mutex_unlock(&g->upsert_lock);
        put_all(g, list);
        for (; list; list = next) {
            next = list->next;
            /* from here on it belongs to its request again */
            atomic_store(&list->upserted, 1);
        }
        gate_wake_servers(g);
        pthread_mutex_lock(&g->upsert_lock);
    }
    pthread_mutex_unlock(&g->upsert_lock);
    return NULL;
}

int
gate_upsert_queue(struct gate_batch *b)
{
    struct gate *g = b->gate;
    size_t bytes = b->frames.len + b->traits.len;
    int err = 0;
    atomic_store(&b->upserted, 0);
    b->next = NULL;
    pthread_mutex_lock(&g->upsert_lock);
    if (!g->upsert_runs && !g->upsert_stop)
        g->upsert_runs
            = pthread_create(&g->upserter, NULL, upsert_run, g) == 0;
    if (!g->upsert_runs || g->upsert_stop
        || bytes > WAITING_MAX - g->upsert_bytes) {
        err = -EAGAIN;
    } else {
        g->upsert_bytes += bytes;
        *g->upserting_end = b;
        g->upserting_end = &b->next;
        /* for the end of the gate, should the request end before */
        b->held_next = g->held;
        b->held_at = &g->held;
        if (g->held)
            g->held->held_at = &b->held_next;
        g->held = b;
        pthread_cond_signal(&g->upsert_wake);
    }
    pthread_mutex_unlock(&g->upsert_lock);
    return err;
}

void
gate_upsert_release(struct gate_batch *b)
{
    struct gate *g = b->gate;
    pthread_mutex_lock(&g->upsert_lock);
    *b->held_at = b->held_next;
    if (b->held_next)
        b->held_next->held_at = b->held_at;
    b->held_next = NULL;
    b->held_at = NULL;
    pthread_mutex_unlock(&g->upsert_lock);
}

void
gate_upsert_stop(struct gate *g)
{
    pthread_mutex_lock(&g->upsert_lock);
    g->upsert_stop = 1;
    pthread_cond_broadcast(&g->upsert_wake);
    int runs = g->upsert_runs;
    g->upsert_runs = 0;
    pthread_mutex_unlock(&g->upsert_lock);
    if (runs)
        pthread_join(g->upserter, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The test host: what a step remembers.  As in the daemon a batch that is
 * processed again finds what was there before it. */
#include <config.h>

#include "private.h"
#include "base/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct il_memory {
    const struct il_api *api;
    char made_of[4000];
    size_t made_of_len;
    struct remembered *first;
};

struct remembered {
    struct remembered *next;
    size_t key_len, len;
    uint64_t position;
    int64_t end_us;
    char bytes[]; /* key and value */
};

static struct remembered **
cell_of(struct il_memory *m, const char *key, size_t len)
{
    struct remembered **at = &m->first;
    while (*at
           && ((*at)->key_len != len
               || (len && memcmp((*at)->bytes, key, len) != 0)))
        at = &(*at)->next;
    return at;
}

static void
forget_all(struct remembered **first)
{
    while (*first) {
        struct remembered *r = *first;
        *first = r->next;
        free(r);
    }
}

static struct remembered *
copy_of(const struct remembered *r)
{
    struct remembered *copy = malloc(sizeof(*r) + r->key_len + r->len);
    if (copy)
        memcpy(copy, r, sizeof(*r) + r->key_len + r->len);
    return copy;
}

/* All of it as it is.  0 or -ENOMEM. */
static int
copy_all(const struct remembered *from, struct remembered **to)
{
    for (*to = NULL; from; from = from->next, to = &(*to)->next) {
        if (!(*to = copy_of(from)))
            return -ENOMEM;
        (*to)->next = NULL;
    }
    return 0;
}

int
testhost_memory_begin(struct testhost *t)
{
    if (!t->memory)
        return 0;
    if (t->memory_kept) {
        forget_all(&t->memory->first);
        return copy_all(t->memory_before, &t->memory->first);
    }
    forget_all(&t->memory_before);
    t->memory_kept = 1;
    return copy_all(t->memory->first, &t->memory_before);
}

void
testhost_memory_settle(struct testhost *t)
{
    struct il_batch *b = t->current->batch;
    if (b->count)
        batch_stream_us(b, b->count - 1);
    t->stream = b->stream;
    t->memory_kept = 0;
}

/* --- the table ------------------------------------------------------------ */

static int
api_memory_from(const struct il_host *h, const char *made_of, size_t len,
                struct il_memory **out)
{
    struct testhost *t = testhost_of(h);
    struct il_memory *m = t->memory;
    *out = NULL;
    if (h->plugin->desc.kind != IL_STEP || t->memory_made) {
        testhost_violate(t, "il_memory_from() %s",
                         t->memory_made ? "a second time" : "not by a step");
        return -EINVAL;
    }
    if (len > sizeof(m->made_of) || testhost_alloc_fails(t)
        || (!m && !(m = calloc(1, sizeof(*m)))))
        return -ENOMEM;
    m->api = testhost_table();
    if (m->made_of_len != len || memcmp(m->made_of, made_of, len) != 0)
        forget_all(&m->first);
    memcpy(m->made_of, made_of, len);
    m->made_of_len = len;
    t->memory_made = 1;
    *out = t->memory = m;
    return 0;
}

/* 0, or what a function answers that is called at a wrong time. */
static int
may_remember(const struct il_batch *b, uint32_t i, const char *what)
{
    const struct flight *f = b->lane;
    if (atomic_load(&f->phase) != PHASE_STEP || !batch_in_step(b)) {
        testhost_violate(f->t, "%s outside of process()", what);
        return -EPERM;
    }
    if (i >= b->count) {
        testhost_violate(f->t, "%s of event %u in a batch of %u", what, i,
                         b->count);
        return -EINVAL;
    }
    return testhost_alloc_fails(f->t) ? -ENOMEM : 0;
}

static int
api_memory_get(struct il_batch *b, uint32_t i, const struct il_memory *memory,
               const char *key, size_t len, struct il_remembered *out)
{
    struct il_memory *m = (struct il_memory *) (uintptr_t) memory;
    int err = may_remember(b, i, "il_memory_get()");
    if (err)
        return err;
    const struct remembered *r = *cell_of(m, key, len);
    if (!r || (r->end_us && r->end_us <= batch_stream_us(b, i)))
        return 0;
    *out = (struct il_remembered){ r->bytes + r->key_len, r->len, r->position,
                                   r->end_us };
    return 1;
}

static void
api_memory_hint(struct il_batch *b, const struct il_memory *memory,
                const char *key, size_t len)
{
    const struct flight *f = b->lane;
    (void) memory;
    (void) key;
    (void) len;
    if (atomic_load(&f->phase) != PHASE_STEP || !batch_in_step(b))
        testhost_violate(f->t, "il_memory_hint() outside of process()");
}

static void
drop(struct remembered **at)
{
    struct remembered *r = *at;
    if (r) {
        *at = r->next;
        free(r);
    }
}

static int
api_memory_put(struct il_batch *b, uint32_t i, struct il_memory *m,
               const char *key, size_t len, const void *value, size_t value_len,
               int64_t end_us)
{
    int err = may_remember(b, i, "il_memory_put()");
    if (err || value_len > IL_MEMORY_VALUE_MAX)
        return err ? err : -EMSGSIZE;
    if (batch_passed(b, i, b->step))
        return 0;
    struct remembered *r = malloc(sizeof(*r) + len + value_len);
    if (!r)
        return -ENOMEM;
    drop(cell_of(m, key, len));
    *r = (struct remembered){ m->first, len, value_len, b->events[i].position,
                              end_us ? (end_us + 999999) / 1000000 * 1000000
                                     : 0 };
    if (len)
        memcpy(r->bytes, key, len);
    if (value_len)
        memcpy(r->bytes + len, value, value_len);
    m->first = r;
    return 0;
}

static int
api_memory_forget(struct il_batch *b, uint32_t i, struct il_memory *m,
                  const char *key, size_t len)
{
    int err = may_remember(b, i, "il_memory_forget()");
    if (!err && !batch_passed(b, i, b->step))
        drop(cell_of(m, key, len));
    return err;
}

static int64_t
api_stream_us(struct il_batch *b, uint32_t i)
{
    return i < b->count ? batch_stream_us(b, i) : 0;
}

void
testhost_fill_memory(struct il_api *api)
{
    api->memory_from = api_memory_from;
    api->memory_get = api_memory_get;
    api->memory_hint = api_memory_hint;
    api->memory_put = api_memory_put;
    api->memory_forget = api_memory_forget;
    api->stream_us = api_stream_us;
}

const void *
testhost_remembered(struct testhost *t, const char *key, size_t *len)
{
    const struct remembered *r =
        t->memory ? *cell_of(t->memory, key, strlen(key)) : NULL;
    if (r && len)
        *len = r->len;
    return r ? r->bytes + r->key_len : NULL;
}

const char *
testhost_shown(struct testhost *t, const char *key)
{
    const struct remembered *r =
        t->memory ? *cell_of(t->memory, key, strlen(key)) : NULL;
    struct il_text *out = &t->shown[SHOW_RENDER];
    if (!r || !t->host.plugin->desc.show)
        return NULL;
    const struct il_remembered cell = { r->bytes + r->key_len, r->len,
                                        r->position, r->end_us };
    out->len = 0;
    return instance_show(&t->host, r->bytes, r->key_len, &cell, out)
               ? NULL
               : text_str(out);
}

void
testhost_free_memory(struct testhost *t)
{
    if (t->memory)
        forget_all(&t->memory->first);
    forget_all(&t->memory_before);
    free(t->memory);
}

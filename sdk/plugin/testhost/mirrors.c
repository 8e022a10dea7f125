/* SPDX-License-Identifier: MIT */
/* The test host: entities that a source mirrors. */
#include <config.h>

#include "private.h"
#include "base/api.h"
#include "store/entity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct il_mirror {
    const struct il_api *api; /* first, as in every object of the host */
    struct testhost *t;
    struct il_mirror *next;
    const struct il_kind *kind;
    uint32_t flags;
    uint8_t number;
    int written; /* there is something of it */
    struct il_text mark;
    int64_t seen_us, asked_us;
    char name[129];
};

static struct il_mirror *
mirror_named(struct testhost *t, const char *name)
{
    struct il_mirror *m = t->mirrors;
    while (m && strcmp(m->name, name) != 0)
        m = m->next;
    return m;
}

static int
api_mirror_from(const struct il_host *h, const char *name,
                const struct il_kind *kind, uint32_t flags,
                struct il_mirror **out)
{
    struct testhost *t = testhost_of(h);
    struct il_mirror *m;
    *out = NULL;
    if (atomic_load(&t->life) != LIFE_OPENING)
        testhost_violate(t, "makes a mirror after open()");
    if (!*name || strlen(name) > 128 || !kind) {
        testhost_violate(t, "makes a mirror without a name of 1 to 128 bytes");
        return -EINVAL;
    }
    if (testhost_alloc_fails(t))
        return -ENOMEM;
    m = mirror_named(t, name);
    if (!m) {
        m = calloc(1, sizeof *m);
        if (!m)
            return -ENOMEM;
        strcpy(m->name, name);
        m->t = t;
        m->number = (uint8_t) (t->mirrors ? t->mirrors->number + 1 : 1);
        m->next = t->mirrors;
        t->mirrors = m;
    }
    m->api = api_table();
    m->kind = kind;
    m->flags = flags;
    *out = m;
    return 0;
}

static int
may_mirror(const struct il_mirror *m, const char *what)
{
    if (atomic_load(&m->t->life) >= LIFE_STARTED)
        return 1;
    testhost_violate(m->t, "%s before start()", what);
    return 0;
}

static int
api_mirror_state(const struct il_mirror *m, struct il_text *mark,
                 struct il_mirror_state *out)
{
    const size_t start = mark->len;
    if (!may_mirror(m, "reads a mirror"))
        return -EPERM;
    if (testhost_alloc_fails(m->t))
        return -ENOMEM;
    pthread_mutex_lock(&m->t->lock);
    int r = m->t->entity_error;
    if (!r && m->written)
        r = testhost_plain.text_reserve(mark, m->mark.len + 1);
    if (!r && m->written) {
        if (m->mark.len)
            memcpy(mark->data + start, m->mark.data, m->mark.len);
        mark->len += m->mark.len;
        *out = (struct il_mirror_state){ IL_SIZED(struct il_mirror_state),
                                         .mark = mark->data + start,
                                         .mark_len = m->mark.len,
                                         .seen_us = m->seen_us,
                                         .asked_us = m->asked_us };
        r = 1;
    }
    pthread_mutex_unlock(&m->t->lock);
    return r;
}

/* What an entity becomes by a row.  With the lock held.  0 or a negative errno. */
static int
mirror_row(struct il_mirror *m, const struct il_mirror_row *row,
           struct il_mirrored *n)
{
    struct testhost *t = m->t;
    struct slice id = slice_of(row->id, row->id_len);
    struct entity_merge work = { 0 };
    struct il_text out = { 0 };
    struct entity old = { 0 };
    if (!entity_id_valid(id) || row->traits_len > ENTITY_TRAITS_MAX) {
        n->refused++;
        return 0;
    }
    struct known_entity *e = testhost_known(t, m->kind->name, id.ptr, id.len);
    if (e)
        testhost_known_view(e, &old);
    int err = entity_merge_owned(
        &work, e ? &old : NULL, slice_of(row->traits, row->traits_len),
        m->number, (m->flags & IL_MIRROR_TAKES) != 0, &out, &n->left);
    entity_merge_clear(&work);
    if (!err && e && testhost_known_same(e, slice_of(out.data, out.len)))
        n->same++;
    else if (!err) {
        ++*(e ? &n->changed : &n->added);
        err = testhost_known_put(t, m->kind->name, id.ptr, id.len,
                                 slice_of(out.data, out.len));
    }
    text_clear(&out);
    return err;
}

static int
api_mirror_write(struct il_mirror *m, const struct il_mirror_row *rows,
                 size_t count, size_t stride, const struct il_mirror_state *now,
                 struct il_mirrored *result)
{
    struct il_mirrored none = { 0 }, *n = result ? result : &none;
    struct il_mirror_state state = { 0 };
    if (!may_mirror(m, "writes a mirror"))
        return -EPERM;
    if (now
        && (api_copy(&state, sizeof state, now, API_MIRROR_STATE_1_0)
            || state.mark_len > ENTITY_MIRROR_MARK_MAX)) {
        testhost_violate(m->t, "il_mirror_write() with a state that cannot be");
        return -EINVAL;
    }
    if (testhost_alloc_fails(m->t))
        return -ENOMEM;
    pthread_mutex_lock(&m->t->lock);
    int err = m->t->entity_error;
    for (size_t i = 0; i < count && !err; i++) {
        struct il_mirror_row row;
        err =
            api_copy_at(&row, sizeof row, rows, i, stride, API_MIRROR_ROW_1_0);
        if (!err)
            err = mirror_row(m, &row, n);
    }
    m->written |= !err;
    if (!err && now) {
        m->mark.len = 0;
        m->seen_us = state.seen_us;
        err = text_put(&m->mark, state.mark, state.mark_len);
    }
    pthread_mutex_unlock(&m->t->lock);
    return err;
}

static int
api_mirror_gone(struct il_mirror *m,
                int (*is_there)(void *arg, const char *id, size_t len),
                void *arg, struct il_mirrored *result)
{
    static const char nothing = (char) 0x80; /* an empty map */
    struct il_mirrored none = { 0 }, *n = result ? result : &none;
    struct testhost *t = m->t;
    if (!may_mirror(m, "writes a mirror"))
        return -EPERM;
    pthread_mutex_lock(&t->lock);
    int err = t->entity_error;
    for (struct known_entity *e = t->entities, *next; e && !err; e = next) {
        struct entity_merge work = { 0 };
        struct il_text out = { 0 };
        struct entity old = { 0 };
        int owns = 0;
        next = e->next;
        testhost_known_view(e, &old);
        for (uint32_t i = 0; old.owners && i < old.traits.count; i++)
            owns |= old.owners[i] == m->number;
        if (!owns || strcmp(e->kind, m->kind->name) != 0
            || is_there(arg, e->id, strlen(e->id)))
            continue;
        err = entity_merge_owned(&work, &old, slice_of(&nothing, 1), m->number,
                                 0, &out, NULL);
        n->removed += !err;
        if (!err && out.len == 1)
            testhost_known_remove(t, e);
        else if (!err)
            err = testhost_known_put(t, e->kind, e->id, strlen(e->id),
                                     slice_of(out.data, out.len));
        entity_merge_clear(&work);
        text_clear(&out);
    }
    pthread_mutex_unlock(&t->lock);
    return err;
}

void
testhost_mirror_ask(struct testhost *t, const char *name)
{
    int64_t now = testhost_now_us(t);
    pthread_mutex_lock(&t->lock);
    struct il_mirror *m = mirror_named(t, name);
    if (m)
        m->asked_us = now;
    pthread_mutex_unlock(&t->lock);
}

int64_t
testhost_mirror_seen(struct testhost *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    struct il_mirror *m = mirror_named(t, name);
    int64_t seen = m ? m->seen_us : 0;
    pthread_mutex_unlock(&t->lock);
    return seen;
}

void
testhost_fill_mirrors(struct il_api *api)
{
    api->mirror_from = api_mirror_from;
    api->mirror_state = api_mirror_state;
    api->mirror_write = api_mirror_write;
    api->mirror_gone = api_mirror_gone;
}

void
testhost_free_mirrors(struct testhost *t)
{
    while (t->mirrors) {
        struct il_mirror *m = t->mirrors;
        t->mirrors = m->next;
        text_clear(&m->mark);
        free(m);
    }
}

/* SPDX-License-Identifier: MIT */
/* The function table: entities that a source mirrors. */
#include "api.h"

#include "base/api.h"
#include "plugin/instance.h"
#include "store/entity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 128

struct il_mirror {
    const struct il_api *api; /* first, as in every object of the host */
    const struct il_host *host;
    struct slice kind;
    uint32_t flags;
    size_t len;
    char name[ENTITY_MIRROR_NAME_MAX]; /* SOURCE/NAME */
};

static struct slice
mirror_name(const struct il_mirror *m)
{
    return slice_of(m->name, m->len);
}

static int
api_mirror_from(const struct il_host *h, const char *name,
                const struct il_kind *kind, uint32_t flags,
                struct il_mirror **out)
{
    *out = NULL;
    if (h->plugin->desc.kind != IL_SOURCE || !kind || !*name
        || strlen(name) > NAME_MAX_BYTES) {
        instance_fault(h, "il_mirror_from() is for sources, with a name of 1 "
                          "to 128 bytes and a kind");
        return -EINVAL;
    }
    struct il_mirror *m = conf_alloc(h->conf, sizeof(*m));
    int n = snprintf(m->name, sizeof m->name, "%.128s/%s", h->name, name);
    m->api = api_table();
    m->host = h;
    m->kind = slice_of(kind->name, kind->len);
    m->flags = flags & IL_MIRROR_TAKES ? ENTITY_MIRROR_TAKE : 0;
    m->len = (size_t) n;
    *out = m;
    return 0;
}

static int
api_mirror_state(const struct il_mirror *m, struct il_text *mark,
                 struct il_mirror_state *out)
{
    struct entity_mirror is;
    if (!m->host->entities)
        return -ENOTCONN;
    int r = entity_mirror_get(m->host->entities, mirror_name(m), mark, &is);
    if (r == 1)
        *out = (struct il_mirror_state){ IL_SIZED(struct il_mirror_state),
                                         .mark = is.mark.ptr,
                                         .mark_len = is.mark.len,
                                         .seen_us = is.seen_us,
                                         .asked_us = is.asked_us };
    return r;
}

/* 0, or -EINVAL and a fault of the plugin's. */
static int
rows_read(const struct il_mirror *m, const struct il_mirror_row *rows,
          size_t count, size_t stride, struct entity_put *puts)
{
    for (size_t i = 0; i < count; i++) {
        struct il_mirror_row row;
        if (api_copy_at(&row, sizeof row, rows, i, stride,
                        API_MIRROR_ROW_1_0)) {
            instance_fault(m->host, "il_mirror_write() with a row whose "
                                    "struct_size there is not");
            return -EINVAL;
        }
        puts[i] = (struct entity_put){
            .kind = m->kind,
            .id = slice_of(row.id, row.id_len),
            .traits = slice_of(row.traits, row.traits_len),
        };
    }
    return 0;
}

static void
counts_told(struct il_mirrored *out, const struct entity_mirrored *n)
{
    if (!out)
        return;
    out->added += n->added;
    out->changed += n->changed;
    out->same += n->same;
    out->removed += n->removed;
    out->left += n->left;
    out->refused += n->refused;
}

static int
api_mirror_write(struct il_mirror *m, const struct il_mirror_row *rows,
                 size_t count, size_t stride,
                 const struct il_mirror_state *theirs,
                 struct il_mirrored *result)
{
    struct il_mirror_state state;
    struct entity_mirrored n = { 0 };
    struct entity_mirror now = { .seen_us = 0 };
    if (theirs
        && (api_copy(&state, sizeof state, theirs, API_MIRROR_STATE_1_0)
            || state.mark_len > ENTITY_MIRROR_MARK_MAX)) {
        instance_fault(m->host, "il_mirror_write() with a state that cannot "
                                "be");
        return -EINVAL;
    }
    if (!m->host->entities)
        return -ENOTCONN;
    struct entity_put *puts = calloc(count + 1, sizeof *puts);
    if (!puts)
        return -ENOMEM;
    if (theirs) {
        now.seen_us = state.seen_us;
        now.mark = slice_of(state.mark, state.mark_len);
    }
    int err = rows_read(m, rows, count, stride, puts);
    if (!err)
        err = entity_mirror_put(m->host->entities, mirror_name(m), m->flags,
                                puts, count, theirs ? &now : NULL, &n);
    free(puts);
    counts_told(result, &n);
    return err;
}

struct asker {
    const struct il_mirror *mirror;
    int (*is_there)(void *arg, const char *id, size_t len);
    void *arg;
};

static int
ask_there(void *arg, struct slice id)
{
    const struct asker *a = arg;
    return a->is_there(a->arg, id.ptr, id.len);
}

static int
ask_cancelled(void *arg)
{
    const struct asker *a = arg;
    return il_cancelled(a->mirror->host);
}

static int
api_mirror_gone(struct il_mirror *m,
                int (*is_there)(void *arg, const char *id, size_t len),
                void *arg, struct il_mirrored *result)
{
    struct asker a = { m, is_there, arg };
    struct entity_mirrored n = { 0 };
    const struct entity_gone job = { .name = mirror_name(m),
                                     .kind = m->kind,
                                     .is_there = ask_there,
                                     .cancelled = ask_cancelled,
                                     .arg = &a };
    if (!m->host->entities)
        return -ENOTCONN;
    int err = entity_mirror_gone(m->host->entities, &job, &n);
    counts_told(result, &n);
    return err;
}

void
host_fill_mirrors(struct il_api *api)
{
    api->mirror_from = api_mirror_from;
    api->mirror_state = api_mirror_state;
    api->mirror_write = api_mirror_write;
    api->mirror_gone = api_mirror_gone;
}

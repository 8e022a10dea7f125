/* SPDX-License-Identifier: MIT */
/* The function table again, with some of its entries in front of the real ones.
 * For one thread. */
#include "explain.h"

#include "base/api.h"
#include "plugin/instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct il_api *explain_real;
static const struct host_told *explain_told;
static struct host_asked explain_asked;

/* Where an expression came from. */
static struct explain_source {
    struct explain_source *next;
    const struct il_expr *expr;
    const struct il_conf *conf;
    const char *key;
    size_t i;
} * explain_sources;

/* --- expressions ----------------------------------------------------------- */

static int
explain_expr_from(const struct il_host *h, const struct il_conf *conf,
                  const char *key, size_t i, struct il_expr **out)
{
    int err = explain_real->expr_from(h, conf, key, i, out);
    struct explain_source *s = err || !*out ? NULL : malloc(sizeof *s);
    if (s) {
        *s = (struct explain_source){ explain_sources, *out, conf, key, i };
        explain_sources = s;
    }
    return err;
}

static void
explain_expr_free(struct il_expr *expr)
{
    struct explain_source **at = &explain_sources;
    while (*at && (*at)->expr != expr)
        at = &(*at)->next;
    if (*at) {
        struct explain_source *s = *at;
        *at = s->next;
        free(s);
    }
    explain_real->expr_free(expr);
}

static int
explain_expr_true(const struct il_expr *expr, struct il_batch *b, uint32_t i)
{
    static struct expr_explained x;
    const struct explain_source *s = explain_sources;
    while (s && s->expr != expr)
        s = s->next;
    if (s && explain_told && i < b->count) {
        expr_explain(expr, &b->events[i], &x);
        explain_told->expr(explain_told->arg, b->instance, s->conf, s->key,
                           s->i, &x);
    }
    return explain_real->expr_true(expr, b, i);
}

/* --- entities -------------------------------------------------------------- */

static int
explain_entity_find(struct il_batch *b, const struct il_kind *kind,
                    const char *id, size_t len, struct il_entity *out)
{
    int r = explain_real->entity_find(b, kind, id, len, out);
    if (r < 0 || !b->count)
        return r;
    /* Which of its events asks is not said: none of them is older. */
    if (r == 1 && out->last_seen_us > b->events[0].ev.received_us)
        explain_asked.entity_changed = 1;
    explain_asked.entity_unknown |= r == 0;
    if (explain_told)
        explain_told->entity(explain_told->arg, b->instance,
                             slice_of(kind->name, kind->len), slice_of(id, len),
                             r == 1 ? out : NULL);
    return r;
}

/* One who looks changes nothing. */
static int
explain_entity_put(const struct il_host *h, const struct il_kind *kind,
                   const char *id, size_t len, int encoding, const void *traits,
                   size_t traits_len, int64_t seen_us)
{
    (void) h;
    (void) kind;
    (void) id;
    (void) len;
    (void) encoding;
    (void) traits;
    (void) traits_len;
    (void) seen_us;
    return 0;
}

/* --- what steps remember --------------------------------------------------- */

static int
explain_memory_get(struct il_batch *b, uint32_t i, const struct il_memory *m,
                   const char *key, size_t len, struct il_remembered *out)
{
    int r = explain_real->memory_get(b, i, m, key, len, out);
    if (r >= 0 && explain_told)
        explain_told->memory(explain_told->arg, b->instance, slice_of(key, len),
                             r == 1 ? out : NULL);
    return r;
}

static int
explain_memory_put(struct il_batch *b, uint32_t i, struct il_memory *m,
                   const char *key, size_t len, const void *value,
                   size_t value_len, int64_t end_us)
{
    int64_t for_us = end_us - explain_real->stream_us(b, i);
    if (!end_us)
        explain_asked.forever = 1;
    else if (for_us > explain_asked.remembers_us)
        explain_asked.remembers_us = for_us;
    return explain_real->memory_put(b, i, m, key, len, value, value_len,
                                    end_us);
}

void
host_explain_init(void)
{
    static struct il_api table;
    explain_real = api_table();
    table = *explain_real;
    table.expr_from = explain_expr_from;
    table.expr_free = explain_expr_free;
    table.expr_true = explain_expr_true;
    table.entity_find = explain_entity_find;
    table.entity_put = explain_entity_put;
    table.memory_get = explain_memory_get;
    table.memory_put = explain_memory_put;
    api_use(&table);
}

void
host_explain(const struct host_told *told)
{
    explain_told = told;
}

void
host_asked(struct host_asked *out)
{
    *out = explain_asked;
    explain_asked = (struct host_asked){ .forever = 0 };
}

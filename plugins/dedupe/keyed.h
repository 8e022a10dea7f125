/* SPDX-License-Identifier: MIT */
/* What dedupe, and throttle and count beside it, have in common: the key of an
 * event, what their cells are made of, and numbers in a cell. */
#ifndef PLUGINS_DEDUPE_KEYED_H
#define PLUGINS_DEDUPE_KEYED_H

#include <ingestlayer/plugin.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KEYED_SECOND_MS INT64_C(1000)
#define KEYED_WINDOW_MAX_MS (INT64_C(3650) * 86400 * KEYED_SECOND_MS)

/* --- in open() ------------------------------------------------------------- */

/* The template of an option that tells events apart.  0, -EINVAL after a
 * finding, -ENOMEM. */
static inline int
keyed_template(const struct il_host *host, const struct il_conf *conf,
               const char *option, struct il_template **out)
{
    const char *text = il_conf_str(conf, option);
    int err = il_template_from(host, conf, option, out);
    if (err || !text || !*text || strchr(text, '$') || strstr(text, "{{"))
        return err;
    return il_conf_error(conf, option, -1,
                         "this is the same text for every event; a field is "
                         "written $event.payload.%.64s, or {{ %.64s }} inside "
                         "of a text",
                         text, text);
}

static inline int
keyed_put(const struct il_host *host, struct il_text *text, const void *bytes,
          size_t len)
{
    if (il_text_reserve(host, text, len))
        return -ENOMEM;
    if (len)
        memcpy(text->data + text->len, bytes, len);
    text->len += len;
    return 0;
}

/* One option more that decides what a cell means; no two lists of them come to
 * the same bytes. */
static inline int
keyed_made_of(const struct il_host *host, struct il_text *made_of,
              const char *text)
{
    return keyed_put(host, made_of, text ? text : "",
                     text ? strlen(text) + 1 : 1);
}

static inline int
keyed_made_of_number(const struct il_host *host, struct il_text *made_of,
                     int64_t number)
{
    char text[24]; /* "-9223372036854775808" and a NUL */
    snprintf(text, sizeof text, "%lld", (long long) number);
    return keyed_made_of(host, made_of, text);
}

/* --- the key of an event --------------------------------------------------- */

struct keyed_reading {
    const struct il_host *host;
    struct il_text *key;
    int lacks; /* something that it is made of */
};

static inline int
keyed_piece(void *arg, const char *text, size_t len, int of_event)
{
    struct keyed_reading *r = arg;
    r->lacks |= of_event && !len;
    return keyed_put(r->host, r->key, text, len);
}

/* Append the key of event i.  1; 0: it has none, because one of the fields that
 * it is made of is missing, null or empty: such events have nothing in common;
 * or -ENOMEM. */
static inline int
keyed_read(const struct il_host *host, const struct il_template *t,
           struct il_batch *batch, uint32_t i, struct il_text *key)
{
    struct keyed_reading r = { host, key, 0 };
    int err = t ? il_template_pieces(t, batch, i, keyed_piece, &r) : 0;
    return err ? err : !r.lacks;
}

/* Keys of the events at hand and of some behind them, which the host hears of
 * early, so that what is remembered of them is at hand when it is asked for. */
#define KEYED_AHEAD_MOST 16

struct keyed_ahead {
    struct il_text *keys[KEYED_AHEAD_MOST];
    int known[KEYED_AHEAD_MOST]; /* as keyed_read() */
    uint32_t next;               /* the first event that was not read */
};

static inline int
keyed_ahead_open(const struct il_host *host, struct keyed_ahead *a)
{
    for (int i = 0; i < KEYED_AHEAD_MOST; i++)
        if (!(a->keys[i] = il_text_new(host)))
            return -ENOMEM;
    return 0;
}

static inline void
keyed_ahead_close(const struct il_host *host, struct keyed_ahead *a)
{
    for (int i = 0; i < KEYED_AHEAD_MOST; i++)
        il_text_free(host, a->keys[i]);
}

/* The key of event i, which is live, behind a letter where there is one, of a batch
 * that is gone through in order, `next` being 0 at first: as keyed_read(). */
static inline int
keyed_ahead_read(const struct il_host *host, const struct il_template *t,
                 const struct il_memory *memory, struct il_batch *batch,
                 uint32_t i, const char *letter, struct keyed_ahead *a,
                 struct il_text **key)
{
    const uint32_t count = il_batch_count(batch);
    if (a->next < i) /* more than are read ahead are not live */
        a->next = i;
    for (; a->next < count && a->next - i < KEYED_AHEAD_MOST; a->next++) {
        const uint32_t at = a->next % KEYED_AHEAD_MOST;
        struct il_text *text = a->keys[at];
        if (!il_live(batch, a->next))
            continue;
        text->len = 0;
        a->known[at] = letter ? keyed_put(host, text, letter, 1) : 0;
        if (!a->known[at])
            a->known[at] = keyed_read(host, t, batch, a->next, text);
        if (a->known[at] == 1)
            il_memory_hint(batch, memory, text->data, text->len);
    }
    *key = a->keys[i % KEYED_AHEAD_MOST];
    return a->known[i % KEYED_AHEAD_MOST];
}

/* How what is remembered stands to event i. */
enum keyed_when {
    KEYED_BEFORE, /* it is of an event before */
    KEYED_OWN,    /* of event i itself, which is processed once more */
    KEYED_AHEAD   /* of an event behind: it is ahead of the stream, and has
                   * event i in it, if that was ever here */
};

static inline enum keyed_when
keyed_when(const struct il_batch *batch, uint32_t i,
           const struct il_remembered *r)
{
    struct il_origin first = { .struct_size = sizeof first };
    struct il_again again = { .struct_size = sizeof again };
    uint64_t position = il_batch_position(batch, i);
    /* One that had passed here is where it was then. */
    if (r->position < position && il_again(batch, i, &again) == 1
        && again.stopped == IL_STOPPED_LATER
        && !il_batch_origin(batch, i, &first))
        position = first.position;
    return r->position < position    ? KEYED_BEFORE
           : r->position == position ? KEYED_OWN
                                     : KEYED_AHEAD;
}

/* --- cells and results ----------------------------------------------------- */

/* Numbers in a cell: little-endian. */
static inline unsigned char *
keyed_store(unsigned char *p, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *p++ = (unsigned char) (n >> 8 * i);
    return p;
}

static inline uint64_t
keyed_load(const unsigned char **p, unsigned bytes)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < bytes; i++)
        n |= (uint64_t) * (*p)++ << 8 * i;
    return n;
}

/* One result more, as the items of a map. */
static inline int
keyed_result(const struct il_host *host, struct il_text *items,
             struct il_value *map, const char *name, struct il_value value)
{
    struct il_value key = { IL_STRING, 0, { 0 }, name, strlen(name) };
    int err = il_write_msgpack(host, items, &key);
    if (!err)
        err = il_write_msgpack(host, items, &value);
    map->type = IL_MAP;
    map->count++;
    map->str = items->data;
    map->len = items->len;
    return err;
}

/* What is found out of a cell, as JSON: the key first. */
static inline int
keyed_show(const struct il_host *host, struct il_text *items,
           struct il_value *map, const char *key, size_t len)
{
    struct il_value v = { IL_STRING, 0, { 0 }, key, len };
    items->len = 0;
    return keyed_result(host, items, map, "key", v);
}

static inline struct il_value
keyed_time(int64_t us)
{
    struct il_value v = { IL_TIME, 0, { us }, NULL, 0 };
    return v;
}

static inline struct il_value
keyed_int(int64_t n)
{
    struct il_value v = { IL_INT, 0, { n }, NULL, 0 };
    return v;
}

static inline struct il_value
keyed_bool(int yes)
{
    struct il_value v = { IL_BOOL, 0, { yes != 0 }, NULL, 0 };
    return v;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "summary.h"

#include <stdlib.h>

#include "../dedupe/keyed.h"

#define OF_HEAD 'h'
#define OF_QUEUE 'q'
#define OF_KEY 'k'
#define ENDS_MOST 100 /* windows that end at one event */
#define ID_TEXT (SUMMARY_KEY + 80)

/* A window of a key. */
struct window {
    int64_t window, count, first_us, last_us;
    int cut; /* there is more of the key than this */
    size_t key_len;
    char key[SUMMARY_KEY];
    enum keyed_when when; /* it stands so to the event at hand */
};
#define WINDOW_HEAD 33u /* bytes in a cell before the key */

int
summary_open(struct summary *s, const struct il_host *host)
{
    s->host = host;
    s->key = il_text_new(host);
    s->items = il_text_new(host);
    s->time = il_text_new(host);
    s->made = il_counter_new(host, "throttle_summaries", IL_UNIT_NONE,
                             "Windows that ended and were told of.");
    int err = s->key && s->items && s->time ? 0 : -ENOMEM;
    return err ? err : il_derives(host, SUMMARY_TYPE);
}

void
summary_close(struct summary *s)
{
    il_text_free(s->host, s->key);
    il_text_free(s->host, s->items);
    il_text_free(s->host, s->time);
}

/* --- cells ----------------------------------------------------------------- */

/* The name of a cell in s->key. */
static int
name(struct summary *s, char of, const char *key, size_t len)
{
    s->key->len = 0;
    int err = keyed_put(s->host, s->key, &of, 1);
    return err ? err : keyed_put(s->host, s->key, key, len);
}

static int
name_number(struct summary *s, uint64_t number)
{
    unsigned char bytes[8];
    keyed_store(bytes, number, 8);
    return name(s, OF_QUEUE, (const char *) bytes, sizeof bytes);
}

/* Two numbers in the cell that is named.  1, 0: there is none, or a negative
 * errno. */
static int
get_two(struct summary *s, struct il_batch *batch, uint32_t i, uint64_t *a,
        uint64_t *b)
{
    struct il_remembered r;
    int rc = il_memory_get(batch, i, s->memory, s->key->data, s->key->len, &r);
    if (rc <= 0 || r.len != 16)
        return rc < 0 ? rc : 0;
    const unsigned char *p = r.value;
    *a = keyed_load(&p, 8);
    *b = keyed_load(&p, 8);
    return 1;
}

static int
put_two(struct summary *s, struct il_batch *batch, uint32_t i, uint64_t a,
        uint64_t b, int64_t end_us)
{
    unsigned char cell[16];
    keyed_store(keyed_store(cell, a, 8), b, 8);
    return il_memory_put(batch, i, s->memory, s->key->data, s->key->len, cell,
                         sizeof cell, end_us);
}

static int
load_window(const struct il_remembered *r, struct window *w)
{
    const unsigned char *p = r->value;
    if (r->len < WINDOW_HEAD || r->len > WINDOW_HEAD + SUMMARY_KEY)
        return -EINVAL;
    w->window = (int64_t) keyed_load(&p, 8);
    w->count = (int64_t) keyed_load(&p, 8);
    w->first_us = (int64_t) keyed_load(&p, 8);
    w->last_us = (int64_t) keyed_load(&p, 8);
    w->cut = (int) keyed_load(&p, 1);
    w->key_len = r->len - WINDOW_HEAD;
    memcpy(w->key, p, w->key_len);
    return 0;
}

/* 1, 0: there is none, or a negative errno. */
static int
get_window(struct summary *s, struct il_batch *batch, uint32_t i,
           uint64_t number, struct window *w)
{
    struct il_remembered r;
    int rc = name_number(s, number);
    if (!rc)
        rc = il_memory_get(batch, i, s->memory, s->key->data, s->key->len, &r);
    if (rc <= 0)
        return rc;
    w->when = keyed_when(batch, i, &r);
    return load_window(&r, w) ? 0 : 1;
}

static int
put_window(struct summary *s, struct il_batch *batch, uint32_t i,
           uint64_t number, const struct window *w)
{
    unsigned char cell[WINDOW_HEAD + SUMMARY_KEY], *p = cell;
    p = keyed_store(p, (uint64_t) w->window, 8);
    p = keyed_store(p, (uint64_t) w->count, 8);
    p = keyed_store(p, (uint64_t) w->first_us, 8);
    p = keyed_store(p, (uint64_t) w->last_us, 8);
    p = keyed_store(p, (uint64_t) w->cut, 1);
    memcpy(p, w->key, w->key_len);
    int err = name_number(s, number);
    return err ? err
               : il_memory_put(batch, i, s->memory, s->key->data, s->key->len,
                               cell, WINDOW_HEAD + w->key_len, 0);
}

/* --- the end of a window --------------------------------------------------- */

/* A text, without the quotes that JSON has. */
static int
write_time(struct summary *s, int64_t us)
{
    const struct il_value time = keyed_time(us);
    s->time->len = 0;
    return il_write_json(s->host, s->time, &time, 0) < 0 ? -ENOMEM : 0;
}

static int
write_payload(struct summary *s, const struct window *w, struct il_value *map)
{
    const struct il_value key = { IL_STRING, 0, { 0 }, w->key, w->key_len };
    const int64_t passed = w->count < s->max ? w->count : s->max;
    s->items->len = 0;
    *map = (struct il_value){ 0 };
    int err = keyed_result(s->host, s->items, map, "key", key);
    if (!err)
        err = keyed_result(s->host, s->items, map, "passed", keyed_int(passed));
    if (!err)
        err = keyed_result(s->host, s->items, map, "suppressed",
                           keyed_int(w->count - passed));
    if (!err)
        err = keyed_result(s->host, s->items, map, "first",
                           keyed_time(w->first_us));
    if (!err)
        err = keyed_result(s->host, s->items, map, "last",
                           keyed_time(w->last_us));
    return err ? err
               : keyed_result(s->host, s->items, map, "window",
                              keyed_time(w->window * s->window_us));
}

/* What tells it from all others that the step ever makes. */
static size_t
write_id(const struct summary *s, const struct window *w, uint64_t number,
         char out[ID_TEXT])
{
    int n = snprintf(out, ID_TEXT, "%lld/%lld/", (long long) s->window_us,
                     (long long) w->window);
    if (w->cut)
        n += snprintf(out + n, ID_TEXT - (size_t) n, "%llu/",
                      (unsigned long long) number);
    memcpy(out + n, w->key, w->key_len);
    return (size_t) n + w->key_len;
}

static int
tell(struct summary *s, struct il_batch *batch, uint32_t i, uint64_t number,
     const struct window *w)
{
    char id[ID_TEXT];
    struct il_value map;
    int err = write_payload(s, w, &map);
    if (!err)
        err = write_time(s, (w->window + 1) * s->window_us);
    if (err)
        return err;
    s->key->len = 0;
    if ((err = il_write_msgpack(s->host, s->key, &map)))
        return err;
    const struct il_event event = { IL_SIZED(struct il_event),
                                    .encoding = IL_MSGPACK,
                                    .id = id,
                                    .id_len = write_id(s, w, number, id),
                                    .type = SUMMARY_TYPE,
                                    .type_len = strlen(SUMMARY_TYPE),
                                    .timestamp = s->time->data + 1,
                                    .timestamp_len = s->time->len - 2,
                                    .payload = s->key->data,
                                    .payload_len = s->key->len };
    return il_derive(batch, i, &event);
}

static int
get_head(struct summary *s, struct il_batch *batch, uint32_t i, uint64_t *head,
         uint64_t *end)
{
    *head = *end = 0;
    int rc = name(s, OF_HEAD, NULL, 0);
    if (!rc)
        rc = get_two(s, batch, i, head, end);
    return rc < 0 ? rc : 0;
}

static int
put_head(struct summary *s, struct il_batch *batch, uint32_t i, uint64_t head,
         uint64_t end)
{
    int err = name(s, OF_HEAD, NULL, 0);
    return err ? err : put_two(s, batch, i, head, end, 0);
}

int
summary_end(struct summary *s, struct il_batch *batch, uint32_t i)
{
    const int64_t now = il_stream_us(batch, i) / s->window_us;
    struct window w;
    uint64_t head, end, n = 0;
    int rc = get_head(s, batch, i, &head, &end);
    while (rc >= 0 && head + n < end && n < ENDS_MOST) {
        if ((rc = get_window(s, batch, i, head + n, &w)) < 0)
            return rc;
        if (rc && w.window >= now)
            break;
        if (rc)
            rc = tell(s, batch, i, head + n, &w);
        if (!rc)
            rc = name_number(s, head + n);
        if (!rc)
            rc = il_memory_forget(batch, i, s->memory, s->key->data,
                                  s->key->len);
        n += !rc;
    }
    if (rc >= 0 && n)
        rc = put_head(s, batch, i, head + n, end);
    s->ended += n;
    return rc < 0 ? rc : 0;
}

/* --- counting -------------------------------------------------------------- */

static int
begin(struct summary *s, struct il_batch *batch, uint32_t i, const char *key,
      size_t len, int64_t window)
{
    const int64_t now = il_stream_us(batch, i);
    struct window w = { .window = window,
                        .count = 1,
                        .first_us = now,
                        .last_us = now,
                        .cut = len > SUMMARY_KEY };
    uint64_t head, end;
    w.key_len = w.cut ? SUMMARY_KEY : len;
    while (w.cut && w.key_len && (key[w.key_len] & 0xC0) == 0x80)
        w.key_len--; /* cut between characters */
    if (w.key_len)
        memcpy(w.key, key, w.key_len);
    int err = get_head(s, batch, i, &head, &end);
    if (!err)
        err = put_window(s, batch, i, end, &w);
    if (!err)
        err = put_head(s, batch, i, head, end + 1);
    if (!err)
        err = name(s, OF_KEY, key, len);
    return err ? err
               : put_two(s, batch, i, (uint64_t) window, end,
                         (window + 1) * s->window_us);
}

int
summary_count(struct summary *s, struct il_batch *batch, uint32_t i,
              const char *key, size_t len, int64_t *nth)
{
    const int64_t now = il_stream_us(batch, i), window = now / s->window_us;
    struct window w;
    uint64_t of, number;
    int rc = name(s, OF_KEY, key, len);
    if (!rc)
        rc = get_two(s, batch, i, &of, &number);
    if (rc == 1 && (int64_t) of == window)
        rc = get_window(s, batch, i, number, &w);
    else if (rc == 1)
        rc = 0;
    if (rc < 0)
        return rc;
    if (!rc || w.window != window) {
        *nth = 1;
        return begin(s, batch, i, key, len, window);
    }
    if (w.when != KEYED_BEFORE) {
        *nth = w.when == KEYED_OWN ? w.count : 0;
        return 0;
    }
    *nth = ++w.count;
    if (now > w.last_us)
        w.last_us = now;
    return put_window(s, batch, i, number, &w);
}

int
summary_show(struct summary *s, const char *key, size_t len,
             const struct il_remembered *cell, struct il_text *out)
{
    struct il_value map;
    struct window w;
    if (!len || (*key != OF_QUEUE && *key != OF_KEY && *key != OF_HEAD))
        return -EINVAL;
    if (*key != OF_QUEUE)
        return 0;
    int err = load_window(cell, &w);
    if (!err)
        err = write_payload(s, &w, &map);
    return err ? err : il_write_json(s->host, out, &map, 0) < 0 ? -ENOMEM : 0;
}

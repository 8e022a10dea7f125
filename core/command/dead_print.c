/* SPDX-License-Identifier: MIT */
/* A dead letter on standard output. */
#include "dead.h"

#include "base/text_plain.h"
#include "base/time.h"
#include "base/wtf8.h"
#include "codec/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct slice
member(const struct il_value *map, const char *key)
{
    struct il_value v;
    if (map->type == IL_MAP && msg_find(map, key, strlen(key), &v)
        && v.type == IL_STRING)
        return slice_of(v.str, v.len);
    return slice_of(NULL, 0);
}

void
command_dead_known(const struct dead_letter *l, struct il_text *unpacked,
                   struct known *out)
{
    struct json_error error;
    struct il_value v;
    *out = (struct known){ .accepted = 0 };
    if (strncmp(l->lane, "gate/", 5) != 0) {
        if (event_unpack(l->event.ptr, l->event.len, &out->ev))
            return;
        out->accepted = 1;
        out->id = out->ev.id;
        out->type = out->ev.type;
        return;
    }
    unpacked->len = 0;
    if (json_to_msgpack(l->event.ptr, l->event.len, unpacked, &error))
        return;
    const char *p = unpacked->data;
    out->json = 1;
    if (msg_head(&p, p + unpacked->len, &v))
        return;
    out->id = member(&v, "id");
    out->type = member(&v, "type");
}

static int
put_member(struct il_text *out, const char *key, struct slice value)
{
    if (text_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",",
                    key))
        return -ENOMEM;
    if (!value.ptr)
        return text_puts(out, "null");
    return json_write_str(out, value.ptr, value.len, 0) < 0 ? -ENOMEM : 0;
}

static int
put_text(struct il_text *out, const char *key, const char *value)
{
    return put_member(out, key, slice_of(value, value ? strlen(value) : 0));
}

static int
put_hex(struct il_text *out, struct slice bytes)
{
    int err = 0;
    for (size_t i = 0; i < bytes.len && !err; i++)
        err = text_printf(out, "%02x", (unsigned char) bytes.ptr[i]);
    return err;
}

/* The event as JSON where it is an event or JSON, else as a string. */
static int
put_event(struct il_text *out, const struct dead_letter *l,
          const struct known *k)
{
    if (k->accepted)
        return text_puts(out, ",\"event\":") || event_json(out, &k->ev);
    if (k->json)
        return text_puts(out, ",\"event\":")
               || text_put(out, l->event.ptr, l->event.len);
    if (strncmp(l->lane, "gate/", 5) != 0)
        return text_puts(out, ",\"event_bytes\":\"") || put_hex(out, l->event)
               || text_putc(out, '"');
    /* It may have been refused because it is no UTF-8. */
    struct il_text copy = { 0 };
    int err = text_put(&copy, l->event.ptr, l->event.len);
    if (!err)
        utf8_mend(copy.data, copy.len);
    err = err
          || put_member(out, "event_text", slice_of(text_str(&copy), copy.len));
    text_clear(&copy);
    return err;
}

static int
put_retry(struct il_text *out, const struct dead_letter *l)
{
    if (!l->retry)
        return text_puts(out, ",\"retry\":null");
    return text_printf(out, ",\"retry\":%" PRIu64, l->retry);
}

static int
put_json(struct il_text *out, const struct dead_letter *l,
         const struct known *k, int whole)
{
    char when[TIME_TEXT];
    time_format(when, l->at_us);
    int err = text_putc(out, '{') || put_text(out, "lane", l->lane)
              || text_printf(out, ",\"position\":%" PRIu64, l->position)
              || put_member(out, "event_id", k->id)
              || put_member(out, "type", k->type) || put_text(out, "at", when)
              || text_printf(out, ",\"attempts\":%" PRIu32, l->attempts)
              || put_text(out, "code", l->reason.code)
              || put_text(out, "field", l->reason.field)
              || put_text(out, "rule", l->reason.rule)
              || put_text(out, "message", l->reason.message)
              || (l->key && put_text(out, "key", l->key)) || put_retry(out, l)
              || (whole && put_event(out, l, k)) || text_puts(out, "}\n");
    return err ? -ENOMEM : 0;
}

static int
put_words(struct il_text *out, const char *before, struct slice s)
{
    return s.len ? text_puts(out, before) || text_plain(out, s, 0) : 0;
}

static struct slice
slice_str(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

static int
put_person(struct il_text *out, const struct dead_letter *l,
           const struct known *k, int whole)
{
    char when[TIME_TEXT];
    time_format(when, l->at_us);
    int err = put_words(out, "", slice_str(l->lane))
              || text_printf(out, " %" PRIu64 "  %s", l->position, when)
              || put_words(out, "  ", k->type) || put_words(out, "  ", k->id)
              || put_words(out, "\n    ", slice_str(l->reason.code))
              || put_words(out, ", field ", slice_str(l->reason.field))
              || put_words(out, ", rule ", slice_str(l->reason.rule))
              || put_words(out, ": ", slice_str(l->reason.message));
    if (!err && l->retry)
        err = text_printf(out, "\n    being tried again, as %" PRIu64,
                          l->retry);
    if (!err && whole && l->attempts)
        err = text_printf(out, "\n    given up after %" PRIu32 " attempt%s",
                          l->attempts, l->attempts == 1 ? "" : "s");
    if (!err && whole) {
        struct il_text event = { 0 };
        if (k->accepted)
            err = event_json(&event, &k->ev);
        else if (strncmp(l->lane, "gate/", 5) == 0)
            err = text_put(&event, l->event.ptr, l->event.len);
        else
            err = put_hex(&event, l->event);
        err =
            err
            || put_words(out, "\n    ", slice_of(text_str(&event), event.len));
        text_clear(&event);
    }
    return err || text_putc(out, '\n') ? -ENOMEM : 0;
}

int
command_dead_print(void *arg, const struct dead_letter *l)
{
    struct dead_job *j = arg;
    struct il_text unpacked = { 0 };
    struct known k;
    command_dead_known(l, &unpacked, &k);
    j->text.len = 0;
    j->done++;
    int err = j->json ? put_json(&j->text, l, &k, j->whole)
                      : put_person(&j->text, l, &k, j->whole);
    text_clear(&unpacked);
    if (err)
        return err;
    return fwrite(j->text.data, 1, j->text.len, stdout) == j->text.len ? 0
                                                                       : -EIO;
}

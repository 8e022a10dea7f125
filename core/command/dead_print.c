/* SPDX-License-Identifier: MIT */
/* A dead letter on standard output. */
#include "dead.h"

#include "base/text_plain.h"
#include "base/time.h"
#include "base/wtf8.h"
#include "codec/json.h"
#include "codec/json_out.h"

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
put_hex(struct il_text *out, struct slice bytes)
{
    if (text_reserve(out, 2 * bytes.len))
        return -ENOMEM;
    char *end = digits_put_hex(out->data + out->len, bytes.ptr, bytes.len);
    out->len = (size_t) (end - out->data);
    return 0;
}

/* The event as JSON where it is an event or JSON, else as a string. */
static void
put_event(struct json_out *o, const struct dead_letter *l,
          const struct known *k)
{
    struct il_text copy = { 0 };
    const char *key = "event";
    if (k->accepted) {
        json_out_object(o, key);
        event_members(o, &k->ev);
        json_out_end(o);
        return;
    }
    if (k->json) {
        json_out_said(o, text_put(&copy, l->event.ptr, l->event.len));
    } else if (strncmp(l->lane, "gate/", 5) != 0) {
        key = "event_bytes";
        json_out_said(o, put_hex(&copy, l->event));
    } else { /* it may have been refused because it is no UTF-8 */
        key = "event_text";
        json_out_said(o, text_put(&copy, l->event.ptr, l->event.len));
        utf8_mend(copy.data, copy.len);
    }
    struct slice s = slice_of(text_str(&copy), copy.len);
    if (k->json)
        json_out_raw(o, key, s);
    else
        json_out_slice(o, key, s);
    text_clear(&copy);
}

static int
put_json(struct il_text *out, const struct dead_letter *l,
         const struct known *k, int whole)
{
    struct json_out o;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_str(&o, "lane", l->lane);
    json_out_number(&o, "position", l->position);
    json_out_slice(&o, "event_id", k->id);
    json_out_slice(&o, "type", k->type);
    json_out_time(&o, "at", l->at_us);
    json_out_number(&o, "attempts", l->attempts);
    json_out_str(&o, "code", l->reason.code);
    json_out_str(&o, "field", l->reason.field);
    json_out_str(&o, "rule", l->reason.rule);
    json_out_str(&o, "message", l->reason.message);
    if (l->key)
        json_out_str(&o, "key", l->key);
    if (l->retry)
        json_out_number(&o, "retry", l->retry);
    else
        json_out_null(&o, "retry");
    if (whole)
        put_event(&o, l, k);
    json_out_end(&o);
    return json_out_done(&o) || text_putc(out, '\n') ? -ENOMEM : 0;
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
        if (!err && !k->accepted && !k->json
            && strncmp(l->lane, "gate/", 5) == 0)
            err = text_puts(out, "\n    no JSON, so emit cannot send it:");
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

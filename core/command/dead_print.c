/* SPDX-License-Identifier: MIT */
/* A dead letter, or an event that waits, on standard output: what it is, why it is
 * there, how often it was tried and when it is again.  A body that nothing could
 * read is shown as hexadecimal digits. */
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

static int
put_hex(struct il_text *out, struct slice bytes)
{
    if (text_reserve(out, 2 * bytes.len))
        return -ENOMEM;
    char *end = digits_put_hex(out->data + out->len, bytes.ptr, bytes.len);
    out->len = (size_t) (end - out->data);
    return 0;
}

/* --- JSON ----------------------------------------------------------------- */

/* The event as JSON where it is an event or JSON, else as a string. */
static void
json_event(struct json_out *o, const struct dead_item *it,
           const struct known *k)
{
    struct il_text copy = { 0 };
    const char *key = "event";
    if (k->accepted) {
        json_out_object(o, key);
        event_members(o, &k->ev);
        json_out_end(o);
        if (k->hidden)
            json_out_bool(o, "hidden", 1);
        if (it->kind == DEAD_LETTER)
            return;
        json_out_said(o, batch_entities_json(k->entities, &copy));
        json_out_raw(o, "entities", slice_of(text_str(&copy), copy.len));
        text_clear(&copy);
        return;
    }
    if (k->json) {
        json_out_said(o, text_put(&copy, it->event.ptr, it->event.len));
    } else if (!command_dead_is_gate(it->lane)) {
        key = "event_bytes";
        json_out_said(o, put_hex(&copy, it->event));
    } else { /* it may have been refused because it is no UTF-8 */
        key = "event_text";
        json_out_said(o, text_put(&copy, it->event.ptr, it->event.len));
        utf8_mend(copy.data, copy.len);
    }
    struct slice s = slice_of(text_str(&copy), copy.len);
    if (k->json)
        json_out_raw(o, key, s);
    else
        json_out_slice(o, key, s);
    text_clear(&copy);
}

/* null where there is none. */
static void
json_number(struct json_out *o, const char *key, uint64_t n)
{
    if (n)
        json_out_number(o, key, n);
    else
        json_out_null(o, key);
}

static void
json_waiting(struct json_out *o, const struct dead_item *it)
{
    if (it->behind)
        json_out_null(o, "due");
    else
        json_out_time(o, "due", it->due_us);
    json_number(o, "waits_behind", it->behind);
    json_out_bool(o, "was_letter", it->was_letter);
}

static void
json_render(struct dead_job *j, struct json_out *o, const struct dead_item *it)
{
    struct il_text text = { 0 };
    int err = command_dead_render(j, it, &text);
    struct slice s = slice_of(text_str(&text), text.len);
    if (err == -ENOMEM)
        json_out_said(o, err);
    utf8_mend(text.data, text.len);
    json_out_slice(o, "render", err ? slice_of(NULL, 0) : s);
    json_out_slice(o, "render_error", err ? s : slice_of(NULL, 0));
    j->failed |= err != 0;
    text_clear(&text);
}

static int
put_json(struct dead_job *j, const struct dead_item *it, const struct known *k)
{
    struct json_out o;
    json_out_begin(&o, &j->text);
    json_out_object(&o, NULL);
    json_out_str(&o, "lane", it->lane);
    json_out_number(&o, "position", it->position);
    json_out_slice(&o, "event_id", k->id);
    json_out_slice(&o, "type", k->type);
    json_out_time(&o, "at", it->at_us);
    json_out_number(&o, "attempts", it->attempts);
    json_out_str(&o, "code", it->code);
    json_out_str(&o, "field", it->field);
    json_out_str(&o, "rule", it->rule);
    json_out_str(&o, "message", it->message);
    if (it->key)
        json_out_str(&o, "key", it->key);
    if (command_dead_waits(it))
        json_waiting(&o, it);
    if (it->kind != DEAD_WAITING)
        json_number(&o, "retry", it->retry);
    if (!command_dead_is_gate(it->lane))
        json_out_time(&o, "first_at", it->first_us);
    if (it->kind != DEAD_LETTER)
        json_out_str(&o, "target", it->target);
    else if (!command_dead_is_gate(it->lane))
        event_decided_json(&o, "stopped", it->decided);
    if (j->whole)
        json_event(&o, it, k);
    if (j->render)
        json_render(j, &o, it);
    json_out_end(&o);
    return json_out_done(&o) || text_putc(&j->text, '\n') ? -ENOMEM : 0;
}

/* --- for people ----------------------------------------------------------- */

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
put_time(struct il_text *out, const char *before, int64_t us)
{
    char when[TIME_TEXT];
    time_format(when, us);
    return text_printf(out, "%s%s", before, when);
}

static int
put_reason(struct il_text *out, const struct dead_item *it)
{
    if (!it->code)
        return put_words(out, "\n    ", slice_str(it->message));
    return put_words(out, "\n    ", slice_str(it->code))
           || put_words(out, ", field ", slice_str(it->field))
           || put_words(out, ", rule ", slice_str(it->rule))
           || put_words(out, ": ", slice_str(it->message));
}

/* When it is sent again, and how it got there. */
static int
put_waiting(struct il_text *out, const struct dead_item *it)
{
    int err = it->behind
                  ? text_printf(out, "\n    waits behind %" PRIu64, it->behind)
                  : put_time(out, "\n    due ", it->due_us);
    return err
           || text_printf(out, ", %" PRIu32 " attempt%s%s", it->attempts,
                          it->attempts == 1 ? "" : "s",
                          it->was_letter ? ", was a dead letter" : "")
           || put_words(out, ", to ", slice_str(it->target));
}

/* Where it goes on when it is tried again. */
static int
put_stopped(struct il_text *out, const struct dead_item *it)
{
    static const char *const places[] = { NULL, "\n    stopped at step ",
                                          "\n    goes on after step ",
                                          "\n    stopped at when",
                                          "\n    stopped at its destination" };
    struct event_decided d;
    if (event_decided_read(it->decided, &d))
        return text_puts(out, "\n    stopped where this version cannot tell");
    if (d.place == EVENT_NOWHERE)
        return 0;
    return text_puts(out, places[d.place]) || text_plain(out, d.step, 0)
           || put_words(out, " (", d.plugin)
           || (d.plugin.len && text_putc(out, ')'));
}

/* What is only shown of one. */
static int
put_life(struct il_text *out, const struct dead_item *it)
{
    int err = 0;
    if (command_dead_waits(it))
        return put_time(out, "\n    put aside first ", it->first_us)
               || put_time(out, ", last ", it->at_us) || put_stopped(out, it);
    if (it->attempts)
        err = text_printf(out, "\n    given up after %" PRIu32 " attempt%s",
                          it->attempts, it->attempts == 1 ? "" : "s");
    if (!err
        && (it->kind == DEAD_OWN_LETTER
            || (it->attempts > 1 && it->first_us != it->at_us)))
        err = put_time(out, "\n    failed first ", it->first_us)
              || put_words(out, ", to ", slice_str(it->target));
    return err || put_stopped(out, it);
}

static int
put_event(struct il_text *out, const struct dead_item *it,
          const struct known *k)
{
    struct il_text text = { 0 };
    int gate = command_dead_is_gate(it->lane);
    int err = k->accepted ? event_json(&text, &k->ev)
              : gate      ? text_put(&text, it->event.ptr, it->event.len)
                          : put_hex(&text, it->event);
    if (!err && gate && !k->json)
        err = text_puts(out, "\n    no JSON, so emit cannot send it:");
    err = err || put_words(out, "\n    ", slice_of(text_str(&text), text.len));
    if (!err && k->hidden)
        err = text_puts(out, "\n    its payload is hidden, as nobody can tell "
                             "what the lane takes out of it: --raw shows it");
    text.len = 0;
    if (!err && k->entities)
        err = batch_entities_json(k->entities, &text)
              || put_words(out, "\n    entities ",
                           slice_of(text_str(&text), text.len));
    text_clear(&text);
    return err;
}

static int
put_render(struct dead_job *j, const struct dead_item *it)
{
    struct il_text text = { 0 };
    int err = command_dead_render(j, it, &text);
    struct slice s = slice_of(text_str(&text), text.len);
    if (s.len && s.ptr[s.len - 1] == '\n')
        s.len--;
    j->failed |= err != 0;
    err = err == -ENOMEM
          || text_puts(&j->text, err ? "\n    cannot be rendered: "
                                     : "\n    would be sent as\n")
          || text_plain(&j->text, s, !err);
    text_clear(&text);
    return err;
}

static int
put_person(struct dead_job *j, const struct dead_item *it,
           const struct known *k)
{
    struct il_text *out = &j->text;
    int err = put_words(out, "", slice_str(it->lane))
              || text_printf(out, " %" PRIu64, it->position)
              || put_time(out, "  ", it->at_us) || put_words(out, "  ", k->type)
              || put_words(out, "  ", k->id) || put_reason(out, it);
    if (!err && command_dead_waits(it))
        err = put_waiting(out, it);
    if (!err && it->retry)
        err =
            text_printf(out, "\n    being tried again, as %" PRIu64, it->retry);
    if (!err && j->whole)
        err = put_life(out, it) || put_event(out, it, k);
    if (!err && j->render)
        err = put_render(j, it);
    return err || text_putc(out, '\n') ? -ENOMEM : 0;
}

int
command_dead_print(void *arg, const struct dead_item *it)
{
    struct dead_job *j = arg;
    struct known k;
    command_dead_known(j, it, &k);
    if (j->whole && !j->raw)
        command_dead_redact(j, it, &k);
    j->text.len = 0;
    j->done++;
    int err = j->json ? put_json(j, it, &k) : put_person(j, it, &k);
    if (err)
        return err;
    return fwrite(j->text.data, 1, j->text.len, stdout) == j->text.len ? 0
                                                                       : -EIO;
}

/* SPDX-License-Identifier: MIT */
/* ingestlayer test --record: a test made of an event in the spool.
 *
 * The event is given as it came; the entities are those that the steps of the
 * config ask for, as the store has them now; and what comes of it in a trial is what
 * the test expects. */
#include "private.h"
#include "test.h"
#include "why.h"

#include "base/state_dir.h"
#include "base/time.h"
#include "codec/json.h"
#include "lang/expr.h"
#include "store/entity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROUNDS 8 /* an entity may name another, and that one a third */
#define ASKED_MAX 256

struct asked {
    const char *kind, *id;
    int looked_up;
};

struct recorder {
    const struct test_recording *r;
    struct conf *memory;
    struct entities *live; /* NULL: there are none */
    struct trial_case test;
    struct trial_given given;
    struct trial_entity entities[ASKED_MAX];
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    int made; /* the event's id was made by the gate */
    struct il_text out;
};

static int
failed(const char *what, const char *why)
{
    fprintf(stderr, "ingestlayer test: %s%s%s\n", what, *why ? ": " : "", why);
    return 1;
}

/* --- the event ---------------------------------------------------------------- */

static const char *
keep(struct recorder *c, struct slice s)
{
    return s.ptr ? conf_strndup(c->memory, s.ptr, s.len) : NULL;
}

static const char *
keep_json(struct recorder *c, const struct il_value *v)
{
    struct il_text json = { 0 };
    json_write(&json, v, 0);
    const char *copy = conf_strndup(c->memory, text_str(&json), json.len);
    text_clear(&json);
    return copy;
}

static const char *
keep_packed(struct recorder *c, struct slice packed)
{
    const char *p = packed.ptr;
    struct il_value v;
    return msg_value(&p, packed.ptr + packed.len, &v) ? "{}" : keep_json(c, &v);
}

static const char *
keep_time(struct recorder *c, int64_t us)
{
    char text[TIME_TEXT];
    size_t len = time_format(text, us);
    return conf_strndup(c->memory, text, len);
}

static void
give(struct recorder *c, const struct event *ev)
{
    c->made = (ev->flags & EVENT_MADE) != 0;
    c->given = (struct trial_given){
        .source = keep(c, ev->source_id),
        .type = keep(c, ev->type),
        .payload = keep_packed(c, ev->payload),
        .id = c->made ? NULL : keep(c, ev->id),
        .key = keep(c, ev->key),
        .timestamp = ev->timestamp_us == EVENT_NO_TIME
                         ? NULL
                         : keep_time(c, ev->timestamp_us),
    };
    c->test = (struct trial_case){
        .conf = c->memory,
        .name = conf_printf(c->memory, "%.*s of %s", (int) ev->type.len,
                            ev->type.ptr, keep_time(c, ev->received_us)),
        .at_us = ev->received_us,
        .entities = c->entities,
        .given = &c->given,
        .given_count = 1
    };
}

static int
find_event(struct recorder *c)
{
    struct why w = { .id = c->r->event, .most = 1 };
    snprintf(w.spool, sizeof(w.spool), "%s/spool", c->r->state_dir);
    int err = command_why_find(&w);
    if (!err && !w.event_count)
        err = failed(conf_printf(c->memory, "there is no event \"%s\" in %s",
                                 c->r->event, w.spool),
                     "the gate refused it, or the spool has let go of it");
    if (!err)
        give(c, &w.events[0].ev);
    for (size_t i = 0; i < w.event_count; i++)
        text_clear(&w.events[i].body);
    free(w.events);
    return err;
}

/* --- entities ----------------------------------------------------------------- */

static int
open_entities(struct recorder *c)
{
    char *path = conf_printf(c->memory, "%s/" ENTITY_DIR, c->r->state_dir);
    struct stat st;
    return stat(path, &st) ? 0 : entity_open(path, 0, &c->live) != 0;
}

/* By the lanes' threads, one at a time. */
static void
note_asked(void *arg, struct slice kind, struct slice id)
{
    struct recorder *c = arg;
    for (size_t i = 0; i < c->asked_count; i++)
        if (slice_equal(kind,
                        slice_of(c->asked[i].kind, strlen(c->asked[i].kind)))
            && slice_equal(id,
                           slice_of(c->asked[i].id, strlen(c->asked[i].id))))
            return;
    if (c->asked_count < ASKED_MAX)
        c->asked[c->asked_count++] =
            (struct asked){ keep(c, kind), keep(c, id), 0 };
}

/* Those that were asked for, and are there: how many more. */
static int
look_up(struct recorder *c)
{
    int more = 0;
    for (size_t i = 0; c->live && i < c->asked_count; i++) {
        struct asked *a = &c->asked[i];
        struct il_text text = { 0 };
        struct entity e;
        if (!a->looked_up
            && entity_get(c->live, slice_of(a->kind, strlen(a->kind)),
                          slice_of(a->id, strlen(a->id)), &text, &e)
                   == 1) {
            c->entities[c->test.entity_count++] =
                (struct trial_entity){ a->kind, a->id,
                                       keep_json(c, &e.traits) };
            more++;
        }
        a->looked_up = 1;
        text_clear(&text);
    }
    return more;
}

/* --- what comes of it ----------------------------------------------------------- */

/* NULL after a message. */
static struct trial_result *
try_once(struct recorder *c, int round)
{
    const struct trial_options o = { .config = c->r->config,
                                     .folder = conf_printf(c->memory, "%s/r%d",
                                                           c->r->folder, round),
                                     .catalog = c->r->catalog,
                                     .log_level = IL_LOG_ERROR,
                                     .asked = note_asked,
                                     .arg = c };
    mkdir(o.folder, 0700);
    struct trial_result *r = trial_run(&o, &c->test);
    state_dir_remove_below(o.folder);
    if (!r->error)
        return r;
    failed(r->error, "");
    trial_free(r);
    return NULL;
}

static struct trial_result *
try(struct recorder *c)
{
    struct trial_result *r = try_once(c, 0);
    for (int i = 1; r && i < ROUNDS && look_up(c); i++) {
        trial_free(r);
        r = try_once(c, i);
    }
    return r;
}

/* --- as a file -------------------------------------------------------------------- */

static void
put(struct recorder *c, const char *text)
{
    if (text_puts(&c->out, text))
        conf_give_up();
}

static void
put_text(struct recorder *c, const char *name, const char *value)
{
    if (!value)
        return;
    put(c, name);
    put(c, " = ");
    if (conf_put_string(&c->out, value))
        conf_give_up();
    put(c, "; ");
}

static void
put_given(struct recorder *c)
{
    const struct trial_case *t = &c->test;
    put(c, "  { ");
    put_text(c, "name", t->name);
    put(c, "\n    ");
    put_text(c, "at", keep_time(c, t->at_us));
    put(c, "\n");
    for (size_t i = 0; i < t->entity_count; i++) {
        put(c, i ? ",\n                 { " : "    entities = ( { ");
        put_text(c, "kind", t->entities[i].kind);
        put_text(c, "id", t->entities[i].id);
        put(c, "\n                   ");
        put_text(c, "traits", t->entities[i].traits);
        put(c, "}");
    }
    put(c, t->entity_count ? " );\n    given = ( { " : "    given = ( { ");
    put_text(c, "source", c->given.source);
    put_text(c, "type", c->given.type);
    put_text(c, "id", c->given.id);
    put_text(c, "key", c->given.key);
    put_text(c, "timestamp", c->given.timestamp);
    put(c, "\n                ");
    put_text(c, "payload", c->given.payload);
    put(c, "} );\n");
}

/* May it be the name of a setting? */
static int
is_name(struct slice s)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz";
    if (!s.len || !memchr(letters, s.ptr[0], sizeof(letters) - 1))
        return 0;
    for (size_t i = 0; i < s.len; i++)
        if (!memchr(letters, s.ptr[i], sizeof(letters) - 1)
            && !memchr("0123456789_-", s.ptr[i], 12))
            return 0;
    return 1;
}

/* Without what is another at each run: an id that the gate makes. */
static int
is_worth_it(const struct recorder *c, const struct trial_answer *a,
            struct slice name, const struct il_value *v)
{
    return is_name(name)
           && (v->type == IL_NULL
               || (v->type == IL_STRING
                   && !(c->made && a->id && v->len == strlen(a->id)
                        && memcmp(v->str, a->id, v->len) == 0)));
}

/* An object of texts is a row. */
static int
put_row(struct recorder *c, const struct trial_answer *a, const char *json)
{
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value row, key, v;
    size_t iter = 0;
    const char *p;
    int err = json_to_msgpack(json, strlen(json), &packed, &error);
    p = packed.data;
    if (!err
        && (msg_value(&p, packed.data + packed.len, &row)
            || row.type != IL_MAP))
        err = -EINVAL;
    if (!err)
        put(c, "rows = ( { ");
    while (!err && msg_item(&row, &iter, &key, &v)) {
        const struct slice name = slice_of(key.str, key.len);
        if (!is_worth_it(c, a, name, &v))
            continue;
        put(c, "\n                 ");
        put_text(c, keep(c, name),
                 v.type == IL_NULL ? "\\N" : keep(c, slice_of(v.str, v.len)));
    }
    if (!err)
        put(c, "} ); }");
    text_clear(&packed);
    return err;
}

/* Of a request what it is; its headers have ids and times. */
static void
put_request(struct recorder *c, const char *text)
{
    struct test_request r;
    command_test_request_read(text, &r);
    put(c, "request = { ");
    put_text(c, "method", keep(c, r.method));
    put_text(c, "url", keep(c, r.url));
    put(c, "\n                 ");
    put_text(c, "body", keep(c, r.body));
    put(c, "}; }");
}

static void
put_lane(struct recorder *c, const struct trial_result *r, uint32_t lane)
{
    const struct trial_sight *s;
    const enum test_fate fate = command_test_fate(r, 0, lane, &s);
    if (fate == TEST_NOT_TAKEN || fate == TEST_NOT_RUN || fate == TEST_ASIDE)
        return;
    put(c, c->out.data[c->out.len - 1] == '(' ? " { " : ",\n               { ");
    put_text(c, "lane", r->lanes[lane].name);
    if (fate == TEST_WHEN || fate == TEST_DROPPED) {
        put_text(c, "drop", fate == TEST_WHEN ? "when" : s->name);
        put(c, "}");
    } else if (fate == TEST_DEAD) {
        put_text(c, "dead", s->name);
        put(c, "}");
    } else if (put_row(c, &r->answers[0], s->text)) {
        put_request(c, s->text);
    }
}

static void
put_expected(struct recorder *c, const struct trial_result *r)
{
    const struct trial_answer *a = &r->answers[0];
    put(c, "    expect = (");
    if (!a->position)
        put(c, conf_printf(c->memory, " { gate = %d; }", a->status));
    for (uint32_t i = 0; a->position && i < r->lane_count; i++)
        put_lane(c, r, i);
    if (c->out.data[c->out.len - 1] == '(')
        put(c, " { drop = \"match\"; }");
    put(c, " ); }\n");
}

static int
print(struct recorder *c, const struct trial_result *r)
{
    char *path = realpath(c->r->config, NULL);
    put(c, "# Recorded: an event as it came, the entities as they were when it "
           "was "
           "recorded,\n# and what this config makes of it.  Take out what is "
           "personal, and what need not be so.\n");
    put_text(c, "config", path ? path : c->r->config);
    put(c,
        "\n# env = { NAME = \"what `env:NAME` in the config stands for\"; };\n"
        "\ntests = (\n");
    free(path);
    put_given(c);
    put_expected(c, r);
    put(c, ");\n");
    fputs(text_str(&c->out), stdout);
    return fflush(stdout) ? failed("standard output", strerror(errno)) : 0;
}

int
command_test_record(const struct test_recording *recording)
{
    struct recorder *c = calloc(1, sizeof(*c));
    if (!c)
        return failed("no memory", "");
    c->r = recording;
    c->memory = conf_new();
    int err = find_event(c) || open_entities(c);
    struct trial_result *r = err ? NULL : try(c);
    err = r ? print(c, r) : 1;
    trial_free(r);
    if (c->live)
        entity_close(c->live);
    text_clear(&c->out);
    conf_free(c->memory);
    free(c);
    return err;
}

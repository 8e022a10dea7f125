/* SPDX-License-Identifier: MIT */
#include "sender.h"

#include "base/metrics.h"
#include "conf/options.h"
#include "lang/expr.h"
#include "http/origin.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#define ID_MAX 64
#define ID_CHARS                                                               \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"

/* --- its id --- */

static struct il_sender *
by_id(struct il_sender *s, const char *id)
{
    for (; s; s = gate_sender_next(s))
        if (!strcmp(s->id, id))
            return s;
    return NULL;
}

/* The name of where the secret stands, never the secret: NULL where it stands
 * in the config itself. */
static const char *
name_of_secret(const struct il_conf *conf, const char *secret)
{
    static const char *const elsewhere[] = { "env:", "file:", "credential:" };
    struct config_setting_t *setting
        = secret ? option_setting(conf, secret, 0) : NULL;
    const char *text = setting ? config_setting_get_string(setting) : NULL;
    for (size_t i = 0; text && i < 3; i++) {
        size_t len = strlen(elsewhere[i]);
        if (strncmp(text, elsewhere[i], len))
            continue;
        const char *slash = strrchr(text, '/');
        return slash ? slash + 1 : text + len;
    }
    return NULL;
}

static int
make_id(struct conf *owner, struct il_sender *others,
        const struct il_conf *conf, const char *secret, const char **out)
{
    const char *given = option_str(conf, "id", 0);
    if (!given && !secret)
        return option_error(conf, "id", 0,
                            "is required: nothing else says who this is");
    if (given && strspn(given, ID_CHARS) != strlen(given))
        return option_error(conf, "id", 0,
                            "\"%s\" is not made of letters, digits and -._",
                            given);
    if (given && by_id(others, given))
        return option_error(conf, "id", 0, "\"%s\" is used twice", given);
    const char *name = given ? NULL : name_of_secret(conf, secret);
    const char *from = given ? given : name ? name : "";
    char *id = conf_strndup(owner, from, strnlen(from, ID_MAX));
    for (char *p = id; *p; p++)
        if (!strchr(ID_CHARS, *p))
            *p = '_';
    *out = id;
    for (size_t n = 1; !**out || by_id(others, *out); n++)
        *out = conf_printf(owner, "%s-%zu", secret, n);
    return 0;
}

/* --- what it may do --- */

int
gate_sender_rate(const struct il_conf *conf, struct rate *out)
{
    const char *text = option_str(conf, "rate", 0), *why;
    int64_t burst = option_int(conf, "burst", 0);
    *out = (struct rate){ 0 };
    if (text && rate_parse(text, out, &why))
        return option_error(conf, "rate", 0, "expected %s, found \"%s\"", why,
                            text);
    if (burst && !text)
        return option_error(conf, "burst", 0,
                            "is of no use without rate, as in rate = "
                            "\"1000/s\"");
    if (burst)
        out->burst = (uint64_t) burst;
    return 0;
}

/* Without a word of the operator: nobody reads, and strangers do nothing. */
static int
read_entities(const struct il_sender *s, const struct il_conf *conf)
{
    if (!option_known(conf, "entities"))
        return SENDER_ALL;
    const char *text = option_str(conf, "entities", 0);
    if (!text)
        return s->publishable ? SENDER_NOTHING : SENDER_WRITES;
    return !strcmp(text, "all")     ? SENDER_ALL
           : !strcmp(text, "write") ? SENDER_WRITES
                                    : SENDER_NOTHING;
}

static void
read_types(struct il_sender *s, const struct il_conf *conf, struct conf *owner)
{
    size_t n = option_count(conf, "types");
    s->types = conf_alloc(owner, (n + 1) * sizeof(*s->types));
    for (; s->type_count < n; s->type_count++) {
        const char *glob = option_str(conf, "types", s->type_count);
        s->types[s->type_count] = slice_of(glob, strlen(glob));
    }
}

static int
read_origins(struct il_sender *s, const struct il_conf *conf,
             struct conf *owner)
{
    size_t n = option_count(conf, "origins");
    int err = 0;
    s->http.origins = conf_alloc(owner, (n + 1) * sizeof(*s->http.origins));
    for (size_t i = 0; i < n; i++) {
        const char *text = option_str(conf, "origins", i);
        const char *why = http_origin_compile(text, &s->http.origins[i]);
        if (why)
            err = option_error(conf, "origins", i,
                               "the origin \"%s\" is no good: it %s", text,
                               why);
    }
    s->http.origin_count = n;
    return err;
}

/* --- all of it --- */

static struct il_counter *
counter(const char *source, const char *id, const char *result)
{
    struct il_text labels = { 0 };
    struct il_counter *c = NULL;
    if (!metric_label(&labels, "source", source) && !text_putc(&labels, ',')
        && !metric_label(&labels, "key", id) && !text_putc(&labels, ',')
        && !metric_label(&labels, "result", result))
        c = metric_counter("gate_key_events_total", text_str(&labels),
                           IL_UNIT_NONE, "What became of the events of a key.");
    text_clear(&labels);
    return c;
}

int
gate_sender_open(struct conf *owner, const char *source,
                 struct il_sender **list, const struct il_conf *conf,
                 const char *secret, struct il_sender **out)
{
    struct il_sender *s = conf_alloc(owner, sizeof(*s));
    *s = (struct il_sender){
        .of = list,
        .secret = secret ? option_str(conf, secret, 0) : NULL,
        .options = conf,
        .secret_option = secret,
        .publishable = option_known(conf, "publishable")
                       && option_int(conf, "publishable", 0),
    };
    s->entities = read_entities(s, conf);
    int err = make_id(owner, *list, conf, secret, &s->id);
    int bad = gate_sender_rate(conf, &s->limit.bucket.rate);
    err = err ? err : bad;
    s->letters.rate = s->limit.bucket.rate;
    if (s->publishable && !s->limit.bucket.rate.events)
        option_remark(conf, "publishable", 0, -1, 1,
                      "without a rate whoever reads this key in a page may "
                      "send any number of events; give it one, as in rate = "
                      "\"100/s\"");
    read_types(s, conf, owner);
    if (option_known(conf, "origins"))
        bad = read_origins(s, conf, owner);
    err = err ? err : bad;
    if (err)
        return err;
    s->accepted = counter(source, s->id, "accepted");
    s->duplicates = counter(source, s->id, "duplicate");
    s->refused = counter(source, s->id, "refused");
    s->limited = counter(source, s->id, "limited");
    struct il_sender *last = *list;
    while (last && last->http.next)
        last = gate_sender_next(last);
    if (last)
        last->http.next = &s->http;
    else
        *list = s;
    *out = s;
    return 0;
}

int
gate_sender_may_send(const struct il_sender *s, struct slice type)
{
    for (size_t i = 0; i < s->type_count; i++)
        if (expr_glob_match(s->types[i], type))
            return 1;
    return !s->type_count;
}

int
gate_sender_may_come_from(const struct il_sender *s, const char *origin)
{
    for (size_t i = 0; i < s->http.origin_count; i++)
        if (http_origin_fits(&s->http.origins[i], origin))
            return 1;
    return !s->http.origin_count;
}

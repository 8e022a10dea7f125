/* SPDX-License-Identifier: MIT */
/* One event made of JSON by hand, for tests and benches of what reads events.
 * A mistake in the test itself aborts. */
#ifndef EVENT_FIXTURE_H
#define EVENT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "codec/batch.h"
#include "codec/json.h"

struct event_fixture {
    struct batch_event event;
    struct entity_link user, account;
    struct il_text payload, traits;
};

static inline void
fixture_need(int fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "the test's own event: %s\n", what);
    abort();
}

static inline struct il_value
fixture_map(struct il_text *bytes, const char *json)
{
    struct json_error error;
    struct il_value v;
    bytes->len = 0;
    fixture_need(!json_to_msgpack(json, strlen(json), bytes, &error), json);
    const char *p = bytes->data;
    fixture_need(!msg_value(&p, p + bytes->len, &v), json);
    return v;
}

/* id evt_1, type feature.used, source app, received 2026-11-23T07:09:00Z, sent
 * half a second before; user (plan pro, seats 5) and account (plan big, name
 * ACME) attached. */
static inline void
fixture_open(struct event_fixture *f, const char *payload)
{
    static const char traits[] = "{\"plan\":\"pro\",\"seats\":5,"
                                 "\"address\":{\"city\":\"Rome\"}}";
    memset(f, 0, sizeof *f);
    fixture_map(&f->payload, payload);
    f->event.ev.id = SLICE("evt_1");
    f->event.ev.type = SLICE("feature.used");
    f->event.ev.source_id = SLICE("app");
    fixture_need(
        !time_parse("2026-11-23T07:09:00Z", 20, &f->event.ev.received_us),
        "received_at");
    f->event.ev.timestamp_us = f->event.ev.received_us - 500000;
    f->event.ev.payload = slice_of(f->payload.data, f->payload.len);
    f->user.kind = batch_kind("user", 4);
    f->user.traits = fixture_map(&f->traits, traits);
    f->user.next = &f->account;
    f->account.kind = batch_kind("account", 7);
    /* {"plan":"big","name":"ACME"}, by hand */
    f->account.traits.type = IL_MAP;
    f->account.traits.count = 2;
    f->account.traits.str = "\xa4plan\xa3"
                            "big\xa4name\xa4"
                            "ACME";
    f->account.traits.len = 19;
    f->event.entities = &f->user;
}

static inline void
fixture_close(struct event_fixture *f)
{
    text_clear(&f->payload);
    text_clear(&f->traits);
}

#endif

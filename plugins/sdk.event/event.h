/* SPDX-License-Identifier: MIT */
/* What the files of sdk.event share. */
#ifndef EVENT_SOURCE_H
#define EVENT_SOURCE_H

#include "when.h"

#include <ingestlayer/plugin.h>

/* A field that the config declares for an event type. */
struct declared {
    const char *event, *name; /* the host's */
    int object;
};

/* A key, and what it may do. */
struct key {
    const char *text; /* the host's */
    size_t len;
    int publishable; /* everybody may read it: it is in a page, say */
    struct il_sender *sender;
};

/* What becomes of a CloudEvent's data that is no JSON. */
enum data_as { DATA_TEXT, DATA_BASE64, DATA_REFUSED };

struct event {
    const struct il_host *host;
    struct key *keys;
    size_t count;
    uint32_t max_events;
    enum data_as data_as;
    const char **origins; /* that the handshake says yes to */
    size_t origin_count;
    int64_t per_minute; /* 0: any rate */
    struct il_kind *user, *account;
    struct declared *declared; /* sorted by event */
    size_t declared_count;
};

/* --- event.c --- */

/* May a field that the sender did not put among the data of its event be added
 * to a payload?  Yes, but for event types that are declared without it. */
int event_adds(const struct event *, const char *type, size_t type_len,
               const char *name);
/* Is a field of that type declared as an object? */
int event_is_object(const struct event *, const char *type, size_t type_len,
                    const struct il_value *name);

/* The key that this is; NULL: none. */
const struct key *event_key(const struct event *, const char *text, size_t len);
/* The key that the request shows, outside its body; NULL: none. */
const struct key *event_request_key(const struct event *,
                                    const struct il_request *);

/* --- cloudevents.c --- */

/* Is the request a CloudEvent, or several?  Then it is answered: 1; else 0. */
int cloudevents_take(struct event *, struct il_request *);

/* --- handshake.c: OPTIONS /v1/ingest --- */

/* The option handshake.  0 or a negative errno after il_conf_error(). */
int handshake_open(struct event *, const struct il_conf *);
/* Does one ask who may deliver here?  Any other OPTIONS is the host's. */
int handshake_admit(void *self, struct il_request *);
void handshake_answer(void *self, struct il_request *);

/* --- segment.c --- */

void segment_handle(void *self, struct il_request *);

/* --- offer.c: events on their way to il_request_emit() --- */

/* A field put beside the data of an event. */
struct offer_extra {
    const char *name;
    const struct il_value *value; /* IL_MISSING, IL_NULL: is left out */
};

/* Bytes in an il_text that may still move. */
struct offer_bytes {
    size_t at, len;
};

struct offer_event {
    struct il_event *event; /* its payload is filled in by offer_emit() */
    struct il_reason why;
    struct il_upsert upserts[2]; /* traits likewise */
    struct offer_bytes payload, traits[2];
    char key[136];
    char ids[5][24]; /* integers as text */
    char time[WHEN_MAX];
    int php; /* an empty array may mean an empty object: of Segment's calls */
};

struct offer {
    const struct event *source;
    struct il_text *out;
    struct offer_event *events;
    struct il_event *list; /* of the same events */
    size_t count;
    int err; /* -ENOMEM: there was no memory */
};

/* 0 or -ENOMEM; offer_end() after either. */
int offer_begin(struct offer *, const struct event *, size_t capacity);
void offer_end(struct offer *);
/* The next event; there is room for `capacity`. */
struct offer_event *offer_add(struct offer *);
/* Its payload: data (IL_MAP, or IL_MISSING for none) and beside it the extras
 * that the type may have, which go before fields of data with their names. */
void offer_payload(struct offer *, struct offer_event *,
                   const struct il_value *data,
                   const struct offer_extra *extras, size_t n);
/* Merge traits (IL_MAP, or IL_MISSING for none) into an entity; of a key that
 * may not the gate leaves it out. */
void offer_upsert(struct offer *, struct offer_event *,
                  const struct il_kind *kind, const struct il_value *id,
                  const struct il_value *traits);
/* The same with one trait. */
void offer_upsert_one(struct offer *, struct offer_event *,
                      const struct il_kind *kind, const struct il_value *id,
                      const struct offer_extra *trait);
/* It is wrong: `message` is of `field`.  As it came it will be kept. */
void offer_refuse(struct offer *, struct offer_event *,
                  const struct il_value *as_it_came, const char *field,
                  const char *rule, const char *message);
/* On to the gate. */
void offer_emit(struct offer *, struct il_request *);
/* Answer that there is no memory. */
void offer_no_memory(struct il_request *);
/* Refuse a request with more events than one may have; 1 when it was. */
int offer_too_many(const struct event *, struct il_request *, size_t n);

/* Is a value this text? */
int offer_is(const struct il_value *, const char *text);

#endif

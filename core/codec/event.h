/* SPDX-License-Identifier: MIT */
/* The event: its view in memory and its form in the spool.
 *
 * A frame's body is a msgpack array of seven:
 *   [ id, type, source_id, received_at, timestamp | nil, key | nil, payload ]
 * Times are microseconds since 1970 UTC.  key is the idempotency key where it
 * is not the id.  The payload, a map, comes last, so that it is one slice.
 * Readers accept more elements after it.  A dead letter that is tried again is
 * an array of eight, whose last is
 *   [ lane, position of the letter, attempts before,
 *     position, UUID of the spool (bin, 16 bytes), set-backs ]
 * and only for that lane.  The last three say where the event first stood; what
 * older versions wrote is without them. */
#ifndef EVENT_H
#define EVENT_H

#include "msgcur.h"

#define EVENT_ID_MAX 128   /* bytes: ids and idempotency keys */
#define EVENT_TYPE_MAX 128 /* bytes */
#define EVENT_NO_TIME INT64_MIN

struct event {
    struct slice id, type, source_id, key; /* key.ptr NULL: the id */
    int64_t received_us;
    int64_t timestamp_us; /* EVENT_NO_TIME: none */
    struct slice payload; /* msgpack map */
};

/* Append the body.  0 or -ENOMEM. */
int event_pack(struct il_text *out, const struct event *);

/* View a body; points into it.  0 or -EINVAL. */
int event_unpack(const char *body, size_t len, struct event *);

/* Where an event first stood: as struct il_origin. */
struct event_origin {
    uint8_t spool[16];
    uint64_t position;
    uint32_t set_backs;
};

/* What a frame says that is for one lane only. */
struct event_retry {
    struct slice lane;
    uint64_t letter;   /* position of the dead letter */
    uint32_t attempts; /* that came before */
    struct event_origin origin; /* position 0: it is not said */
};

int event_retry_read(const char *body, size_t len, struct event_retry *);
/* 1 and *out: the body, which event_unpack() takes, is such a frame.  0: it is
 * for every lane.  -EINVAL: it says something that cannot be read. */
static inline int
event_retry(const char *body, size_t len, struct event_retry *out)
{
    return (unsigned char) body[0] == 0x97 ? 0
                                           : event_retry_read(body, len, out);
}

/* Append the body of the same event, for one lane only.  0, -ENOMEM or
 * -EINVAL. */
int event_retry_pack(struct il_text *out, const char *body, size_t len,
                     const struct event_retry *);

/* The event as JSON: {"id","type","source_id","received_at","timestamp"?,
 * "payload"}.  0, -ENOMEM or -EINVAL. */
int event_json(struct il_text *out, const struct event *);

/* "evt_" and a ULID (github.com/ulid/spec) made of received_us / 1000 and 80
 * bits.  Writes exactly EVENT_MADE_ID bytes, no NUL. */
#define EVENT_MADE_ID 30
void event_make_id(char out[EVENT_MADE_ID], int64_t received_us,
                   const uint8_t random[10]);

#endif

/* SPDX-License-Identifier: MIT */
/* The event: its view in memory and its form in the spool.
 *
 * A frame's body is a msgpack array of seven:
 *   [ id, type, source_id, received_at, timestamp | nil, key | nil, payload ]
 * Times are microseconds since 1970 UTC.  key is the idempotency key where it
 * is not the id.  The payload, a map, comes last, so that it is one slice.
 * Readers accept more elements after it: a number, where it is not 0, with the
 * flags of the event (EVENT_PUBLISHABLE, ...), and, last, where a dead letter is
 * tried again,
 *   [ lane, position of the letter, attempts before,
 *     position, UUID of the spool (bin, 16 bytes), set-backs,
 *     decided | nil, first_at, since, code | nil, message | nil ]
 * Such a frame is only for that lane.  Three say where the event first stood,
 * the others what was decided and how it came to this; older versions wrote the
 * first three, or six.
 *
 * What was decided is an array, [ version, place, step | nil, plugin | nil,
 * results | nil ]; more are passed over.
 *
 * Among the events of the spool are frames that say how far a source has read
 * (il_mark).  They are no events and never delivered: an array of four,
 *   [ nil, source_id, written_at, [ name, value | nil, ... ] ]
 * where nil makes the mark forgotten.  Each follows the events that it was
 * emitted with, and is there if and only if they are. */
#ifndef EVENT_H
#define EVENT_H

#include "json_out.h"
#include "base/text.h"

#define EVENT_ID_MAX 255   /* bytes: ids and idempotency keys */
#define EVENT_TYPE_MAX 800 /* bytes: 200 characters of UTF-8 */
#define EVENT_NO_TIME INT64_MIN
#define EVENT_MEMBERS 7 /* of a frame's body, and what follows the payload */

/* Flags. */
#define EVENT_PUBLISHABLE 1u /* its id and key are those of publishable keys */
#define EVENT_MADE 2u        /* the gate made its id */

struct event {
    struct slice id, type, source_id, key; /* key.ptr NULL: the id */
    int64_t received_us;
    int64_t timestamp_us; /* EVENT_NO_TIME: none */
    struct slice payload; /* msgpack map */
    uint32_t flags;
};

/* By what an event that comes again is known: its key, else the id that its
 * sender gave; ptr NULL: by nothing. */
static inline struct slice
event_key(const struct event *e)
{
    return e->key.ptr || e->flags & EVENT_MADE ? e->key : e->id;
}

/* Append the body.  With an empty payload, what stands before it: the payload
 * and event_pack_flags() follow.  0 or -ENOMEM. */
int event_pack(struct il_text *out, const struct event *);
/* Append what follows the payload.  0 or -ENOMEM. */
int event_pack_flags(struct il_text *out, uint32_t flags);
/* Skip what event_pack_flags() wrote, if *p is at such a thing.  1 and *out: it
 * was; 0. */
int event_unpack_flags(const char **p, const char *end, uint32_t *out);

/* View a body; points into it.  0 or -EINVAL. */
int event_unpack(const char *body, size_t len, struct event *);

/* Where an event first stood: as struct il_origin. */
struct event_origin {
    uint8_t spool[16];
    uint64_t position;
    uint32_t set_backs;
};

/* Where on its way through a lane an event stopped.  What was decided before
 * that place stays so when the event comes again. */
enum event_place {
    EVENT_NOWHERE,       /* nothing is decided */
    EVENT_AT_STEP,       /* it goes on at a step, */
    EVENT_AFTER_STEP,    /* or after it; */
    EVENT_AT_WHEN,       /* all steps have passed it, */
    EVENT_AT_DESTINATION /* and `when` as well */
};

#define EVENT_DECIDED_VERSION 1
#define EVENT_RESULTS_MAX 1024
#define EVENT_DECIDED_MAX 4096 /* bytes, packed */

struct event_decided {
    uint32_t place;
    struct slice step, plugin; /* its name and what it is; of a step only */
    /* What steps have found out, $step.*: a msgpack map of EVENT_RESULTS_MAX
     * bytes at most; empty: nothing. */
    struct slice results;
};

/* --- event_decided.c --- */

/* Append; nothing for EVENT_NOWHERE.  0, -ENOMEM, -EINVAL (too long). */
int event_decided_pack(struct il_text *out, const struct event_decided *);
/* View what was packed.  0, -EINVAL, or -ENOTSUP: by a newer version. */
int event_decided_read(struct slice packed, struct event_decided *);
/* Where it stopped, for people: {"at": "step", ...}; null: it is not known, or
 * cannot be read. */
void event_decided_json(struct json_out *, const char *key,
                        struct slice packed);

/* --- event_retry.c --- */

/* What a frame says that is for one lane only. */
struct event_retry {
    struct slice lane;
    uint64_t letter;   /* position of the dead letter */
    uint32_t attempts; /* that came before */
    struct event_origin origin; /* position 0: it is not said */
    struct slice decided;       /* as packed; empty: nothing */
    /* Since when it fails, and since when it waits; 0: it is not said, and none
     * of what follows. */
    int64_t first_us, since_us;
    struct slice code, message; /* why it became a letter; or empty */
};

int event_retry_read(const char *body, size_t len, struct event_retry *);
/* 1 and *out: the body, which event_unpack() takes, is such a frame.  0: it is
 * for every lane.  -EINVAL: it says something that cannot be read. */
static inline int
event_retry(const char *body, size_t len, struct event_retry *out)
{
    if ((unsigned char) body[0] == (0x90 | EVENT_MEMBERS))
        return 0; /* as nearly all are: an array of seven */
    return event_retry_read(body, len, out);
}

/* Append the body of the same event, for one lane only.  0, -ENOMEM or
 * -EINVAL. */
int event_retry_pack(struct il_text *out, const char *body, size_t len,
                     const struct event_retry *);

/* How far a source has read. */
struct event_mark {
    struct slice name, value; /* value.ptr NULL: forgotten */
};

struct event_marks {
    struct slice source_id;
    int64_t written_us;
    struct il_value list; /* of the names and values */
};

/* Is this such a frame, and no event? */
static inline int
event_is_marks(const char *body, size_t len)
{
    return len > 1 && (unsigned char) body[0] == 0x94
           && (unsigned char) body[1] == 0xc0;
}

/* Append the body, without marks yet: n of them follow, one by one.  0 or
 * -ENOMEM. */
int event_marks_begin(struct il_text *out, struct slice source_id,
                      int64_t written_us, uint32_t n);
int event_marks_add(struct il_text *out, const struct event_mark *);
/* View a body; points into it.  0 or -EINVAL. */
int event_marks_unpack(const char *body, size_t len, struct event_marks *);
/* The next one; iter begins with 0.  1, or 0 after the last. */
int event_marks_next(const struct event_marks *, size_t *iter,
                     struct event_mark *out);

/* The event as JSON: {"id","type","source_id","received_at","timestamp"?,
 * "payload"}.  Its members within an object that is open: */
void event_members(struct json_out *, const struct event *);
/* And all of it, appended.  0, -ENOMEM or -EINVAL. */
int event_json(struct il_text *out, const struct event *);

/* "evt_" and a ULID (github.com/ulid/spec) made of received_us / 1000 and 80
 * bits.  Writes exactly EVENT_MADE_ID bytes, no NUL. */
#define EVENT_MADE_ID 30
void event_make_id(char out[EVENT_MADE_ID], int64_t received_us,
                   const uint8_t random[10]);
/* The same of 128 bits that say something else. */
void event_id_of(char out[EVENT_MADE_ID], const uint8_t bits[16]);

#endif

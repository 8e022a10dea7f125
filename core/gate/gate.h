/* SPDX-License-Identifier: MIT */
/* The gate: validate, deduplicate, append, and answer once durable. */
#ifndef GATE_H
#define GATE_H

#include "base/rate.h"
#include "schema/schema.h"
#include "spool/spool.h"
#include "idem/idem.h"
#include "store/dead.h"
#include "store/entity.h"
#include "http/http.h"

struct gate;
struct gate_marks;
struct gate_source;

struct gate_options {
    struct spool *spool;
    struct idem *idem;
    struct dead *dead;
    struct entities *entities;
    struct gate_marks *marks; /* NULL: none can be emitted */
    int64_t window_us;        /* of keys; 0: the index's */
    uint32_t depth_max;       /* JSON nesting */
    uint64_t max_event_bytes; /* of one event: 1 MiB */
};

/* Before the first spool_append: it registers with spool_notify. */
int gate_new(const struct gate_options *, struct gate **out);
/* Once all sources are known and passed() can be asked: begins to count what
 * is undelivered since before, and to settle what they emit.  Nothing may be
 * emitted before.  0 or a negative errno. */
int gate_start(struct gate *);
/* From here on passed() is not asked any more. */
void gate_lanes_gone(struct gate *);
/* From here on nothing is accepted, and idem, dead, entities and the servers
 * are not used any more.  After http_stop() and the sources' stop(), before
 * http_free(). */
void gate_stop(struct gate *);
/* After spool_close(), which may still tell it things.  Calls gate_stop(). */
void gate_free(struct gate *);

/* What a configured source is to the gate.  undeclared: accept events whose
 * type is not declared though declarations exist. */
int gate_source_new(struct gate *, const char *name, int undeclared,
                    void (*settled)(void *self, uint64_t token, int outcome),
                    void *self, struct gate_source **out);
/* What its events are declared to be; outlives it.  Before it takes anything. */
void gate_source_declare(struct gate_source *, const struct schema *);
/* It had this name before: keys of what came in under that are known.  0 or
 * -ENOMEM.  Before it takes anything. */
int gate_source_was(struct gate_source *, const char *name);
/* Ids that the gate makes of its events are those of their keys, where they have
 * one: the same on every node.  Before it takes anything. */
void gate_source_ids_of_keys(struct gate_source *);
/* Called, from a thread of the gate, once there is room after an -EAGAIN. */
void gate_source_room(struct gate_source *, void (*room)(void *self));
/* Take no more of it, wait for what it has emitted to become durable, and
 * settle all of that; IL_RETRY where the deadline comes first.  On return it is
 * not called any more.  Any number of times; no callback of its plugin may. */
void gate_source_close(struct gate_source *, int64_t deadline_us);
/* Its rate, over all who send to it.  Before it takes anything. */
void gate_source_limit(struct gate_source *, const struct rate *);
/* Take nothing from it while so many bytes of it are undelivered; passed() says
 * up to which position all is.  Then gate_start().  0 or -ENOMEM. */
int gate_source_backlog(struct gate_source *, uint64_t max,
                        uint64_t (*passed)(void *arg), void *arg);
/* What it takes is of the lanes: see SPOOL_RESERVE.  Before it takes anything. */
void gate_source_reserve(struct gate_source *);

/* A source that comes, while the gate is open, in place of another one of its name
 * (or none, NULL): it goes on with the other's rates, and those of its keys by
 * their ids, with what they were told, and what is undelivered.  To be called
 * right before it takes anything.  0 or a negative errno. */
struct il_sender;
void gate_source_follow(struct gate_source *, struct il_sender *,
                        const struct gate_source *before,
                        const struct il_sender *before_senders);
/* In place of gate_start(), for such a one, and one that is new.  0 or a negative
 * errno. */
int gate_source_begin(struct gate_source *);
/* The other one: it is not found by its name any more. */
void gate_source_retire(struct gate_source *);
/* After gate_source_close(), once no request of it is left. */
void gate_source_free(struct gate_source *);
const char *gate_source_name(const struct gate_source *);
/* Events since the start; refused: or bodies, for whatever reason.  Any thread. */
struct gate_counts {
    uint64_t accepted, duplicates, refused;
};
void gate_source_counts(const struct gate_source *, struct gate_counts *out);
struct gate_marks *gate_source_marks(const struct gate_source *);

/* il_emit() of a source: see plugin.h.  *fault says why with -EINVAL. */
int gate_emit(struct gate_source *, const struct il_emission *,
              const char **fault);

/* What the control socket takes: an operator's events, without a key.  source may
 * be "" where there is only one; lines: the body is NDJSON.  200, and a line of
 * JSON for each event in reply: {"status":"accepted","id":...}, "duplicate" in
 * place of that, or {"status":"rejected","code","path","message"}.  Else nothing
 * was accepted: the status and *code of an error, and what to say in reply.  May
 * wait for the disk. */
int gate_control(struct gate *, const char *source, int lines,
                 struct slice body, struct il_text *reply, const char **code);

/* For `ingestlayer test`: take a body of JSON as if a sender of that source had
 * sent it, limits apart, and wait until it is durable.  *status and answer
 * (appended) are what the sender would get, *position is that of the last event
 * that is new, or 0.  0; -ENOENT: there is no such source; or another negative
 * errno: it cannot be stored. */
int gate_try(struct gate *, const char *source, struct slice body, int *status,
             struct il_text *answer, uint64_t *position);

/* 0 when events are accepted, else why not, for /readyz. */
int gate_ready(struct gate *, char *why, size_t size);

/* The entries of the host's table that belong to requests. */
void gate_fill_api(struct il_api *);

#endif

/* SPDX-License-Identifier: MIT */
/* The ingestlayer plugin interface.
 *
 * A plugin is a shared object that exports one symbol, a constant
 * struct il_plugin named il_plugin (write IL_PLUGIN = { IL_PLUGIN_ABI, ... }).
 * The host reads the descriptor before it calls into the plugin.  Nothing is
 * linked: every service of the host is reached through the objects it hands
 * over (struct il_host, il_conf, il_batch, il_ack, il_request), each of which
 * begins with a pointer to the host's function table.  The functions below
 * wrap that table.  ingestlayer-plugin(3) is the manual.
 *
 *   versions        what a header, a plugin and a host say of themselves
 *   types           constants, objects, structures
 *   life            the descriptor, the function table, services of the host
 *   config          options; references, expressions, templates, places, rows
 *   batches         reading, editing, delivering; values and text
 *   requests        senders, routes, requests and their answers
 *   entities        what is known of users, accounts, ...
 *   memory          what a step remembers of the events before
 *   emission        events that a source fetches by itself, and its marks
 *
 * How it crosses languages.  Functions of the table take fixed-width integers,
 * int, size_t and pointers; no va_list, no long.  Functions with a printf
 * format exist in this header only: each has a twin that takes a text and its
 * length.  A structure that crosses begins with its struct_size, which whoever
 * fills it in sets (IL_SIZED); an array comes with the distance of its
 * elements.  Two structures never grow, because every call has them:
 * struct il_value and struct il_text.
 *
 * Rules for all functions, unless their comment says otherwise: 0 is success
 * and a negative errno a failure; pointers that are given must not be NULL;
 * texts end with NUL where no length is given; any thread may call, those that
 * take a batch from the thread that has the batch.  What is called at a wrong
 * time, or with an index past the end, does nothing, answers as its comment
 * says (-EPERM, -EINVAL), and is logged as a fault of the plugin.
 *
 * Compiles as C99, C11 and C++11 to C++20.  A C++ plugin needs g++ 8 or
 * clang++: IL_PLUGIN_ABI is made of designated initialisers, which are C++20
 * and before that an extension of both; IL_PLUGIN keeps -Wpedantic silent
 * about them, -Wmissing-field-initializers (of -Wextra) is to be turned off. */
#ifndef INGESTLAYER_PLUGIN_H
#define INGESTLAYER_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* === versions ============================================================ */

#define IL_ABI_MAJOR 1 /* differs: the host refuses, printing both */
#define IL_ABI_MINOR 0 /* of this header: +1 whenever something is appended */

/* Define before the header is included, both or none:
 *
 * IL_WANT_MINOR   the newest minor version whose functions exist.  A plugin
 *                 that is to run on hosts of 1.2 says 2, and a call of what
 *                 came later does not compile.  Without it: all of this header.
 * IL_NEEDS_MINOR  the oldest host that will do.  Where it is less than
 *                 IL_WANT_MINOR, each call of something newer has to be behind
 *                 IL_HAS().  Without it: IL_WANT_MINOR.
 *
 * So a plugin that says nothing needs a host as new as its header, and an older
 * one refuses it before it calls into it. */
#ifndef IL_WANT_MINOR
#define IL_WANT_MINOR IL_ABI_MINOR
#endif
#ifndef IL_NEEDS_MINOR
#define IL_NEEDS_MINOR IL_WANT_MINOR
#endif
#if IL_WANT_MINOR > IL_ABI_MINOR
#error "IL_WANT_MINOR asks for more than this header of ingestlayer has"
#endif
#if IL_NEEDS_MINOR > IL_WANT_MINOR
#error "IL_NEEDS_MINOR is above IL_WANT_MINOR"
#endif

/* Has the host that handed over this object an entry of the table?  member is
 * the name of the function without il_.  1 or 0; any object that begins with
 * the table.  Since ABI 1.0. */
#define IL_HAS(object, member)                                                 \
    (IL_API(object)->struct_size                                               \
         >= offsetof(struct il_api, member) + sizeof(IL_API(object)->member)   \
     && IL_API(object)->member != NULL)

/* Has whoever filled in a structure that begins with struct_size filled in
 * this member, too?  1 or 0.  Since ABI 1.0. */
#define IL_GIVEN(pointer, member)                                              \
    ((size_t) ((const char *) (&(pointer)->member + 1)                         \
               - (const char *) (pointer))                                     \
     <= (pointer)->struct_size)

/* === types =============================================================== */

/* kind of a plugin */
enum { IL_SOURCE = 1, IL_STEP, IL_DESTINATION };
/* threads: how many calls may be in the plugin at a time */
enum {
    IL_SERIAL_INSTANCE, /* one in each instance: the safe choice */
    IL_SERIAL_PLUGIN,   /* one in all of its instances together */
    IL_PARALLEL         /* any number */
};
/* flags of an event: see il_batch_flags() */
enum {
    IL_ID_MADE = 1,     /* its sender gave it no id: the gate made one */
    IL_PUBLISHABLE = 2, /* it came by a publishable key: its id and key are of a
                         * namespace of their own */
    IL_TICK = 4,        /* it only says that time has passed: see IL_TICKS */
    IL_REPLAYED = 8     /* `ingestlayer replay` sends it, perhaps once more */
};
/* flags of a plugin */
enum {
    /* Of a destination: each event comes to an end of its own.  What it defers
     * is parked, as the steps left it, while the lane goes on past it, and comes
     * again when it is due: see il_defer().  Each event is delivered at least
     * once.  Such a destination has no resume(). */
    IL_PER_EVENT = 1,
    /* Of a source: its events only say that time passes.  They move
     * il_stream_us() of the pipelines that list it, so that steps which remember
     * something see a window end in which nothing comes any more.  Steps find
     * them with the flag IL_TICK and not live; they are dropped by none, and no
     * destination gets them. */
    IL_TICKS = 2,
    /* Of a step: it takes out of events what is not for everybody's eyes.  Who
     * looks at a point before it (`ingestlayer tap`) is shown a copy that has been
     * through it: so process() of it remembers nothing, and changes nothing but
     * its batch. */
    IL_REDACTS = 4
};
/* flags of a deferral */
enum {
    IL_NO_ATTEMPT = 1,   /* nothing was tried: it counts as no attempt */
    IL_OUT_OF_ORDER = 2, /* it holds up none of those that come after it */
    IL_AFTER = 4 /* of a step: it has passed this one, and goes on after it */
};
/* where an event that comes again had stopped: see il_again() */
enum {
    IL_STOPPED_EARLIER = 1, /* before it came here: this is the first time */
    IL_STOPPED_HERE,
    IL_STOPPED_LATER /* it had passed here, and that counts: a drop is undone */
};
/* outcome of a batch: see il_settle() */
enum { IL_OK, IL_RETRY, IL_REJECT, IL_PAUSE, IL_FENCED, IL_SET_BACK };
/* option types.  DURATION is read in milliseconds, SIZE in bytes. */
enum {
    IL_OPT_STRING = 1,
    IL_OPT_INT,
    IL_OPT_BOOL,
    IL_OPT_DURATION,
    IL_OPT_GROUP,
    IL_OPT_SIZE,
    IL_OPT_NUMBER /* an exact decimal number: see il_conf_number() */
};
/* option flags */
enum {
    IL_OPT_REQUIRED = 1,
    IL_OPT_LIST = 2,
    IL_OPT_SECRET = 4,
    IL_OPT_SHORT = 8 /* of a GROUP: a text stands for a group that has only the
                      * first of its options */
};
/* log levels */
enum { IL_LOG_ERROR = 1, IL_LOG_WARN, IL_LOG_INFO, IL_LOG_DEBUG };
/* units of counters and gauges */
enum {
    IL_UNIT_NONE,         /* a number of things */
    IL_UNIT_MICROSECONDS, /* exported in seconds, as NAME_seconds */
    IL_UNIT_BYTES         /* exported as NAME_bytes */
};
/* value types */
enum {
    IL_MISSING,
    IL_NULL,
    IL_BOOL,    /* i: 0 or 1 */
    IL_INT,     /* i */
    IL_UINT,    /* u: integers above INT64_MAX */
    IL_DECIMAL, /* str, len: the number exactly as its sender wrote it (JSON) */
    IL_STRING,  /* str, len: UTF-8; lone surrogates as three bytes (WTF-8) */
    IL_ARRAY,   /* count elements; walk with il_item() */
    IL_MAP,     /* count pairs; walk with il_item() */
    IL_TIME     /* i: microseconds since 1970-01-01T00:00:00Z */
};
/* how bytes that stand for a value are written */
enum { IL_JSON = 1, IL_MSGPACK };
/* what a name means to il_field_named() */
enum {
    IL_FIELD_PAYLOAD = 1, /* a top-level field of the payload */
    IL_FIELD_ANY /* an envelope field (id, type, source_id, received_at,
                  * timestamp, payload), else a payload field, else a trait
                  * of any entity that a step attached */
};
/* flags of il_write_json() */
enum { IL_JSON_FOR_POSTGRES = 1 /* U+0000, lone surrogates -> U+FFFD */ };
/* what an admit callback may answer besides 0 and a negative errno */
enum {
    IL_NOT_MINE = 1, /* not for this source: 401 if no other takes it */
    IL_NOT_HERE,     /* as IL_NOT_MINE, but 404: the path names nothing here */
    IL_UNPROVEN      /* go on; who sends it will be known from the body */
};
/* what the gate made of an event: see il_emit() */
enum { IL_ACCEPTED = 1, IL_DUPLICATE, IL_REFUSED };
/* il_timer_once(): not at all */
#define IL_NEVER UINT32_MAX

/* Longest text of the functions with a printf format, NUL included; what is
 * longer is cut between two characters. */
#define IL_TEXT_MAX 1024

/* Objects of the host.  Opaque, but the first five begin with the host's
 * function table. */
struct il_host;     /* one configured instance, as its plugin sees the host */
struct il_conf;     /* the options of that instance, or one nested group */
struct il_batch;    /* events on their way through a lane */
struct il_ack;      /* the duty to settle one batch, once */
struct il_request;  /* one HTTP request to a source */
struct il_field;    /* a resolved reference: where to read */
struct il_place;    /* a resolved path in the payload: where to write */
struct il_expr;     /* a compiled expression */
struct il_template; /* a compiled template */
struct il_row;      /* fields and templates that are read together */
struct il_kind;     /* a resolved entity kind */
struct il_memory;   /* what a step remembers, cell by cell */
struct il_mirror;   /* entities that a source keeps like a table elsewhere */
struct il_counter;  /* a number that only grows, on /metrics */
struct il_gauge;    /* a number that goes up and down, on /metrics */
struct il_sender;   /* somebody who may send: see il_sender_from() */
struct il_api;      /* the host's function table */

/* The struct_size of a structure that is initialised, and all else 0:
 *
 *   struct il_reason why = { IL_SIZED(struct il_reason), .code = "stale" };
 */
#define IL_SIZED(type) .struct_size = (uint32_t) sizeof(type)

/* One option.  A table of these ends with IL_OPTIONS_END.  Elements are
 * il_plugin.option_size apart. */
struct il_option {
    const char *name; /* [a-z0-9_]+; not plugin, name or host */
    uint32_t type, flags;
    int64_t min, max;    /* both 0: unbounded; ms or bytes where those apply */
    const char *def;     /* default, as the operator would write it, or NULL */
    const char *choices; /* of a STRING: "keep|drop", or NULL */
    const char *help;    /* one sentence, unit included */
    const struct il_option *children; /* keys of a nested group */
};
#ifdef __cplusplus
#define IL_OPTIONS_END                                                         \
    {                                                                          \
    }
#else
#define IL_OPTIONS_END                                                         \
    {                                                                          \
        0                                                                      \
    }
#endif

/* A view of one value.  Valid as long as what it was read from.  Never
 * grows. */
struct il_value {
    uint32_t type;  /* IL_MISSING ... IL_TIME */
    uint32_t count; /* IL_ARRAY: elements, IL_MAP: pairs */
    union {
        int64_t i;
        uint64_t u;
    } num;
    const char *str; /* IL_STRING, IL_DECIMAL: text; containers: their items */
    size_t len;
};

/* Growable bytes.  Made, grown and freed by the host; a plugin may write
 * between data + len and data + cap, and may change len.  Never grows (the
 * structure). */
struct il_text {
    char *data;
    size_t len, cap;
};

/* Why an event is refused.  struct_size, code and message are required; all
 * strings are copied. */
struct il_reason {
    uint32_t struct_size;
    uint32_t reserved;   /* 0 */
    const char *code;    /* stable and short: an SQLSTATE, "schema", ... */
    const char *message; /* what happened, for a person */
    const char *field;   /* column or path concerned, or NULL */
    const char *rule;    /* constraint or rule concerned, or NULL */
};

/* How an event comes again: see il_defer_as().  Texts need not end with NUL. */
struct il_deferral {
    uint32_t struct_size;
    uint32_t flags;              /* IL_NO_ATTEMPT, ... */
    uint64_t delay_ms;           /* from now; not before then */
    const struct il_reason *why; /* copied; NULL: none is given */
    /* The far side that it is for, as a person would name it; or NULL. */
    const char *target;
    size_t target_len; /* at most 255 bytes are kept */
    /* What its order is kept by; NULL: what il_intake.order comes to.  See
     * il_waits(). */
    const char *order;
    size_t order_len;
};

/* How often an event has come: see il_again(). */
struct il_again {
    uint32_t struct_size;
    uint32_t attempts;          /* that failed and counted */
    int64_t first_us;           /* the first of them, or 0; since 1970 */
    int64_t since_us;           /* when it was deferred last; since 1970 */
    const char *code, *message; /* why, the last time; or NULL */
    /* The step at which, or after which, it goes on; NULL: at none. */
    const char *decided;
    uint32_t stopped; /* IL_STOPPED_HERE, ...; 0: all is decided anew */
    uint32_t reserved;
};

/* What a destination takes: see il_intake().  0 where the default will do. */
struct il_intake {
    uint32_t struct_size;
    uint32_t in_flight; /* unsettled batches, 1 to 16: as the descriptor says */
    uint32_t events;   /* live ones at which a batch ends: as the config says */
    uint32_t reserved; /* 0 */
    /* IL_PER_EVENT: so many events, and bytes of them, may be parked; then the
     * lane waits: 1,000,000 and 1 GiB. */
    uint64_t max_parked, max_parked_bytes;
    /* What the order of an event is kept by (il_template_from()), where events
     * have one: then order NULL stands for it in il_waits() and il_defer_as().
     * It lives on until close(). */
    const struct il_template *order;
};

/* One value of a row: a template, or a field where that is NULL. */
struct il_cell {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const struct il_field *field;
    const struct il_template *value;
};

/* What an event tells of an entity: traits to be merged one level deep into it,
 * or into a new one.  Text need not end with NUL. */
struct il_upsert {
    uint32_t struct_size;
    uint32_t encoding; /* of traits: IL_JSON or IL_MSGPACK */
    const struct il_kind *kind;
    const char *id;
    size_t id_len;
    const char *traits; /* an object */
    size_t traits_len;
};

#define IL_MEMORY_VALUE_MAX 512 /* bytes of a cell's value */

/* A cell of what a step remembers: see il_memory_get().  Never grows. */
struct il_remembered {
    const void *value;
    size_t len;
    uint64_t position; /* of the event that it was put for */
    int64_t end_us;    /* since 1970; 0: it has no end */
};

/* What is known of an entity: see il_entity_find().  Never grows. */
struct il_entity {
    struct il_value traits;              /* an IL_MAP */
    int64_t first_seen_us, last_seen_us; /* since 1970 */
};

/* flags of il_mirror_from() */
enum {
    IL_MIRROR_TAKES = 1 /* a trait that is nobody's in particular becomes its
                         * own when it has one of that name */
};
/* What the source of a mirror has of an entity now: all of its traits.  Text need
 * not end with NUL. */
struct il_mirror_row {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const char *id;    /* 1 to 256 bytes of UTF-8 without NUL */
    size_t id_len;
    const void *traits; /* msgpack, a map */
    size_t traits_len;
};
/* What there is of a mirror beside its entities. */
struct il_mirror_state {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const void *mark;  /* how far it has read: only the plugin understands it */
    size_t mark_len;   /* at most 512 */
    /* When the last run began that saw to all of its entities, since 1970; 0: there
     * was none.  An entity that it did not have to change counts as seen then. */
    int64_t seen_us;
    /* When a person asked for a run (`ingestlayer entity mirror run`); 0: never.
     * The host's: what il_mirror_write() is given does not count. */
    int64_t asked_us;
};
/* What became of rows, added up over calls.  The host fills it in. */
struct il_mirrored {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t added, changed, same, removed; /* entities */
    uint64_t left; /* traits that are somebody else's: as they were */
    uint64_t
        refused; /* rows: no such id can be, or their traits are too large */
};

/* An event offered to the gate.  Text need not end with NUL. */
struct il_event {
    uint32_t struct_size;
    uint32_t encoding; /* of payload: IL_JSON or IL_MSGPACK */
    const char *id;    /* sender's id, or NULL: the gate makes one */
    size_t id_len;
    const char *key; /* idempotency key, or NULL: the id */
    size_t key_len;
    const char *type;
    size_t type_len;
    const char *timestamp; /* RFC 3339, or NULL */
    size_t timestamp_len;
    const char *payload; /* an object */
    size_t payload_len;
    /* Durable before the event is; not merged for a duplicate or for an event
     * that is refused. */
    const struct il_upsert *upserts;
    size_t upsert_count;
    size_t upsert_size; /* sizeof *upserts: their distance */
    /* The source itself found it wrong: it is refused with this reason, and its
     * payload (or whatever the source took for it) kept.  NULL: it is fine. */
    const struct il_reason *refused;
};

/* What the gate made of one event.  Valid during the call that gives it. */
struct il_outcome {
    uint32_t struct_size;
    uint32_t what;  /* IL_ACCEPTED, IL_DUPLICATE, IL_REFUSED */
    const char *id; /* the event's; of a duplicate the id of the first one; of
                     * a refused event the one offered, NULL if none */
    size_t id_len;
    const struct il_reason *why; /* IL_REFUSED; else NULL */
};

/* How far a source has read upstream: a name that the source chooses (a topic
 * and partition, a table) and a value that only the source understands (an
 * offset, an LSN).  Neither need end with NUL.  A source has at most 10,000.
 * They belong to its name in the config: under another it begins anew. */
struct il_mark {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const char *name;  /* 1 to 128 bytes */
    size_t name_len;
    const void *value; /* at most 512 bytes; NULL: forget the mark */
    size_t value_len;
};

/* Events and marks that a source offers to the gate together: see il_emit(). */
struct il_emission {
    uint32_t struct_size;
    uint32_t reserved;             /* 0 */
    const struct il_event *events; /* may be none where there are marks */
    size_t count;
    size_t event_size; /* sizeof *events: their distance */
    uint64_t token;    /* of settled(); the source's own */
    /* Whose rate and types count, and who dead letters and metrics name: from
     * il_sender_from() of this source.  NULL: the source as a whole. */
    struct il_sender *sender;
    /* Made durable in the same append as the events, all or nothing. */
    const struct il_mark *marks;
    size_t mark_count;
    size_t mark_size; /* sizeof *marks: their distance */
    /* Called for each event, in order, once the emission is taken and before
     * il_emit() returns; from its thread.  NULL: nobody asks. */
    void (*outcome)(void *arg, size_t i, const struct il_outcome *);
    void *arg;
};

/* Where an event first stood.  spool, set_backs and position together name it
 * for ever. */
struct il_origin {
    uint32_t struct_size;
    /* How often the spool had been set back, by an old backup say, so that it
     * gave out positions a second time.  It counts when a destination tells of
     * it, or a person takes a lane that another process had; what another lane
     * delivers before that still has the number of before. */
    uint32_t set_backs;
    uint8_t spool[16]; /* UUID of the spool that the position counts in */
    /* That it got when it was accepted.  Of an event that comes again by
     * itself or by a person's wish this is less than il_batch_position(). */
    uint64_t position;
};

/* In il_position.flags: what the destination has answered lies past all that
 * the spool had given out: the spool was set back, by an old backup say.  The
 * destination is to make `position` its own, durably, and to answer that: what
 * comes next are new events, under numbers that it has seen before.  At the very
 * first call: whoever has the lane, it is this process's from now on. */
#define IL_POSITION_REWIND 1u

/* How far a transactional destination is.  The host fills in all of it;
 * resume() may raise position and set there. */
struct il_position {
    uint32_t struct_size;
    uint32_t flags;     /* IL_POSITION_...; ignore others */
    const char *lane;   /* "pipeline/destination" */
    uint8_t spool[16];  /* UUID of the spool the position counts in */
    uint32_t set_backs; /* as in struct il_origin, of what comes next */
    uint32_t reserved;
    uint64_t position; /* the last position that is settled */
    /* The last one that an earlier process may have delivered: what comes
     * after it is on the far side only if this process brought it there. */
    uint64_t given;
    /* Where the far side itself is, where it keeps that in one transaction
     * with the events: it may have lost what it had, in a failover say.  The
     * host presets UINT64_MAX: not told. */
    uint64_t there;
    /* The name that the lane had before, or NULL: what the destination keeps
     * for that name, how far it is first of all, is the lane's from now on, in
     * place of what there is for its own.  Done once more after a crash. */
    const char *was;
};

/* What an `ingestlayer replay` is to do, and what came of it so far. */
enum { IL_REPLAY_DIFF, IL_REPLAY_INSERT, IL_REPLAY_UPDATE }; /* mode */
enum { IL_REPLAY_BEGIN, IL_REPLAY_BATCH, IL_REPLAY_END };    /* phase */

/* Events that the spool still has, as the config makes them today, beside what the
 * far side has of them.  IL_REPLAY_DIFF changes nothing there; IL_REPLAY_INSERT
 * brings in what is missing; IL_REPLAY_UPDATE mends what is there and differs.
 * The host fills in all of it, and adds nothing up itself. */
struct il_replay {
    uint32_t struct_size;
    uint32_t mode, phase;
    uint32_t samples;  /* so many are shown of each kind, in all */
    const char *id;    /* the same for the same ask, also after a crash */
    const char *spool; /* UUID, as text */
    /* What IL_REPLAY_UPDATE may mend; NULL, and count 0: whatever it does as a
     * rule. */
    const char *const *columns;
    uint32_t column_count, reserved;
    /* IL_REPLAY_BEGIN: raised to where an earlier attempt had come, durably;
     * IL_REPLAY_BATCH: where this batch ends, to be kept with what is changed. */
    uint64_t position;
    struct il_text *out; /* lines, each an object of JSON; or why it fails */
    /* Events: as they are there; not there; there and otherwise; there, though
     * the lane would not deliver them today; that do not fit the far side; brought
     * in; mended; changed by somebody meanwhile, and left alone. */
    uint64_t same, missing, different, only_there, refused, inserted, updated,
        changed;
};

/* A route that a source serves.  Several sources may register the same route:
 * the first whose admit() returns 0 has the request. */
struct il_route {
    uint32_t struct_size;
    uint32_t reserved;  /* 0 */
    const char *method; /* "POST" */
    const char *path;   /* exact, or ending in '*': everything below */
    uint64_t max_body;  /* bytes, also after unpacking; 0: the host's limit */
    /* Called once the headers are in and before any of the body is read.
     * 0: go on, the sender is known; IL_NOT_MINE, IL_NOT_HERE: not for this
     * source; IL_UNPROVEN: as 0, but what the host then refuses by itself is
     * no dead letter; or a negative errno after il_respond_error().  NULL:
     * always 0. */
    int (*admit)(void *self, struct il_request *);
    /* Called with the whole body, unpacked.  Must lead to exactly one answer:
     * il_respond*(), il_request_refuse(), il_request_ingest(),
     * il_request_emit(), il_request_entities() or il_request_decline().  Must
     * not block. */
    void (*handle)(void *self, struct il_request *);
};

/* What is declared of a field of the events that reach an instance. */
struct il_declared {
    uint32_t struct_size;
    uint32_t required;
    const char *event; /* event type */
    const char *name;  /* field */
    const char *type; /* string number integer boolean object array timestamp */
    const char *format; /* of a string: "uuid", "email", "uri", or "" */
};

/* === life ================================================================ */

/* The descriptor.  struct_size, abi_major and abi_minor stand where they are in
 * every version.  Callbacks come in the order of their lives; those that a kind
 * does not use stay NULL.
 *
 * What a host refuses, naming the file, before it calls into the plugin:
 *   another abi_major       "... was built for plugin ABI 2.0, this host has
 *                           1.0; rebuild it"
 *   needs_minor above its own  "... needs plugin ABI 1.3 or later, this host
 *                           has 1.1; upgrade ingestlayer"
 *   needs_minor above abi_minor  "... says that it needs plugin ABI 1.3 but was
 *                           built for 1.2 (a fault of the plugin)"
 *   sizes that its version does not have (an unfinished header)  "... its
 *                           descriptor has 208 bytes, ABI 1.0 has 216;
 *                           rebuild it"
 *   a kind, threads, flags, option type or option flag that it does not know,
 *   an option that is called plugin, name or host,
 *   a name that is not the file's, a callback that the kind must have.
 * It copies as much of the descriptor as both know, and takes the rest as 0.
 *
 * Threads: open, start, stop, close, ddl and probe are called from the main
 * thread; process, write, resume and flush from the lane's thread; admit,
 * handle and the flush of a source from one of the server or the main thread;
 * settled, room and timers' functions from threads of the host, beside whatever
 * else runs, also where threads says otherwise.  No callback may call exit,
 * _exit, abort, fork, setlocale or signal, or change the process's signal
 * masks, its directory or its environment.
 *
 * One that hangs: while it runs the lane or source shows as waiting for it, in
 * `status` and /healthz, with the callback and since when.  At a stop the host
 * waits for `drain` and a few seconds more, names the instance and its
 * callback, and leaves with 1; nothing is lost, because what is not settled is
 * in the spool.  One that calls exit() is named, and the daemon leaves with 1.
 * A fatal signal writes the instance and the callback of the thread it struck
 * before the process dies of it. */
struct il_plugin {
    uint32_t struct_size;          /* down to needs_minor: IL_PLUGIN_ABI */
    uint16_t abi_major, abi_minor; /* of the header it was built with */
    uint32_t option_size;          /* distance of the elements of options */
    uint32_t api_size;             /* of the table it was built with */
    uint16_t needs_minor;          /* oldest host minor that will do */
    uint16_t kind;                 /* IL_SOURCE, IL_STEP, IL_DESTINATION */
    uint32_t threads;              /* IL_SERIAL_INSTANCE, ... */
    uint32_t flags;                /* IL_PER_EVENT, ... */
    /* Destination: how many unsettled batches write() takes; 0 means 1. */
    uint32_t in_flight;
    const char *name, *version, *summary; /* name: that of the file */
    const struct il_option *options;      /* or NULL: it has none */

    /* Checks and allocates; touches nothing outside the process: it also runs
     * for `ingestlayer check`.  0, or a negative errno after il_conf_error(),
     * and then it has cleaned up after itself. */
    int (*open)(const struct il_host *, const struct il_conf *, void **self);
    /* Makes connections and threads.  A far side that is away is no error. */
    int (*start)(void *self);
    /* Step: edits a batch in place.  0, or a negative errno: then all edits of
     * this pass are undone, and the same events come again. */
    int (*process)(void *self, struct il_batch *);
    /* Destination: takes a batch (0), and then settles its ack exactly once;
     * or a negative errno, and then does not: -ESTALE is as IL_FENCED, any
     * other as IL_RETRY.  One that settles and then returns an error is
     * reported: the outcome that was settled holds. */
    int (*write)(void *self, struct il_batch *, struct il_ack *);
    /* Destination: how far are you?  0 (position raised or not), -EAGAIN: the
     * far side is away, ask again; -EACCES: a person must mend something, ask
     * again now and then (as IL_PAUSE); -ESTALE: another process owns the
     * lane, and `there` may tell how far it is.  Log the cause: there is no
     * other way for it to be seen. */
    int (*resume)(void *self, struct il_position *);
    /* Source: what became of an il_emit() that answered 0.  IL_OK: events and
     * marks are durable, refused ones as dead letters; IL_RETRY: neither
     * events nor marks are, offer them again.  Once for each emission, in
     * their order, perhaps before il_emit() has returned.  None is left when
     * stop() is called, and none comes after. */
    void (*settled)(void *self, uint64_t token, int outcome);
    /* Source: il_emit() has answered -EAGAIN; now it is worth trying again.
     * Once for any number of such answers, perhaps before the last of them has
     * returned.  Not after stop() was called. */
    void (*room)(void *self);
    /* Pushes out what was accepted.  A source also stops taking more.  0 or
     * -ETIMEDOUT. */
    int (*flush)(void *self, uint32_t deadline_ms);
    /* After a good start; returns once no thread of the plugin runs and every
     * batch is settled.  From its call on il_emit() answers -ESHUTDOWN. */
    void (*stop)(void *self);
    /* After a good open. */
    void (*close)(void *self);
    /* Destination, `ingestlayer ddl`: appends what the far side needs (SQL).
     * After open, without start. */
    int (*ddl)(void *self, struct il_text *);
    /* Destination or source, `ingestlayer check --online`: tries the far side without
     * changing it and appends what it found, one line a finding.  0, or a
     * negative errno when it would fail.  After open, without
     * start. */
    int (*probe)(void *self, struct il_text *);
    /* Destination, `ingestlayer dead show --render` and `ingestlayer test`:
     * appends what would be sent for event i, for a person to read, without
     * secrets.  0, or a negative errno after appending why it cannot be, and,
     * where write() would refuse the event, after il_reject().  After open,
     * without start. */
    int (*render)(void *self, struct il_batch *, uint32_t i, struct il_text *);
    /* Step, `ingestlayer state`: appends what a cell that it remembers says, for
     * a person to read, as a JSON object whose first member is "key"; or nothing
     * where that is nobody's business.  0, or a negative errno: it is no cell of
     * this step.  After open, without start. */
    int (*show)(void *self, const char *key, size_t len,
                const struct il_remembered *, struct il_text *);
    /* Destination, `ingestlayer ddl --save`: asks the far side what it looks
     * like, without changing it, and appends that as a JSON object, for
     * assume(); or nothing: there is nothing yet.  0, or a negative errno after
     * appending why it cannot.  After open, without start. */
    int (*describe)(void *self, struct il_text *);
    /* Destination, `ingestlayer test`: from now on render() shows what a far side
     * like this would get: what describe() said, or NULL, and then what the
     * config says of it has to do.  0, or a negative errno after appending why
     * that cannot be.  After open, without start. */
    int (*assume)(void *self, const char *json, size_t len, struct il_text *);
    /* Destination, `ingestlayer why --online`: asks the far side for event i,
     * which may have been delivered long ago, without changing anything.  1: it
     * is there, and what there is of it was appended, for a person to read, one
     * line each; 0: it is not, and lines may say why that can be; or a negative errno after appending why nobody can
     * tell.  Only what the event was accepted with is there.  After open, without
     * start. */
    int (*find)(void *self, struct il_batch *, uint32_t i, struct il_text *);
    /* Destination, `ingestlayer replay`: one phase of it.  One whose unit is the
     * event (IL_PER_EVENT) needs none: the host shows what render() makes of the
     * events, and has write() of the running instance take them, as those with
     * IL_REPLAYED that have come before (il_again()).  At IL_REPLAY_BATCH the
     * batch has events in the order of the spool; those that are not live are not
     * delivered today (only_there).  In the other phases it is NULL.  0; or, after
     * why in out and nothing else: -EAGAIN: the same again, later; -EACCES: a
     * person must mend something; -EINVAL: this cannot be replayed so.  By one
     * thread, on an instance of its own, after open, without start; close follows,
     * whatever the phase. */
    int (*replay)(void *self, struct il_replay *, struct il_batch *);
    /* Destination, `ingestlayer plan`: compares the far side with what the config
     * and its declarations ask for, without changing it.  Appends to text, for a
     * person, what would be changed and what that costs, and to json an object
     * that says the same to apply().  1; or 0: there is nothing to change, and
     * json stays empty; or a negative errno after appending why nobody can tell.
     * After open, without start. */
    int (*plan)(void *self, struct il_text *json, struct il_text *text);
    /* Destination, `ingestlayer apply`: makes the changes that such an object
     * says, those and no others, as `as` where that is not NULL: whom to be, in
     * the form that the plugin's own option for it has.  Appends to text what it
     * did.  0, or a negative errno after appending why it is not all done.  After
     * open, without start. */
    int (*apply)(void *self, const char *json, size_t len, const char *as,
                 struct il_text *text);
};

#define IL_PLUGIN_ABI                                                          \
    .struct_size = (uint32_t) sizeof(struct il_plugin),                        \
    .abi_major = IL_ABI_MAJOR, .abi_minor = IL_ABI_MINOR,                      \
    .option_size = (uint32_t) sizeof(struct il_option),                        \
    .api_size = (uint32_t) sizeof(struct il_api),                              \
    .needs_minor = IL_NEEDS_MINOR

#if defined(__GNUC__)
#define IL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define IL_EXPORT __attribute__((visibility("default")))
#else
#define IL_PRINTF(f, a)
#define IL_EXPORT
#endif

/* The descriptor's definition: IL_PLUGIN = { IL_PLUGIN_ABI, .kind = ... };  In
 * C++ the members stand in the order of the structure. */
#ifdef __cplusplus
#define IL_PLUGIN                                                              \
    extern "C" {                                                               \
    extern IL_EXPORT const struct il_plugin il_plugin;                         \
    }                                                                          \
    __extension__ const struct il_plugin il_plugin
#else
#define IL_PLUGIN                                                              \
    extern IL_EXPORT const struct il_plugin il_plugin;                         \
    const struct il_plugin il_plugin
#endif

/* The function table, by object.  An entry has the name of its wrapper below
 * without il_; the wrappers document them.  Functions with a printf format,
 * and a few that only shorten, have no entry of their own. */
struct il_api {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;

    /* the host: the instance and its surroundings */
    const char *(*instance)(const struct il_host *);
    const char *(*name)(const struct il_host *);
    const char *(*lane)(const struct il_host *);
    int (*state_dir)(const struct il_host *, const char **path);
    int (*cancelled)(const struct il_host *);
    int (*log_level)(const struct il_host *);
    void (*log_text)(const struct il_host *, int level, const char *text,
                     size_t len);
    void (*status_text)(const struct il_host *, const char *text, size_t len);
    int64_t (*now_us)(const struct il_host *);
    int64_t (*monotonic_us)(const struct il_host *);
    int (*timer_every)(const struct il_host *, uint32_t interval_ms,
                       void (*fn)(void *arg), void *arg);
    int (*timer_once)(const struct il_host *, uint32_t delay_ms,
                      void (*fn)(void *arg), void *arg);
    struct il_counter *(*counter_new)(const struct il_host *, const char *name,
                                      int unit, const char *help);
    void (*counter_add)(struct il_counter *, uint64_t n);
    struct il_gauge *(*gauge_new)(const struct il_host *, const char *name,
                                  int unit, const char *help);
    void (*gauge_set)(struct il_gauge *, int64_t value);
    int (*equal)(const void *a, size_t a_len, const void *b, size_t b_len);

    /* config: options */
    int (*conf_has)(const struct il_conf *, const char *key);
    size_t (*conf_count)(const struct il_conf *, const char *key);
    const char *(*conf_str)(const struct il_conf *, const char *key, size_t i);
    int64_t (*conf_int)(const struct il_conf *, const char *key, size_t i);
    const char *(*conf_number)(const struct il_conf *, const char *key,
                               size_t i);
    const struct il_conf *(*conf_group)(const struct il_conf *, const char *key,
                                        size_t i);
    int (*conf_error_text)(const struct il_conf *, const char *key, size_t i,
                           int64_t offset, const char *text, size_t len);
    int (*declared_field)(const struct il_host *, size_t i,
                          struct il_declared *);
    int (*declared_at)(const struct il_host *, size_t i, const char *reference,
                       struct il_declared *);

    /* config: references, expressions, templates, places, rows */
    int (*field_from)(const struct il_host *, const struct il_conf *,
                      const char *key, size_t i, struct il_field **);
    int (*field_parse)(const struct il_host *, const struct il_conf *,
                       const char *key, size_t i, int64_t offset,
                       const char *text, size_t len, struct il_field **);
    int (*field_named)(const struct il_host *, int what, const char *name,
                       struct il_field **);
    void (*field_free)(struct il_field *);
    int (*expr_from)(const struct il_host *, const struct il_conf *,
                     const char *key, size_t i, struct il_expr **);
    int (*expr_true)(const struct il_expr *, struct il_batch *, uint32_t i);
    void (*expr_free)(struct il_expr *);
    int (*template_from)(const struct il_host *, const struct il_conf *,
                         const char *key, size_t i, struct il_template **);
    int (*template_render)(const struct il_template *, struct il_batch *,
                           uint32_t i, struct il_value *);
    int (*template_pieces)(const struct il_template *, struct il_batch *,
                           uint32_t i,
                           int (*fn)(void *arg, const char *text, size_t len,
                                     int of_event),
                           void *arg);
    void (*template_free)(struct il_template *);
    int (*place_from)(const struct il_host *, const struct il_conf *,
                      const char *key, size_t i, struct il_place **);
    int (*place_parse)(const struct il_host *, const struct il_conf *,
                       const char *key, size_t i, int64_t offset,
                       const char *text, size_t len, struct il_place **);
    int (*place_named)(const struct il_host *, const char *name,
                       struct il_place **);
    void (*place_free)(struct il_place *);
    int (*row_new)(const struct il_host *, const struct il_cell *, size_t count,
                   size_t cell_size, struct il_row **);
    int (*row_read)(struct il_row *, struct il_batch *, uint32_t i,
                    const struct il_value **);
    void (*row_free)(struct il_row *);

    /* batches: reading */
    uint32_t (*batch_count)(const struct il_batch *);
    uint64_t (*batch_id)(const struct il_batch *);
    uint64_t (*batch_last)(const struct il_batch *);
    uint64_t (*batch_position)(const struct il_batch *, uint32_t i);
    int (*batch_origin)(const struct il_batch *, uint32_t i,
                        struct il_origin *);
    uint32_t (*batch_flags)(const struct il_batch *, uint32_t i);
    void *(*batch_alloc)(struct il_batch *, size_t);
    int (*live)(const struct il_batch *, uint32_t i);
    int (*get)(struct il_batch *, uint32_t i, const struct il_field *,
               struct il_value *);

    /* batches: editing, by steps */
    int (*drop)(struct il_batch *, uint32_t i);
    int (*set)(struct il_batch *, uint32_t i, const struct il_place *,
               const struct il_value *);
    int (*remove)(struct il_batch *, uint32_t i, const struct il_place *);
    int (*set_payload)(struct il_batch *, uint32_t i, int encoding,
                       const void *, size_t);

    /* batches: what becomes of them */
    int (*reject)(struct il_batch *, uint32_t i, const struct il_reason *);
    int (*unreject)(struct il_batch *, uint32_t i);
    int (*keep)(struct il_batch *, uint32_t i);
    int (*done)(struct il_batch *, uint32_t i);
    int (*defer)(struct il_batch *, uint32_t i, const struct il_deferral *);
    int (*again)(const struct il_batch *, uint32_t i, struct il_again *);
    int (*waits)(struct il_batch *, uint32_t i, const char *order, size_t len);
    int (*prepare)(struct il_batch *);
    void (*settle)(struct il_ack *, int outcome, const char *why);
    void (*hold_off)(const struct il_host *, const char *target,
                     int64_t until_us, const char *why);
    int (*pause)(const struct il_host *, const char *why);
    int (*intake)(const struct il_host *, const struct il_intake *);

    /* values and text */
    int (*item)(const struct il_value *, size_t *iter, struct il_value *key,
                struct il_value *value);
    struct il_text *(*text_new)(const struct il_host *);
    int (*text_reserve)(struct il_text *, size_t more);
    void (*text_free)(struct il_text *);
    int (*read_json)(struct il_text *, const char *json, size_t len,
                     struct il_value *);
    int64_t (*write_json)(struct il_text *, const struct il_value *,
                          uint32_t flags);
    int (*write_msgpack)(struct il_text *, const struct il_value *);

    /* requests: senders and routes */
    int (*sender_from)(const struct il_host *, const struct il_conf *,
                       const char *secret, struct il_sender **);
    int (*route_add)(const struct il_host *, const struct il_route *,
                     void *self);

    /* requests: reading */
    const char *(*request_method)(const struct il_request *);
    const char *(*request_path)(const struct il_request *);
    const char *(*request_query)(const struct il_request *, const char *name);
    const char *(*request_header)(const struct il_request *, const char *name);
    int (*request_each_header)(const struct il_request *,
                               int (*fn)(void *arg, const char *name,
                                         const char *value),
                               void *arg);
    const char *(*request_peer)(const struct il_request *);
    const void *(*request_body)(const struct il_request *, size_t *len);
    int (*request_json)(struct il_request *, struct il_text *,
                        struct il_value *);

    /* requests: answering */
    int (*request_sender)(struct il_request *, struct il_sender *);
    void (*request_decline)(struct il_request *);
    void (*request_refuse_text)(struct il_request *, int status,
                                const char *code, const char *text, size_t len);
    void (*request_receipt)(struct il_request *, int status, const char *json);
    void (*request_ingest)(struct il_request *, uint32_t max_events);
    void (*request_emit)(struct il_request *, const struct il_event *,
                         size_t count, size_t event_size);
    void (*request_entities)(struct il_request *);
    void (*respond_header)(struct il_request *, const char *name,
                           const char *value);
    void (*respond)(struct il_request *, int status, const char *content_type,
                    const void *body, size_t len);
    void (*respond_error_text)(struct il_request *, int status,
                               const char *code, const char *text, size_t len);

    /* entities */
    int (*kind_named)(const struct il_host *, const char *name,
                      struct il_kind **);
    int (*entity_find)(struct il_batch *, const struct il_kind *,
                       const char *id, size_t len, struct il_entity *);
    void (*entity_hint)(struct il_batch *, const struct il_kind *,
                        const char *id, size_t len);
    int (*entity_attach)(struct il_batch *, uint32_t i, const struct il_kind *,
                         const struct il_value *traits);
    int (*entity_put)(const struct il_host *, const struct il_kind *,
                      const char *id, size_t len, int encoding,
                      const void *traits, size_t traits_len, int64_t seen_us);
    int (*entity_upsert)(struct il_batch *, uint32_t i,
                         const struct il_upsert *);
    int (*mirror_from)(const struct il_host *, const char *name,
                       const struct il_kind *, uint32_t flags,
                       struct il_mirror **);
    int (*mirror_state)(const struct il_mirror *, struct il_text *mark,
                        struct il_mirror_state *);
    int (*mirror_write)(struct il_mirror *, const struct il_mirror_row *,
                        size_t count, size_t row_size,
                        const struct il_mirror_state *now,
                        struct il_mirrored *);
    int (*mirror_gone)(struct il_mirror *,
                       int (*is_there)(void *arg, const char *id, size_t len),
                       void *arg, struct il_mirrored *);

    /* memory */
    int (*memory_from)(const struct il_host *, const char *made_of, size_t len,
                       struct il_memory **);
    int (*memory_get)(struct il_batch *, uint32_t i, const struct il_memory *,
                      const char *key, size_t len, struct il_remembered *);
    void (*memory_hint)(struct il_batch *, const struct il_memory *,
                        const char *key, size_t len);
    int (*memory_put)(struct il_batch *, uint32_t i, struct il_memory *,
                      const char *key, size_t len, const void *value,
                      size_t value_len, int64_t end_us);
    int (*memory_forget)(struct il_batch *, uint32_t i, struct il_memory *,
                         const char *key, size_t len);
    int64_t (*stream_us)(struct il_batch *, uint32_t i);
    int (*result_kind)(const struct il_host *, struct il_kind **);
    int (*derives)(const struct il_host *, const char *type);
    int (*derive)(struct il_batch *, uint32_t i, const struct il_event *);

    /* emission */
    int (*emit)(const struct il_host *, const struct il_emission *);
    int (*mark_get)(const struct il_host *, const char *name, size_t len,
                    struct il_text *value);
    int (*mark_each)(const struct il_host *,
                     int (*fn)(void *arg, const struct il_mark *,
                               int64_t written_us),
                     void *arg);
};

/* The table of an object of the host. */
#define IL_API(object) (*(const struct il_api *const *) (const void *) (object))

/* Bytes that a printf format made, at most what the buffer holds. */
static inline size_t
il_format_(char text[IL_TEXT_MAX], const char *fmt, va_list ap)
{
    int n = vsnprintf(text, IL_TEXT_MAX, fmt, ap);
    return n < 0 ? 0 : n < IL_TEXT_MAX ? (size_t) n : IL_TEXT_MAX - 1;
}

/* --- the instance -------------------------------------------------------- */

/* The instance as logs name it: pipeline "orders", step 1 (filter.match).
 * Lives as long as the host.  Since ABI 1.0. */
static inline const char *
il_instance(const struct il_host *host)
{
    return IL_API(host)->instance(host);
}
/* The name that the config gives the source, step or destination.  Lives as
 * long as the host.  Since ABI 1.0. */
static inline const char *
il_name(const struct il_host *host)
{
    return IL_API(host)->name(host);
}
/* The lane "pipeline/destination"; NULL outside a pipeline.  Lives as long as
 * the host.  Since ABI 1.0. */
static inline const char *
il_lane(const struct il_host *host)
{
    return IL_API(host)->lane(host);
}
/* A directory where this instance, and nobody else, may keep files.
 *
 * The host makes it at the first call, readable by the daemon alone, below its
 * state_dir; it is still there after a restart, and each instance has its own
 * (that of a step in each lane).  It is never in use by two processes.  What is
 * in it must be of no consequence for what was promised: the spool is the only
 * truth, and a copy of state_dir may be older than the far side.  *path lives
 * as long as the host.  From start() on.
 * 0; -EPERM before start(), as in a check; or what making it met.
 * Since ABI 1.0. */
static inline int
il_state_dir(const struct il_host *host, const char **path)
{
    return IL_API(host)->state_dir(host, path);
}
/* Is what the instance does to come to its end?
 *
 * 1 from then on: for a source as soon as the host begins to stop or to replace
 * it, for a step or destination once the time for draining is over.  A thread
 * that works or waits for long asks it in between, and so does a process() or
 * write() that takes seconds.  Costs one read of memory.  Since ABI 1.0. */
static inline int
il_cancelled(const struct il_host *host)
{
    return IL_API(host)->cancelled(host);
}

/* --- logs and status ----------------------------------------------------- */

/* The last of IL_LOG_ERROR ... IL_LOG_DEBUG that is written.  Since ABI 1.0. */
static inline int
il_log_level(const struct il_host *host)
{
    return IL_API(host)->log_level(host);
}
/* Log one line of len bytes.  The host adds instance and plugin; write the
 * rest, lower case, no full stop, with the value that was wrong, never a
 * secret.  Bytes that are no UTF-8, control characters and marks that turn the
 * direction of text are written as \xNN.  The last warning or error also shows
 * in `status`.  Since ABI 1.0. */
static inline void
il_log_text(const struct il_host *host, int level, const char *text, size_t len)
{
    IL_API(host)->log_text(host, level, text, len);
}
/* The same with a printf format.  Since ABI 1.0. */
static inline void il_log(const struct il_host *host, int level,
                          const char *fmt, ...) IL_PRINTF(3, 4);
static inline void
il_log(const struct il_host *host, int level, const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    if (level > IL_API(host)->log_level(host))
        return;
    va_start(ap, fmt);
    IL_API(host)->log_text(host, level, text, il_format_(text, fmt, ap));
    va_end(ap);
}
/* What the instance is at now, one line for a person, in `status` until it is
 * said anew: "copying 12 of 40 partitions".  len 0: nothing worth telling.
 * Never blocks; what is longer than 400 bytes is cut.  Since ABI 1.0. */
static inline void
il_status_text(const struct il_host *host, const char *text, size_t len)
{
    IL_API(host)->status_text(host, text, len);
}
/* The same with a printf format.  Since ABI 1.0. */
static inline void il_status(const struct il_host *host, const char *fmt, ...)
    IL_PRINTF(2, 3);
static inline void
il_status(const struct il_host *host, const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    IL_API(host)->status_text(host, text, il_format_(text, fmt, ap));
    va_end(ap);
}

/* --- time ---------------------------------------------------------------- */

/* Wall clock, microseconds since 1970 UTC.  Tests may own it.
 * Since ABI 1.0. */
static inline int64_t
il_now_us(const struct il_host *host)
{
    return IL_API(host)->now_us(host);
}
/* A clock that never jumps, microseconds since an arbitrary instant.
 * Since ABI 1.0. */
static inline int64_t
il_monotonic_us(const struct il_host *host)
{
    return IL_API(host)->monotonic_us(host);
}
/* Call fn(arg) every interval_ms.
 *
 * From the host's timer thread, at the earliest when start() has returned, for
 * the last time before stop() is called.  fn must not block.  In open() or
 * later.  0, -EINVAL (interval_ms is 0) or -ENOMEM.  Since ABI 1.0. */
static inline int
il_timer_every(const struct il_host *host, uint32_t interval_ms,
               void (*fn)(void *arg), void *arg)
{
    return IL_API(host)->timer_every(host, interval_ms, fn, arg);
}
/* Call fn(arg) once, delay_ms from now.
 *
 * Where a call of the same fn and arg is still to come it is moved instead, and
 * with IL_NEVER taken back; then it may be running, but will not begin.  fn may
 * ask for its next call itself.  Thread and time as il_timer_every(); after
 * stop() was called nothing comes any more.  0 or -ENOMEM.  Since ABI 1.0. */
static inline int
il_timer_once(const struct il_host *host, uint32_t delay_ms,
              void (*fn)(void *arg), void *arg)
{
    return IL_API(host)->timer_once(host, delay_ms, fn, arg);
}

/* --- metrics ------------------------------------------------------------- */

/* Make a counter, in open(); exported on /metrics as
 * ingestlayer_plugin_<name>[_seconds|_bytes]_total, with the labels
 * plugin_instance and, where there is one, lane.
 *
 * name is [a-z][a-z0-9_]*, at most 64 bytes, without the ending that the unit
 * (IL_UNIT_NONE, ...) makes: _total, _seconds, _bytes.  help is one sentence.
 * The same name gives the same counter.  Owned by the host.  NULL, which
 * il_counter_add() accepts: no memory; or after a finding against the plugin,
 * which fails open(): a bad name, or the name of another unit or of a gauge.
 * Since ABI 1.0. */
static inline struct il_counter *
il_counter_new(const struct il_host *host, const char *name, int unit,
               const char *help)
{
    return IL_API(host)->counter_new(host, name, unit, help);
}
/* Count n more, microseconds or bytes where that is its unit.  Lock-free.
 * Since ABI 1.0. */
static inline void
il_counter_add(const struct il_host *host, struct il_counter *counter,
               uint64_t n)
{
    IL_API(host)->counter_add(counter, n);
}
/* Make a gauge, in open(), as il_counter_new(); exported as
 * ingestlayer_plugin_<name>[_seconds|_bytes]{...}, 0 at first.
 * Since ABI 1.0. */
static inline struct il_gauge *
il_gauge_new(const struct il_host *host, const char *name, int unit,
             const char *help)
{
    return IL_API(host)->gauge_new(host, name, unit, help);
}
/* It has this value now.  Lock-free; accepts NULL.  Since ABI 1.0. */
static inline void
il_gauge_set(const struct il_host *host, struct il_gauge *gauge, int64_t value)
{
    IL_API(host)->gauge_set(gauge, value);
}

/* Compare without telling by time where they differ.  1 or 0.
 * Since ABI 1.0. */
static inline int
il_equal(const struct il_host *host, const void *a, size_t a_len, const void *b,
         size_t b_len)
{
    return IL_API(host)->equal(a, a_len, b, b_len);
}

/* === config ============================================================== */

/* --- options ------------------------------------------------------------- */
/* The host has validated everything against the table before open(): types,
 * ranges, unknown and missing keys.  Defaults are filled in.  Strings live
 * until close(), and so do groups.  Reading a key that is not in the table, or
 * as another type, is a plugin bug and aborts the check with a message.  All of
 * it in open() or later, from any thread; findings in open() alone.
 *
 * Options that the host has beside a plugin's yield to it: where a plugin has
 * an option of that name, the name is the plugin's, and the host's is written
 * in the group host = { ... }, where all of the host's may always stand.  Only
 * plugin, name and host are the host's for ever. */

/* Did the operator write it (or has it a default)?  1 or 0.  Since ABI 1.0. */
static inline int
il_conf_has(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_has(conf, key);
}
/* Number of elements of a list; 0 or 1 of anything else.  Since ABI 1.0. */
static inline size_t
il_conf_count(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_count(conf, key);
}
/* The text of a STRING; NULL where absent.  env:, file: and credential: are
 * already resolved.  Since ABI 1.0. */
static inline const char *
il_conf_str(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_str(conf, key, 0);
}
/* Element i of a list of strings; NULL past the end.  Since ABI 1.0. */
static inline const char *
il_conf_str_at(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_str(conf, key, i);
}
/* INT, BOOL (0, 1), DURATION (ms), SIZE (bytes); 0 where absent.
 * Since ABI 1.0. */
static inline int64_t
il_conf_int(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_int(conf, key, 0);
}
/* The same of element i of a list; 0 past the end.  Since ABI 1.0. */
static inline int64_t
il_conf_int_at(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_int(conf, key, i);
}
/* A NUMBER, digit for digit as the operator wrote it, in the grammar of JSON:
 * "1.10", "-2", "1e-9"; NULL where absent.  The operator may write it with or
 * without quotes; min and max compare it exactly.  Since ABI 1.0. */
static inline const char *
il_conf_number(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_number(conf, key, 0);
}
/* The same of element i of a list; NULL past the end.  Since ABI 1.0. */
static inline const char *
il_conf_number_at(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_number(conf, key, i);
}
/* Element i of a list of groups, or the group itself (i = 0); NULL where
 * absent or past the end.  Since ABI 1.0. */
static inline const struct il_conf *
il_conf_group(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_group(conf, key, i);
}
/* Report a finding against element i of a key (NULL: the group; i is 0 of what
 * is no list); offset is the byte in its text that is wrong, or -1.  The host
 * adds file, line, instance, "key #2" and a caret.  Always returns -EINVAL.
 * In open().  Since ABI 1.0. */
static inline int
il_conf_error_text(const struct il_conf *conf, const char *key, size_t i,
                   int64_t offset, const char *text, size_t len)
{
    return IL_API(conf)->conf_error_text(conf, key, i, offset, text, len);
}
/* The same with a printf format.  Since ABI 1.0. */
static inline int il_conf_error_at(const struct il_conf *conf, const char *key,
                                   size_t i, int64_t offset, const char *fmt,
                                   ...) IL_PRINTF(5, 6);
static inline int
il_conf_error_at(const struct il_conf *conf, const char *key, size_t i,
                 int64_t offset, const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = il_format_(text, fmt, ap);
    va_end(ap);
    return IL_API(conf)->conf_error_text(conf, key, i, offset, text, len);
}
/* The same for what is no list.  Since ABI 1.0. */
static inline int il_conf_error(const struct il_conf *conf, const char *key,
                                int64_t offset, const char *fmt, ...)
    IL_PRINTF(4, 5);
static inline int
il_conf_error(const struct il_conf *conf, const char *key, int64_t offset,
              const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = il_format_(text, fmt, ap);
    va_end(ap);
    return IL_API(conf)->conf_error_text(conf, key, 0, offset, text, len);
}

/* --- what is declared ---------------------------------------------------- */

/* The i-th declared field of the events that this pipeline (or source) can
 * see, types one after the other.  Set out->struct_size first; texts live until
 * close().  0, or -ENOENT past the last.  Since ABI 1.0. */
static inline int
il_declared_field(const struct il_host *host, size_t i, struct il_declared *out)
{
    return IL_API(host)->declared_field(host, i, out);
}
/* What the i-th declared event type that this pipeline (or source) can see
 * declares at a reference: "$event.payload.customer.address.zip".  out->name is
 * the reference; out->required: each event of the type has it, and it is not
 * null.  Set out->struct_size first.  0, -ENODATA where it declares nothing
 * there, -ENOENT past the last type, -EINVAL: no reference.  Since ABI 1.0. */
static inline int
il_declared_at(const struct il_host *host, size_t i, const char *reference,
               struct il_declared *out)
{
    return IL_API(host)->declared_at(host, i, reference, out);
}

/* --- references, expressions, templates ---------------------------------- */
/* Made in open(), used for each event, freed in close().  The functions called
 * il_..._from() take the text of an option; where it is absent they answer 0
 * and set *out to NULL, which il_..._free() accepts.  Their findings point into
 * that text.  0, -EINVAL after a finding, or -ENOMEM. */

/* Resolve the reference in option key ("$event.payload.a.b").
 * Since ABI 1.0. */
static inline int
il_field_from(const struct il_host *host, const struct il_conf *conf,
              const char *key, struct il_field **out)
{
    return IL_API(host)->field_from(host, conf, key, 0, out);
}
/* The same in element i of a list.  Since ABI 1.0. */
static inline int
il_field_from_at(const struct il_host *host, const struct il_conf *conf,
                 const char *key, size_t i, struct il_field **out)
{
    return IL_API(host)->field_from(host, conf, key, i, out);
}
/* Resolve a reference that the plugin has as text.
 *
 * It stands, or came from what stands, at byte offset of element i of option
 * key, which is where findings point; offset -1: they point at the option as a
 * whole.  conf NULL: nothing is reported.  0, -EINVAL or -ENOMEM; *out is NULL
 * then.  In open().  Since ABI 1.0. */
static inline int
il_field_parse(const struct il_host *host, const struct il_conf *conf,
               const char *key, size_t i, int64_t offset, const char *text,
               size_t len, struct il_field **out)
{
    return IL_API(host)->field_parse(host, conf, key, i, offset, text, len,
                                     out);
}
/* Resolve a bare name, taken literally (no paths); what is IL_FIELD_*.  0 or
 * -ENOMEM.  Since ABI 1.0. */
static inline int
il_field_named(const struct il_host *host, int what, const char *name,
               struct il_field **out)
{
    return IL_API(host)->field_named(host, what, name, out);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_field_free(const struct il_host *host, struct il_field *field)
{
    IL_API(host)->field_free(field);
}
/* Compile the expression in option key.  Since ABI 1.0. */
static inline int
il_expr_from(const struct il_host *host, const struct il_conf *conf,
             const char *key, struct il_expr **out)
{
    return IL_API(host)->expr_from(host, conf, key, 0, out);
}
/* The same in element i of a list.  Since ABI 1.0. */
static inline int
il_expr_from_at(const struct il_host *host, const struct il_conf *conf,
                const char *key, size_t i, struct il_expr **out)
{
    return IL_API(host)->expr_from(host, conf, key, i, out);
}
/* Does it hold for event i?  1 or 0 (also past the end of the batch), or -E2BIG:
 * that depends on a regular expression which met its limit, so that nobody
 * knows; the event has become a dead letter (regex_limit) by then, and there is
 * nothing left to do.  Never allocates otherwise.  One thread at a time for each
 * expression.  Since ABI 1.0. */
static inline int
il_expr_true(const struct il_expr *expr, struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->expr_true(expr, batch, i);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_expr_free(const struct il_host *host, struct il_expr *expr)
{
    IL_API(host)->expr_free(expr);
}
/* Compile the template in option key: a lone reference keeps its type; text
 * with {{ ... }} in it becomes a string.  Since ABI 1.0. */
static inline int
il_template_from(const struct il_host *host, const struct il_conf *conf,
                 const char *key, struct il_template **out)
{
    return IL_API(host)->template_from(host, conf, key, 0, out);
}
/* The same in element i of a list.  Since ABI 1.0. */
static inline int
il_template_from_at(const struct il_host *host, const struct il_conf *conf,
                    const char *key, size_t i, struct il_template **out)
{
    return IL_API(host)->template_from(host, conf, key, i, out);
}
/* Render for event i.  The value lives as long as the batch; that of a lone
 * reference is a view, as of il_get().  0, -ENOMEM, or -EINVAL past the end of
 * the batch; out->type is IL_MISSING then.
 * Since ABI 1.0. */
static inline int
il_template_render(const struct il_template *t, struct il_batch *batch,
                   uint32_t i, struct il_value *out)
{
    return IL_API(batch)->template_render(t, batch, i, out);
}
/* Render for event i piece by piece, in order, for what has to be escaped: what
 * the operator wrote is told from what stands there for {{ ... }} (of_event 1; a
 * lone reference is such a piece, rendered as it would be in braces; where there
 * is nothing to put in, len is 0).  text need not end with NUL, and is valid
 * during the call.  A result of fn other than 0
 * ends it.  That result, 0, -ENOMEM, or -EINVAL past the end of the batch.
 * Since ABI 1.0. */
static inline int
il_template_pieces(
    const struct il_template *t, struct il_batch *batch, uint32_t i,
    int (*fn)(void *arg, const char *text, size_t len, int of_event), void *arg)
{
    return IL_API(batch)->template_pieces(t, batch, i, fn, arg);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_template_free(const struct il_host *host, struct il_template *t)
{
    IL_API(host)->template_free(t);
}

/* --- places -------------------------------------------------------------- */
/* A place is where il_set() and il_remove() write: a path below the payload,
 * "$event.payload.customer.address.zip" or, since all of them are there, the path
 * alone, elements of arrays included ("items[0].sku", "items[-1]").  Not the
 * payload itself, no other field of the event (they are what the sender was
 * told), no entity.  Made in open(), freed
 * in close(). */

/* The place that option key names; as il_field_from().  Since ABI 1.0. */
static inline int
il_place_from(const struct il_host *host, const struct il_conf *conf,
              const char *key, struct il_place **out)
{
    return IL_API(host)->place_from(host, conf, key, 0, out);
}
/* The same in element i of a list.  Since ABI 1.0. */
static inline int
il_place_from_at(const struct il_host *host, const struct il_conf *conf,
                 const char *key, size_t i, struct il_place **out)
{
    return IL_API(host)->place_from(host, conf, key, i, out);
}
/* The place that a text names; as il_field_parse().  Since ABI 1.0. */
static inline int
il_place_parse(const struct il_host *host, const struct il_conf *conf,
               const char *key, size_t i, int64_t offset, const char *text,
               size_t len, struct il_place **out)
{
    return IL_API(host)->place_parse(host, conf, key, i, offset, text, len,
                                     out);
}
/* The top-level field of the payload of this name, taken literally.  0 or
 * -ENOMEM.  Since ABI 1.0. */
static inline int
il_place_named(const struct il_host *host, const char *name,
               struct il_place **out)
{
    return IL_API(host)->place_named(host, name, out);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_place_free(const struct il_host *host, struct il_place *place)
{
    IL_API(host)->place_free(place);
}

/* --- rows ---------------------------------------------------------------- */

/* Put fields and templates together that are read of every event: one pass
 * over its payload finds them all.  They have to live as long as the row; the
 * cells are copied.  A row remembers what the event before looked like, so each
 * thread has its own.  0, -EINVAL (a cell without struct_size, or with neither)
 * or -ENOMEM.  Since ABI 1.0. */
static inline int
il_row_new(const struct il_host *host, const struct il_cell *cells,
           size_t count, struct il_row **out)
{
    return IL_API(host)->row_new(host, cells, count, sizeof *cells, out);
}
/* Read them of event i: *values gets as many as there are cells, each what
 * il_get or il_template_render would give, until the next call.  0, -ENOMEM, or
 * -EINVAL past the end of the batch.  Since ABI 1.0. */
static inline int
il_row_read(struct il_row *row, struct il_batch *batch, uint32_t i,
            const struct il_value **values)
{
    return IL_API(batch)->row_read(row, batch, i, values);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_row_free(const struct il_host *host, struct il_row *row)
{
    IL_API(host)->row_free(row);
}

/* === batches ============================================================= */
/* A batch belongs to the thread that has it: that of process(), or from write()
 * until settle any one thread of the destination at a time. */

/* --- reading ------------------------------------------------------------- */

/* Events in the batch, dropped and rejected ones included.  Since ABI 1.0. */
static inline uint32_t
il_batch_count(const struct il_batch *batch)
{
    return IL_API(batch)->batch_count(batch);
}
/* The same at every attempt: use it to write idempotently.  So are the events,
 * but that newer ones may stand behind them after IL_PAUSE.  Since ABI 1.0. */
static inline uint64_t
il_batch_id(const struct il_batch *batch)
{
    return IL_API(batch)->batch_id(batch);
}
/* The lane's position once this batch is settled.  Since ABI 1.0. */
static inline uint64_t
il_batch_last(const struct il_batch *batch)
{
    return IL_API(batch)->batch_last(batch);
}
/* Position of event i: unique in its spool, ascending in a batch; 0 past the
 * end.  Since ABI 1.0. */
static inline uint64_t
il_batch_position(const struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->batch_position(batch, i);
}
/* Where event i first stood: the same each time it comes, at every attempt, by
 * `dead retry`, after a restart.  Set out->struct_size first.  0, or -EINVAL
 * past the end.  For steps and destinations.  Since ABI 1.0. */
static inline int
il_batch_origin(const struct il_batch *batch, uint32_t i, struct il_origin *out)
{
    return IL_API(batch)->batch_origin(batch, i, out);
}
/* What is noted of event i: IL_ID_MADE, IL_PUBLISHABLE by the gate, IL_TICK,
 * IL_REPLAYED; 0 past the end.  Ignore others.  Since ABI 1.0. */
static inline uint32_t
il_batch_flags(const struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->batch_flags(batch, i);
}
/* Scratch memory, aligned for any type, that lives until process() returns or
 * the batch of a destination is settled; NULL: no memory.  Since ABI 1.0. */
static inline void *
il_batch_alloc(struct il_batch *batch, size_t size)
{
    return IL_API(batch)->batch_alloc(batch, size);
}
/* Neither dropped, rejected, kept, done nor deferred?  1 or 0 (also past the end).
 * Since ABI 1.0. */
static inline int
il_live(const struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->live(batch, i);
}
/* Read a field of event i.  1 present, 0 missing or past the end (out->type
 * IL_MISSING).  A view; an edit of the same event ends it.  Since ABI 1.0. */
static inline int
il_get(struct il_batch *batch, uint32_t i, const struct il_field *field,
       struct il_value *out)
{
    return IL_API(batch)->get(batch, i, field, out);
}
/* The same for strings only: NULL where missing or of another type.
 * Since ABI 1.0. */
static inline const char *
il_get_str(struct il_batch *batch, uint32_t i, const struct il_field *field,
           size_t *len)
{
    struct il_value v;
    if (!IL_API(batch)->get(batch, i, field, &v) || v.type != IL_STRING)
        return NULL;
    *len = v.len;
    return v.str;
}

/* --- editing ------------------------------------------------------------- */
/* For steps, in process() and from its thread: anywhere else they answer
 * -EPERM.  Where process() returns an error its edits are undone. */

/* Drop event i on purpose; counted for the step.  0 (also where it is no longer
 * live), -EINVAL past the end, -EPERM.  Since ABI 1.0. */
static inline int
il_drop(struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->drop(batch, i);
}
/* Make value what stands at a place of event i's payload.
 *
 * Objects that are missing on the way are made; the value is copied, and may be
 * a view of the same event, a container too.  IL_TIME is written as text.  The
 * other fields keep their order, and every number its digits; a new field comes
 * last.
 * 0; -ENOTDIR: what stands on the way is no object (or no array); -ERANGE: the
 * array has no such element, or is itself not there; -EINVAL: past the end, or
 * a value of IL_MISSING or none that an event can hold; -ENOMEM; -EPERM.
 * Unchanged unless 0.
 * Since ABI 1.0. */
static inline int
il_set(struct il_batch *batch, uint32_t i, const struct il_place *place,
       const struct il_value *value)
{
    return IL_API(batch)->set(batch, i, place, value);
}
/* The same with a text, UTF-8.  Since ABI 1.0. */
static inline int
il_set_str(struct il_batch *batch, uint32_t i, const struct il_place *place,
           const char *str, size_t len)
{
    struct il_value v = { IL_STRING, 0, { 0 }, NULL, 0 };
    v.str = str;
    v.len = len;
    return IL_API(batch)->set(batch, i, place, &v);
}
/* Remove what stands at a place of event i's payload; of an array, the element:
 * those after it move up.  1 removed, 0 there was nothing, -EINVAL past the
 * end, -ENOMEM, -EPERM.  Since ABI 1.0. */
static inline int
il_remove(struct il_batch *batch, uint32_t i, const struct il_place *place)
{
    return IL_API(batch)->remove(batch, i, place);
}
/* Replace the payload of event i; encoding is IL_JSON or IL_MSGPACK, the bytes
 * are copied.  0, -EINVAL (not an object, or past the end), -ENOMEM, -EPERM.
 * Since ABI 1.0. */
static inline int
il_set_payload(struct il_batch *batch, uint32_t i, int encoding,
               const void *bytes, size_t len)
{
    return IL_API(batch)->set_payload(batch, i, encoding, bytes, len);
}

/* --- delivering ---------------------------------------------------------- */

/* Make event i a dead letter.  In a step it leaves the batch; in a destination
 * it is marked, and the rest of the batch goes on.  why is copied; NULL, or one
 * without struct_size, leaves the letter without a cause.  0 (also where it is
 * no longer live), -EINVAL past the end, -EPERM: a step outside process(), a
 * destination after settle.  Since ABI 1.0. */
static inline int
il_reject(struct il_batch *batch, uint32_t i, const struct il_reason *why)
{
    return IL_API(batch)->reject(batch, i, why);
}
/* Destination: take the mark of event i back, of an earlier attempt at the same
 * batch too.  0, -EINVAL past the end, -EPERM.  Since ABI 1.0. */
static inline int
il_unreject(struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->unreject(batch, i);
}
/* Destination: event i came to its end in an earlier attempt, perhaps of an
 * earlier process, as the far side says.  Whatever it came to stays as it is, a
 * dead letter too.  It is no longer live; holds for this attempt.  0, -EINVAL
 * past the end, -EPERM.  Since ABI 1.0. */
static inline int
il_keep(struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->keep(batch, i);
}
/* Destination: make the dead letters of this batch durable and exactly the
 * events marked by now, those that it keeps left aside.  A transactional
 * destination calls it right before its COMMIT; for others the host does it on
 * settle.  Blocks for a sync.  0 or a negative errno (-EPERM: elsewhere than
 * between write() and settle): then do not commit, settle IL_RETRY.
 * Since ABI 1.0. */
static inline int
il_prepare(struct il_batch *batch)
{
    return IL_API(batch)->prepare(batch);
}
/* Report the outcome of a batch taken by write().
 *
 * Call exactly once per batch, from any thread, before stop() returns, perhaps
 * before write() does.  Consumes ack: neither it nor the batch may be used
 * afterwards.  Never blocks, cannot fail; a second call is reported and counts
 * for nothing.  why says the cause for a person where outcome is not IL_OK,
 * else NULL; it is copied, 500 bytes at most.  outcome is
 *   IL_OK      durable on the other side, apart from the marked events
 *   IL_RETRY   send it again: after 100 ms at first, 30 s at most
 *   IL_REJECT  never acceptable: every event of it becomes a dead letter
 *   IL_PAUSE   a person must mend something (a missing table, a password):
 *              as IL_RETRY, but rarely, and the lane shows as paused; nothing
 *              is lost, and it goes on by itself once the cause is gone.
 *              Should the events be the cause, that is seen by others that go
 *              in: the batch, or one behind it, comes again with newer events
 *   IL_FENCED  another process owns the lane: nothing was written, and this
 *              lane stays stopped until a restart
 *   IL_SET_BACK the far side has lost what was settled before: nothing was
 *              written, and the host asks resume() for il_position.there and
 *              delivers again what comes after it
 * Any other is reported, and taken as IL_RETRY.  What was said of single events
 * (il_done(), il_defer()) holds whatever the outcome of their batch.  With
 * several batches in flight, anything but IL_OK and IL_REJECT means that all taken
 * after it must settle IL_RETRY (they come again, in order), but for those of a
 * destination with IL_PER_EVENT.  Since ABI 1.0. */
static inline void
il_settle(struct il_ack *ack, int outcome, const char *why)
{
    IL_API(ack)->settle(ack, outcome, why);
}

/* In open(): what this instance of a destination takes, where its options
 * decide that.  0, -EINVAL (out of bounds), -EPERM after open().
 * Since ABI 1.0. */
static inline int
il_intake(const struct il_host *host, const struct il_intake *intake)
{
    return IL_API(host)->intake(host, intake);
}

/* --- delivering, event by event ------------------------------------------ */
/* For destinations with IL_PER_EVENT, between write() and settle, and where a
 * function says so for steps.  An event
 * that is still live when its batch settles as IL_OK was delivered.  Besides
 * those that the lane has just read, a batch may be one of events that come
 * again: each as it was decided when it was deferred, positions in no order. */

/* Event i is there: it is not sent again, also where the process dies before
 * the batch is settled, but for those of the last 100 ms.  0 (also where it is
 * no longer live), -EINVAL past the end, -EPERM.  Since ABI 1.0. */
static inline int
il_done(struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->done(batch, i);
}
/* Event i comes again, not before delay_ms have passed: it is kept with all
 * that steps have added to it, durably once the batch is settled, and the lane
 * goes on past it.  In process() of a step, of any lane: it is kept as it was
 * accepted, and comes again through the spool, in no order; it goes on at this
 * step or, with IL_AFTER, after it; target and order are not looked at.  How
 * often is the plugin's to say: il_again() tells how often it has come, and
 * il_reject() makes a dead letter of it.  0 (also where it is no longer live),
 * -EINVAL (past the end, a struct_size, a flag that is not known), -ENOMEM,
 * -EPERM.  Since ABI 1.0. */
static inline int
il_defer_as(struct il_batch *batch, uint32_t i, const struct il_deferral *how)
{
    return IL_API(batch)->defer(batch, i, how);
}
/* The same after an attempt, for whom neither target nor order counts.
 * Since ABI 1.0. */
static inline int
il_defer(struct il_batch *batch, uint32_t i, uint64_t delay_ms,
         const struct il_reason *why)
{
    struct il_deferral how = { sizeof(how), 0, 0, NULL, NULL, 0, NULL, 0 };
    how.delay_ms = delay_ms;
    how.why = why;
    return IL_API(batch)->defer(batch, i, &how);
}
/* Has event i come before?  1: *out tells of it (set out->struct_size first;
 * texts live as long as the batch); 0: it comes for the first time; -EINVAL.
 * For steps and destinations.  A step that it had passed (out->stopped) adds to
 * it what it adds to any event, counts it nowhere, and what it drops is live
 * again afterwards, whether it looks at this or not.  Since ABI 1.0. */
static inline int
il_again(const struct il_batch *batch, uint32_t i, struct il_again *out)
{
    return IL_API(batch)->again(batch, i, out);
}
/* Does an event of the same order that comes before event i wait to be sent
 * again?  (order NULL: what il_intake.order comes to; of no order, where that is
 * missing.)  Then i is deferred here and now, without an attempt, and comes once
 * that one is done with: 1.  0: none waits.  -EINVAL, -ENOMEM, -EPERM or what
 * the store met: the event stays live.  Those at hand at the same time are the
 * plugin's own to keep in order.  Since ABI 1.0. */
static inline int
il_waits(struct il_batch *batch, uint32_t i, const char *order, size_t len)
{
    return IL_API(batch)->waits(batch, i, order, len);
}
/* The far side takes nothing until then (microseconds since 1970; 0: it takes
 * again).  target NULL: of all that the instance sends, and the lane hands out
 * no batch meanwhile; else of what goes to that target, which is shown; once it
 * takes again, events that were deferred for it with the code "held_off" are due
 * at once.  Shown in `status`, with why (copied).  Any thread, from start() on.
 * Since ABI 1.0. */
static inline void
il_hold_off(const struct il_host *host, const char *target, int64_t until_us,
            const char *why)
{
    IL_API(host)->hold_off(host, target, until_us, why);
}

/* Only a person can mend this at the far side (it is gone for good, a token was
 * revoked): the lane pauses, as by `ingestlayer lane pause`, over restarts too,
 * until somebody says `lane resume`.  What is on its way is settled as ever.
 * why is shown wherever the lane is, 199 bytes of it.  Waits for the disk.  Any
 * thread, from start() until stop() returns.  1, 0: it was paused before; -EPERM,
 * or another negative errno: it is not.  Since ABI 1.0. */
static inline int
il_pause(const struct il_host *host, const char *why)
{
    return IL_API(host)->pause(host, why);
}

/* --- values and text ----------------------------------------------------- */

/* Walk an IL_ARRAY or IL_MAP: start with *iter = 0; 1 while there is one, 0 at
 * the end.  key is filled for maps; for arrays it is IL_MISSING, and may be
 * NULL.  Since ABI 1.0. */
static inline int
il_item(const struct il_host *host, const struct il_value *container,
        size_t *iter, struct il_value *key, struct il_value *value)
{
    return IL_API(host)->item(container, iter, key, value);
}
/* Growable text; NULL: no memory.  Free with il_text_free.  One thread at a
 * time.  Since ABI 1.0. */
static inline struct il_text *
il_text_new(const struct il_host *host)
{
    return IL_API(host)->text_new(host);
}
/* Room for `more` bytes past len; also for none there is memory then.  0 or
 * -ENOMEM (unchanged).  Since ABI 1.0. */
static inline int
il_text_reserve(const struct il_host *host, struct il_text *text, size_t more)
{
    if (text->cap - text->len > more)
        return 0;
    return IL_API(host)->text_reserve(text, more);
}
/* Accepts NULL.  Since ABI 1.0. */
static inline void
il_text_free(const struct il_host *host, struct il_text *text)
{
    IL_API(host)->text_free(text);
}
/* Read a JSON text as the gate would: strictly, numbers exactly.  What is read
 * is put into text, in place of what it held, and *out is a view of it.  0,
 * -EINVAL (not JSON) or -ENOMEM.  Since ABI 1.0. */
static inline int
il_read_json(const struct il_host *host, struct il_text *text, const char *json,
             size_t len, struct il_value *out)
{
    return IL_API(host)->read_json(text, json, len, out);
}
/* Append a value as compact JSON, numbers as their sender wrote them.  flags:
 * IL_JSON_*.  Returns how many code points a flag replaced, or -ENOMEM.
 * Since ABI 1.0. */
static inline int64_t
il_write_json(const struct il_host *host, struct il_text *text,
              const struct il_value *value, uint32_t flags)
{
    return IL_API(host)->write_json(text, value, flags);
}
/* Append a value as msgpack, for what is offered as IL_MSGPACK.  A container
 * whose str is NULL gives its head alone: its `count` items (of a map: keys and
 * values in turn) are to follow by further calls.  0, -EINVAL or -ENOMEM.
 * Since ABI 1.0. */
static inline int
il_write_msgpack(const struct il_host *host, struct il_text *text,
                 const struct il_value *value)
{
    return IL_API(host)->write_msgpack(text, value);
}

/* === requests ============================================================ */

/* --- senders and routes -------------------------------------------------- */

/* What il_sender_from() reads, for the table of the group that describes a
 * sender; origins apart, for sources that pages send to. */
#define IL_SENDER_OPTIONS                                                      \
    { .name = "id",                                                            \
      .type = IL_OPT_STRING,                                                   \
      .min = 1,                                                                \
      .max = 64,                                                               \
      .help = "What logs, metrics and dead letters call the sender; without "  \
              "it, the name of the variable, file or credential." },           \
        { .name = "rate",                                                      \
          .type = IL_OPT_STRING,                                               \
          .help = "Most events over time, as in \"1000/s\"; without it, any "  \
                  "number." },                                                 \
        { .name = "burst",                                                     \
          .type = IL_OPT_INT,                                                  \
          .min = 1,                                                            \
          .max = 1000000000,                                                   \
          .help =                                                              \
              "Most events at once; without it, the first number of rate." },  \
    {                                                                          \
        .name = "types", .type = IL_OPT_STRING, .flags = IL_OPT_LIST,          \
        .min = 1, .max = 128,                                                  \
        .help = "Types of events that may be sent; * stands for any text."     \
    }
#define IL_ORIGINS_OPTION                                                      \
    {                                                                          \
        .name = "origins", .type = IL_OPT_STRING, .flags = IL_OPT_LIST,        \
        .min = 1, .max = 320,                                                  \
        .help = "Web pages that may send: \"https://app.example.com\", "       \
                "\"https://*.example.com\", \"http://localhost:*\", or \"*\"." \
    }
/* Likewise apart, for sources whose keys may be known to everybody, and for
 * those that serve il_request_entities() or offer upserts. */
#define IL_PUBLISHABLE_OPTION                                                  \
    {                                                                          \
        .name = "publishable", .type = IL_OPT_BOOL, .def = "false",            \
        .help = "Everybody may know it, as it is in a page or an app: it may " \
                "come in a URL, needs types, and has a namespace of its own "  \
                "for ids and keys."                                            \
    }
#define IL_ENTITIES_OPTION                                                     \
    {                                                                          \
        .name = "entities", .type = IL_OPT_STRING,                             \
        .choices = "none|write|all",                                           \
        .help = "What it may do with entities; without it, write them, and "   \
                "of a publishable key none."                                   \
    }

/* In open(): a sender, as a group with IL_SENDER_OPTIONS describes it.  The
 * option named `secret` holds what it is known by, which is never shown; the
 * name of where that stands (env:NAME) is the sender's id, unless it is given
 * one.  secret NULL: it is known otherwise, and must be given an id.  0,
 * -EINVAL after a finding, or -ENOMEM.  Owned by the host.  Since ABI 1.0. */
static inline int
il_sender_from(const struct il_host *host, const struct il_conf *conf,
               const char *secret, struct il_sender **out)
{
    return IL_API(host)->sender_from(host, conf, secret, out);
}
/* In open(): serve a route; self is handed to its callbacks, from a thread of
 * the server.  The struct is copied, its strings too.  0, -EINVAL, -ENOMEM, or
 * -EPERM after open().  Since ABI 1.0. */
static inline int
il_route_add(const struct il_host *host, const struct il_route *route,
             void *self)
{
    return IL_API(host)->route_add(host, route, self);
}

/* --- reading a request --------------------------------------------------- */
/* In admit() and handle(), from their thread.  Texts live until the answer. */

/* "POST".  Since ABI 1.0. */
static inline const char *
il_request_method(const struct il_request *req)
{
    return IL_API(req)->request_method(req);
}
/* The path as sent, unescaped, without the query.  Since ABI 1.0. */
static inline const char *
il_request_path(const struct il_request *req)
{
    return IL_API(req)->request_path(req);
}
/* Value of a query argument (any case); NULL where absent.  Since ABI 1.0. */
static inline const char *
il_request_query(const struct il_request *req, const char *name)
{
    return IL_API(req)->request_query(req, name);
}
/* Value of a header (any case); NULL where absent.  Since ABI 1.0. */
static inline const char *
il_request_header(const struct il_request *req, const char *name)
{
    return IL_API(req)->request_header(req, name);
}
/* Call fn for each header in the order they came, until it returns other than
 * 0; returns that, else 0.  Since ABI 1.0. */
static inline int
il_request_each_header(const struct il_request *req,
                       int (*fn)(void *arg, const char *name,
                                 const char *value),
                       void *arg)
{
    return IL_API(req)->request_each_header(req, fn, arg);
}
/* The sender's address, "192.0.2.1" or "unix".  Behind a proxy that is trusted
 * in the config, the one that the proxy names.  Since ABI 1.0. */
static inline const char *
il_request_peer(const struct il_request *req)
{
    return IL_API(req)->request_peer(req);
}
/* The body, unpacked; in admit() it has no bytes.  Since ABI 1.0. */
static inline const void *
il_request_body(const struct il_request *req, size_t *len)
{
    return IL_API(req)->request_body(req, len);
}
/* il_read_json() of the body, in handle().  0; or a negative errno when it is
 * no JSON or there is no memory: then the request has been answered, with the
 * place.  Since ABI 1.0. */
static inline int
il_request_json(struct il_request *req, struct il_text *text,
                struct il_value *out)
{
    return IL_API(req)->request_json(req, text, out);
}

/* --- answering it -------------------------------------------------------- */

/* In admit(), or in handle() before anything else: it is this one who sends.
 * The host applies its rate and its types and names it wherever it speaks of
 * the request.  0; or a negative errno when it may not send this, from a page
 * of another origin say: then the request has been answered, and admit()
 * returns that.  Since ABI 1.0. */
static inline int
il_request_sender(struct il_request *req, struct il_sender *sender)
{
    return IL_API(req)->request_sender(req, sender);
}
/* In place of an answer: the body shows that the request, for which admit() was
 * IL_UNPROVEN, is not for this source.  The next one of the same route is
 * asked; 401 if no other takes it.  Since ABI 1.0. */
static inline void
il_request_decline(struct il_request *req)
{
    IL_API(req)->request_decline(req);
}
/* Add a header to the answer that follows; copied.  Since ABI 1.0. */
static inline void
il_respond_header(struct il_request *req, const char *name, const char *value)
{
    IL_API(req)->respond_header(req, name, value);
}
/* Answer at once; the body is copied.  content_type NULL: none.
 * Since ABI 1.0. */
static inline void
il_respond(struct il_request *req, int status, const char *content_type,
           const void *body, size_t len)
{
    IL_API(req)->respond(req, status, content_type, body, len);
}
/* Answer {"error":{"message","code"}}.  code is [a-z0-9_]+ and lives on: a
 * constant.  Since ABI 1.0. */
static inline void
il_respond_error_text(struct il_request *req, int status, const char *code,
                      const char *text, size_t len)
{
    IL_API(req)->respond_error_text(req, status, code, text, len);
}
/* The same with a printf format.  Since ABI 1.0. */
static inline void il_respond_error(struct il_request *req, int status,
                                    const char *code, const char *fmt, ...)
    IL_PRINTF(4, 5);
static inline void
il_respond_error(struct il_request *req, int status, const char *code,
                 const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = il_format_(text, fmt, ap);
    va_end(ap);
    IL_API(req)->respond_error_text(req, status, code, text, len);
}
/* Answer as il_respond_error_text() and keep the body as a dead letter: for a
 * request whose sender is known and whose body holds no event.
 * Since ABI 1.0. */
static inline void
il_request_refuse_text(struct il_request *req, int status, const char *code,
                       const char *text, size_t len)
{
    IL_API(req)->request_refuse_text(req, status, code, text, len);
}
/* The same with a printf format.  Since ABI 1.0. */
static inline void il_request_refuse(struct il_request *req, int status,
                                     const char *code, const char *fmt, ...)
    IL_PRINTF(4, 5);
static inline void
il_request_refuse(struct il_request *req, int status, const char *code,
                  const char *fmt, ...)
{
    char text[IL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = il_format_(text, fmt, ap);
    va_end(ap);
    IL_API(req)->request_refuse_text(req, status, code, text, len);
}
/* Before il_request_emit(): answer success with this status (200 to 299) and
 * this JSON text (not copied: a constant; NULL: no body), for a sender that
 * would take the gate's own answer for something else.  Since ABI 1.0. */
static inline void
il_request_receipt(struct il_request *req, int status, const char *json)
{
    IL_API(req)->request_receipt(req, status, json);
}
/* Take the body in ingestlayer's own shapes (envelope, bare event, array,
 * NDJSON), pass it through the gate, and answer when it is durable.
 * Since ABI 1.0. */
static inline void
il_request_ingest(struct il_request *req, uint32_t max_events)
{
    IL_API(req)->request_ingest(req, max_events);
}
/* Pass these events through the gate and answer when they are durable.  What
 * they point to must live until the call returns.  Since ABI 1.0. */
static inline void
il_request_emit(struct il_request *req, const struct il_event *events,
                size_t count)
{
    IL_API(req)->request_emit(req, events, count, sizeof *events);
}
/* Serve /v1/entities.  Since ABI 1.0. */
static inline void
il_request_entities(struct il_request *req)
{
    IL_API(req)->request_entities(req);
}

/* === entities ============================================================ */

/* Resolve an entity kind ("user") in open().  0 or -ENOMEM.  Owned by the
 * host.  Since ABI 1.0. */
static inline int
il_kind_named(const struct il_host *host, const char *name,
              struct il_kind **out)
{
    return IL_API(host)->kind_named(host, name, out);
}
/* Look an entity up, in process() only.  1 found (its traits live until process()
 * returns; il_entity_attach() copies them), 0 unknown, -EPERM elsewhere, or
 * another negative errno.  Since ABI 1.0. */
static inline int
il_entity_find(struct il_batch *batch, const struct il_kind *kind,
               const char *id, size_t len, struct il_entity *out)
{
    return IL_API(batch)->entity_find(batch, kind, id, len, out);
}
/* This entity will be looked up soon: some ten look-ups ahead is best.  Costs
 * little and changes no answer, but the host has at hand what it will need.
 * Since ABI 1.0. */
static inline void
il_entity_hint(struct il_batch *batch, const struct il_kind *kind,
               const char *id, size_t len)
{
    IL_API(batch)->entity_hint(batch, kind, id, len);
}
/* Step: make traits (a map, copied) $entity.<kind> of event i, merged over what
 * is there.  An edit, as il_set().  0, -EINVAL (no map, or past the end),
 * -ENOMEM, -EPERM.  Since ABI 1.0. */
static inline int
il_entity_attach(struct il_batch *batch, uint32_t i, const struct il_kind *kind,
                 const struct il_value *traits)
{
    return IL_API(batch)->entity_attach(batch, i, kind, traits);
}
/* Merge traits (an object) one level deep into an entity, making it where it
 * is new; seen_us is when, since 1970.  Durable on return: it blocks, so never
 * in admit() or handle().  0, -EINVAL or another negative errno.
 * Since ABI 1.0. */
static inline int
il_entity_put(const struct il_host *host, const struct il_kind *kind,
              const char *id, size_t len, int encoding, const void *traits,
              size_t traits_len, int64_t seen_us)
{
    return IL_API(host)->entity_put(host, kind, id, len, encoding, traits,
                                    traits_len, seen_us);
}

/* Step, in process(): event i tells this of an entity.  It is copied, and in the
 * store, durably, before the batch settles; a batch that fails tells nothing.  A
 * lane that comes to an event again, or after another lane of its pipeline, tells
 * nothing a second time, so nothing that is newer is overwritten; nor does an
 * event that comes again and had passed the step before.  il_entity_find() finds
 * it in a later batch.  Traits that would change nothing are not written, but for
 * last_seen once in an hour.
 *
 * 0, -EINVAL (the id is not 1 to 256 bytes of UTF-8 without NUL, the kind is
 * none, the traits are no object, past the end), -ENOMEM, -EPERM.
 * Since ABI 1.0. */
static inline int
il_entity_upsert(struct il_batch *batch, uint32_t i,
                 const struct il_upsert *upsert)
{
    return IL_API(batch)->entity_upsert(batch, i, upsert);
}

/* --- mirrors --- */

/* A source may keep entities like the rows of a table elsewhere: a mirror.  The
 * traits that it writes are its own.  It changes and removes those and no others: a
 * trait that is there already stays as it is, and one that somebody else writes
 * another value into is the mirror's no longer.
 *
 * In open(): the mirror of this name among those of the instance, for entities of
 * a kind.  It is known by the name of the source and this one, also after a
 * restart.  0, -EINVAL (no source, or the name is not 1 to 128 bytes), or -ENOMEM.
 * Owned by the host.  Since ABI 1.0. */
static inline int
il_mirror_from(const struct il_host *host, const char *name,
               const struct il_kind *kind, uint32_t flags,
               struct il_mirror **out)
{
    return IL_API(host)->mirror_from(host, name, kind, flags, out);
}
/* How it stands.  1, and state, whose mark is in `mark` (appended); 0: nothing was
 * ever written; or a negative errno.  From start() on.  Since ABI 1.0. */
static inline int
il_mirror_state(const struct il_mirror *mirror, struct il_text *mark,
                struct il_mirror_state *state)
{
    return IL_API(mirror)->mirror_state(mirror, mark, state);
}
/* These entities are so now.  Durable on return, all of it or nothing, and with
 * that what there is of the mirror from now on (NULL: that stays as it was).  What
 * is so already is not written.  Nobody ever sees half of a row.  Rows that are
 * refused are counted and leave the others alone.  It blocks: from a thread of the
 * source's own.  0, -EINVAL (a row or state without struct_size, a mark that is too
 * long), -EMLINK (the store has 255 mirrors), -ENOSPC (it is full) or another
 * negative errno.  Since ABI 1.0. */
static inline int
il_mirror_write(struct il_mirror *mirror, const struct il_mirror_row *rows,
                size_t count, const struct il_mirror_state *now,
                struct il_mirrored *result)
{
    return IL_API(mirror)->mirror_write(mirror, rows, count, sizeof *rows, now,
                                        result);
}
/* Take away the mirror's traits of each entity for which is_there() answers 0; an
 * entity that has no trait left is removed.  is_there() is asked, in the order of
 * ids, of entities that have traits of the mirror's; it must not block.  In several
 * durable transactions.  0, -ECANCELED (il_cancelled() became 1 meanwhile) or another
 * negative errno.  Since ABI 1.0. */
static inline int
il_mirror_gone(struct il_mirror *mirror,
               int (*is_there)(void *arg, const char *id, size_t len),
               void *arg, struct il_mirrored *result)
{
    return IL_API(mirror)->mirror_gone(mirror, is_there, arg, result);
}

/* === memory ============================================================== */

/* A step may remember things from event to event, in cells: a key, a value, an
 * end.  What it remembers is a function of the events of its lane up to one, in
 * order: written down every few seconds, and after a crash made again of the
 * events since.  So it survives whatever the lane survives, costs no sync on an
 * event's way, and a batch that fails is not counted twice.
 *
 * For that process() must come to the same for the same events: it asks
 * il_stream_us() for the time, and no clock, no random number, no file.
 *
 * Of an event that comes again (`dead retry`) and had passed the step before,
 * nothing is remembered anew: il_memory_put() does nothing and answers 0. */

/* In open(): the instance's cells.  made_of is a text, of any bytes, that says
 * how they are made: the options that decide what a cell means.  Where it is
 * another than that of the cells that are there, or what comes before the step
 * is, they are made anew of the events that the spool still holds.  One of each
 * instance, owned by the host.  0, -EINVAL (a second one, or no step) after a
 * finding, or -ENOMEM.  Since ABI 1.0. */
static inline int
il_memory_from(const struct il_host *host, const char *made_of, size_t len,
               struct il_memory **out)
{
    return IL_API(host)->memory_from(host, made_of, len, out);
}
/* In process(), for event i: what the events before it have put into the cell of
 * a key.  1, and *out, whose value is valid until the next call for the same
 * memory; 0: there is none, or its end was at or before il_stream_us().  -EPERM
 * outside process(), -EINVAL past the end, or another negative errno, and then
 * process() returns it.  Since ABI 1.0. */
static inline int
il_memory_get(struct il_batch *batch, uint32_t i,
              const struct il_memory *memory, const char *key, size_t len,
              struct il_remembered *out)
{
    return IL_API(batch)->memory_get(batch, i, memory, key, len, out);
}
/* In process(): this key will be asked for soon; some sixteen look-ups ahead is best.
 * Costs little and changes no answer, but the host has at hand what it will need.
 * Since ABI 1.0. */
static inline void
il_memory_hint(struct il_batch *batch, const struct il_memory *memory,
               const char *key, size_t len)
{
    IL_API(batch)->memory_hint(batch, memory, key, len);
}
/* In process(), for event i: put this into the cell of a key, until end_us
 * (microseconds since 1970, kept to a second, rounded up; 0: it has none).  The
 * value is copied.  0, -EMSGSIZE (more than 512 bytes), or as il_memory_get().
 * Since ABI 1.0. */
static inline int
il_memory_put(struct il_batch *batch, uint32_t i, struct il_memory *memory,
              const char *key, size_t len, const void *value, size_t value_len,
              int64_t end_us)
{
    return IL_API(batch)->memory_put(batch, i, memory, key, len, value,
                                     value_len, end_us);
}
/* In process(), for event i: empty the cell of a key.  0 or as il_memory_get().
 * Since ABI 1.0. */
static inline int
il_memory_forget(struct il_batch *batch, uint32_t i, struct il_memory *memory,
                 const char *key, size_t len)
{
    return IL_API(batch)->memory_forget(batch, i, memory, key, len);
}
/* The time of the stream at event i, microseconds since 1970: the greatest
 * received_at up to it.  It stands still while nothing comes, and does not go
 * back, unless it had run ahead by more than an hour and a hundred events say
 * so.  0 past the end.  Since ABI 1.0. */
static inline int64_t
il_stream_us(struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->stream_us(batch, i);
}
/* In open(): the kind under which expressions, templates and columns behind this
 * step read its results, as $step.NAME.RESULT, NAME being that of the step.
 * il_entity_attach() gives an event its results, as a map.  0, -EINVAL (no
 * step), or -ENOMEM.  Owned by the host.  Since ABI 1.0. */
static inline int
il_result_kind(const struct il_host *host, struct il_kind **out)
{
    return IL_API(host)->result_kind(host, out);
}

/* Step, in open(): events of this type may come of il_derive().  The text lives
 * until close().  0, -EINVAL (no step), or -ENOMEM.  Since ABI 1.0. */
static inline int
il_derives(const struct il_host *host, const char *type)
{
    return IL_API(host)->derives(host, type);
}
/* Step, in process(): at event i, which may be one that is not live, an event of
 * the step's own making comes into being.  All that it is made of is a function of
 * the events up to this one, and so is its id: a text, of any bytes, that tells it
 * from others of this step.  The host makes an id of it for which it is accepted
 * once, whatever lanes, crashes and replays come to it again.
 *
 * It goes through the gate, as of the source "derived/PIPELINE", before the batch
 * settles, and on to the pipelines that name this source.  Where none does, where
 * the event had passed the step before it came again, and where what steps remember
 * is made anew, nothing comes of it.
 *
 * Of event the id, the type, the payload and its encoding and the timestamp count;
 * they are copied.  0, -E2BIG (a hundred have come of event i: wait for the next),
 * -EMSGSIZE (a payload above 16 KiB, an id above 1 KiB), -EINVAL, -ENOMEM, -EPERM.
 * Since ABI 1.0. */
static inline int
il_derive(struct il_batch *batch, uint32_t i, const struct il_event *event)
{
    return IL_API(batch)->derive(batch, i, event);
}

/* === emission ============================================================ */

/* Offer events, marks, or both to the gate, from a thread of the source's own.
 *
 * All of it is taken or nothing.  Once it is taken, what the gate made of each
 * event goes to e->outcome, and settled(self, token, outcome) follows, from
 * another thread, perhaps before this returns, but after the last outcome.  An
 * event that the gate refuses is no failure: it is a dead letter, durable
 * before the marks that pass over it.  A duplicate is none either.  So a source
 * reads on after settled(IL_OK), acknowledges upstream then or not at all, and
 * after a restart goes on from its marks: each event is in the spool exactly
 * once, whatever died.  (A letter may be there twice, if the process died
 * between the two.)  Without marks, events that are offered again after a crash
 * are told from new ones by their idempotency key alone, within its window.
 *
 * What e points to need not outlive the call.  It may block for a moment while
 * others write, and for a sync where events bring upserts or are refused; the
 * events themselves are not waited for.
 *
 * From start() until stop() is called.  0: taken.  Nothing was taken:
 *   -EAGAIN     the spool is behind or full, the sender is above its rate, or
 *               there is no memory: room() tells when to come again
 *   -EMSGSIZE   more than the gate takes at once (4 MiB as they are stored,
 *               or 10,000 events and marks): offer it in parts; a single event
 *               that is too large is refused instead
 *   -EINVAL     the emission itself is wrong (a struct_size, the name or value
 *               of a mark or their number, another source's sender, neither
 *               events nor marks), which is reported
 *   -EIO        the disk has failed: nothing is taken until a restart
 *   -ESHUTDOWN  the host is stopping
 *   -EPERM      not a source, or before start() (also in a check)
 * Since ABI 1.0. */
static inline int
il_emit(const struct il_host *host, const struct il_emission *e)
{
    return IL_API(host)->emit(host, e);
}
/* Read a mark of this source, as it is on disk: what was emitted and has not
 * settled does not count.  *value is replaced.  1, 0: there is none, -ENOMEM,
 * or -EPERM before start() (also in a check).  Since ABI 1.0. */
static inline int
il_mark_get(const struct il_host *host, const char *name, size_t len,
            struct il_text *value)
{
    return IL_API(host)->mark_get(host, name, len, value);
}
/* Call fn for each mark of this source, in the order of their names, with the
 * wall-clock time at which it was last written, until it returns other than 0;
 * returns that, else 0.  As il_mark_get(); fn must not emit.  Since ABI 1.0. */
static inline int
il_mark_each(const struct il_host *host,
             int (*fn)(void *arg, const struct il_mark *, int64_t written_us),
             void *arg)
{
    return IL_API(host)->mark_each(host, fn, arg);
}

#ifdef __cplusplus
}
#endif
#endif

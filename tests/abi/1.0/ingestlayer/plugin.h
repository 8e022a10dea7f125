/* SPDX-License-Identifier: MIT */
/* The ingestlayer plugin interface.
 *
 * A plugin is a shared object that exports one symbol, a constant
 * struct il_plugin named il_plugin (write IL_PLUGIN = { IL_PLUGIN_ABI, ... }).
 * The host reads the descriptor before it calls into the plugin.  Nothing is
 * linked: every service of the host is reached through the objects it hands
 * over (struct il_host, il_conf, il_batch, il_request), each of which begins
 * with a pointer to the host's function table.  The functions below wrap that
 * table.  ingestlayer-plugin(3) is the manual.
 *
 * Compiles as C99, C11 and C++11.  Growth is append-only: see the manual. */
#ifndef INGESTLAYER_PLUGIN_H
#define INGESTLAYER_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IL_ABI_MAJOR 1 /* differs: the host refuses, printing both */
#define IL_ABI_MINOR 0 /* +1 whenever something is appended */

/* kind */
enum { IL_SOURCE = 1, IL_STEP, IL_DESTINATION };
/* threads: at most one call in the plugin, one per instance, any number */
enum { IL_SERIAL_PLUGIN, IL_SERIAL_INSTANCE, IL_PARALLEL };
/* outcome of a batch: see il_settle() */
enum { IL_OK, IL_RETRY, IL_REJECT, IL_PAUSE, IL_FENCED, IL_SET_BACK };
/* option types.  DURATION is read in milliseconds, SIZE in bytes. */
enum {
    IL_OPT_STRING = 1,
    IL_OPT_INT,
    IL_OPT_BOOL,
    IL_OPT_DURATION,
    IL_OPT_GROUP,
    IL_OPT_SIZE
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
/* value types */
enum {
    IL_MISSING,
    IL_NULL,
    IL_BOOL,    /* i: 0 or 1 */
    IL_INT,     /* i */
    IL_UINT,    /* u: integers above INT64_MAX */
    IL_DECIMAL, /* str, len: the number exactly as its sender wrote it (JSON) */
    IL_STRING,  /* str, len: UTF-8; lone surrogates as three bytes (WTF-8) */
    IL_ARRAY,   /* count elements; walk with il_items() */
    IL_MAP,     /* count pairs; walk with il_items() */
    IL_TIME     /* i: microseconds since 1970-01-01T00:00:00Z */
};
/* how il_event.payload is written */
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

struct il_api;     /* the host's function table, at the end of this file */
struct il_host;    /* one configured instance, as its plugin sees the host */
struct il_conf;    /* the options of that instance, or one nested group */
struct il_batch;   /* events on their way through a lane */
struct il_ack;     /* the duty to settle one batch, once */
struct il_request; /* one HTTP request to a source */
struct il_field;   /* a resolved reference */
struct il_expr;    /* a compiled expression */
struct il_template;
struct il_row;
struct il_kind;    /* a resolved entity kind */
struct il_counter;
struct il_sender;  /* somebody who may send to a source: see il_sender() */

/* One option.  A table of these ends with { 0 }. */
struct il_option {
    const char *name;
    uint32_t type, flags;
    int64_t min, max;    /* both 0: unbounded; ms or bytes where those apply */
    const char *def;     /* default, as the operator would write it, or NULL */
    const char *choices; /* "keep|drop", or NULL */
    const char *help;    /* one sentence, unit included */
    const struct il_option *children; /* keys of a nested group */
};

/* A view of one value.  Valid as long as what it was read from. */
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

/* One value of a row: a template, or a field where that is NULL. */
struct il_cell {
    const struct il_field *field;
    const struct il_template *value;
};

/* Growable bytes.  Made, grown and freed by the host; a plugin may write
 * between data + len and data + cap, and may change len. */
struct il_text {
    char *data;
    size_t len, cap;
};

/* Why an event is refused.  Only code and message are required; all strings
 * are copied. */
struct il_reason {
    const char *code;    /* stable and short: an SQLSTATE, "schema", ... */
    const char *message; /* what happened, for a person */
    const char *field;   /* column or path concerned, or NULL */
    const char *rule;    /* constraint or rule concerned, or NULL */
};

/* What an event tells of an entity: traits to be merged one level deep into it,
 * or into a new one.  Text need not end with NUL. */
struct il_upsert {
    uint32_t struct_size; /* sizeof (struct il_upsert) */
    uint32_t encoding;    /* of traits: IL_JSON or IL_MSGPACK */
    const struct il_kind *kind;
    const char *id;
    size_t id_len;
    const char *traits; /* an object */
    size_t traits_len;
};

/* An event offered to the gate.  Text need not end with NUL. */
struct il_event {
    uint32_t struct_size; /* sizeof (struct il_event) */
    uint32_t encoding;    /* of payload: IL_JSON or IL_MSGPACK */
    const char *id;       /* sender's id, or NULL: the gate makes one */
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
    /* The source itself found it wrong: it is refused with this reason, and its
     * payload (or whatever the source took for it) kept.  NULL: it is fine. */
    const struct il_reason *refused;
};

/* In il_position.flags: what the destination has answered lies past all that
 * the spool had given out: the spool was set back, by an old backup say.  The
 * destination is to make `position` its own, durably, and to answer that: what
 * comes next are new events, under numbers that it has seen before. */
#define IL_POSITION_REWIND 1u

/* How far a transactional destination is.  The host fills in all of it;
 * resume() may raise position. */
struct il_position {
    uint32_t struct_size;
    uint32_t flags;     /* IL_POSITION_...; others are 0 */
    const char *lane;   /* "pipeline/destination" */
    uint8_t spool[16];  /* UUID of the spool the position counts in */
    uint64_t position;  /* the last position that is settled */
    /* The last one that an earlier process may have delivered: what comes
     * after it is on the far side only if this process brought it there. */
    uint64_t given;
    /* Where the far side itself is, where it keeps that in one transaction
     * with the events: it may have lost what it had, in a failover say.  The
     * host presets UINT64_MAX: not told. */
    uint64_t there;
};

/* A route that a source serves.  Several sources may register the same route:
 * the first whose admit() returns 0 has the request. */
struct il_route {
    uint32_t struct_size;
    uint32_t reserved;
    const char *method; /* "POST" */
    const char *path;   /* exact, or ending in '*': everything below */
    uint64_t max_body;  /* bytes, also after unpacking; 0: the host's limit */
    /* Called once the headers are in and before any of the body is read.
     * 0: go on, the sender is known; IL_NOT_MINE, IL_NOT_HERE: not for this
     * source; IL_UNPROVEN: as 0, but what the host then refuses by itself is
     * no dead letter; or a negative errno after il_respond_error(). */
    int (*admit)(void *self, struct il_request *);
    /* Called with the whole body, unpacked.  Must lead to exactly one answer:
     * il_respond*(), il_request_refuse(), il_request_ingest(),
     * il_request_emit() or il_request_entities().  Must not block. */
    void (*handle)(void *self, struct il_request *);
};

/* The declared fields of the events that reach a pipeline. */
struct il_declared {
    uint32_t struct_size;
    uint32_t required;
    const char *event; /* event type */
    const char *name;  /* field */
    const char *type;  /* string number integer boolean object array timestamp */
    const char *format; /* of a string: "uuid", "email", "uri", or "" */
};

/* The descriptor.  Callbacks come in lifecycle order; those that a kind does
 * not use stay NULL.  Threads: open, start, stop and close are called from the
 * main thread; the others from the lane's thread (steps, destinations) or a
 * gate thread (sources). */
struct il_plugin {
    uint32_t struct_size, option_size; /* these four: IL_PLUGIN_ABI */
    uint16_t abi_major, abi_minor;
    uint16_t needs_minor; /* oldest host minor it can live with */
    uint16_t kind;
    uint32_t threads;
    const char *name, *version, *summary;
    const struct il_option *options;

    /* Checks and allocates; touches nothing outside the process.  0 or a
     * negative errno after il_conf_error(). */
    int (*open)(const struct il_host *, const struct il_conf *, void **self);
    /* Makes connections and threads.  A far side that is away is no error. */
    int (*start)(void *self);
    /* Step: edits a batch in place.  0, or a negative errno: the host comes
     * again with the same events. */
    int (*process)(void *self, struct il_batch *);
    /* Destination: takes a batch (0), and then settles its ack exactly once;
     * or a negative errno, and then does not: -ESTALE is as IL_FENCED, any
     * other as IL_RETRY. */
    int (*write)(void *self, struct il_batch *, struct il_ack *);
    /* Source: what became of il_emit(..., token).  IL_OK: durable. */
    void (*settled)(void *self, uint64_t token, int outcome);
    /* Destination: how far are you?  0 (position raised or not), -EAGAIN: the
     * far side is away, ask again; -EACCES: a person must mend something, ask
     * again now and then (as IL_PAUSE); -ESTALE: another process owns the
     * lane.  Log the cause: there is no other way for it to be seen. */
    int (*resume)(void *self, struct il_position *);
    /* Pushes out what was accepted.  0 or -ETIMEDOUT. */
    int (*flush)(void *self, uint32_t deadline_ms);
    /* After a good start; returns once no thread of the plugin runs and every
     * batch is settled. */
    void (*stop)(void *self);
    /* After a good open. */
    void (*close)(void *self);

    /* How many unsettled batches write() takes; 0 means 1. */
    uint32_t in_flight;
    uint32_t reserved;
    /* `ingestlayer ddl`: appends what the far side needs (SQL).  After open,
     * without start. */
    int (*ddl)(void *self, struct il_text *);
    /* `ingestlayer check --online`: tries the far side without changing it and
     * appends what it found, one line a finding.  0, or a negative errno when
     * deliveries would fail.  After open, without start. */
    int (*probe)(void *self, struct il_text *);
};

#define IL_PLUGIN_ABI                                                         \
    sizeof(struct il_plugin), sizeof(struct il_option), IL_ABI_MAJOR,         \
        IL_ABI_MINOR

#if defined(__GNUC__)
#define IL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define IL_EXPORT __attribute__((visibility("default")))
#else
#define IL_PRINTF(f, a)
#define IL_EXPORT
#endif

#ifdef __cplusplus
#define IL_PLUGIN extern "C" IL_EXPORT const struct il_plugin il_plugin
#else
#define IL_PLUGIN                                                             \
    extern IL_EXPORT const struct il_plugin il_plugin;                        \
    IL_EXPORT const struct il_plugin il_plugin
#endif

/* The function table.  Use the wrappers below, which document each entry. */
struct il_api {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;

    void (*log)(const struct il_host *, int level, const char *fmt, va_list);
    int64_t (*now_us)(const struct il_host *);
    int64_t (*monotonic_us)(const struct il_host *);
    struct il_counter *(*counter)(const struct il_host *, const char *name,
                                  const char *help);
    void (*count)(struct il_counter *, uint64_t n);
    int (*timer)(const struct il_host *, uint32_t interval_ms,
                 void (*fn)(void *arg), void *arg);
    const char *(*instance)(const struct il_host *);
    const char *(*lane)(const struct il_host *);
    int (*declared)(const struct il_host *, size_t i, struct il_declared *);

    int (*conf_has)(const struct il_conf *, const char *key);
    const char *(*conf_str)(const struct il_conf *, const char *key, size_t i);
    int64_t (*conf_int)(const struct il_conf *, const char *key, size_t i);
    size_t (*conf_count)(const struct il_conf *, const char *key);
    const struct il_conf *(*conf_group)(const struct il_conf *,
                                        const char *key, size_t i);
    void (*conf_error)(const struct il_conf *, const char *key, size_t i,
                       long offset, const char *fmt, va_list);

    int (*field)(const struct il_host *, const struct il_conf *,
                 const char *key, struct il_field **);
    int (*field_named)(const struct il_host *, int what, const char *name,
                       struct il_field **);
    void (*field_free)(struct il_field *);
    int (*expr)(const struct il_host *, const struct il_conf *,
                const char *key, struct il_expr **);
    int (*expr_true)(const struct il_expr *, struct il_batch *, uint32_t i);
    void (*expr_free)(struct il_expr *);
    int (*template_)(const struct il_host *, const struct il_conf *,
                     const char *key, struct il_template **);
    int (*template_render)(const struct il_template *, struct il_batch *,
                           uint32_t i, struct il_value *);
    void (*template_free)(struct il_template *);

    uint32_t (*batch_count)(const struct il_batch *);
    uint64_t (*batch_id)(const struct il_batch *);
    uint64_t (*batch_last)(const struct il_batch *);
    int (*live)(const struct il_batch *, uint32_t i);
    uint64_t (*position)(const struct il_batch *, uint32_t i);
    void (*drop)(struct il_batch *, uint32_t i);
    void (*reject)(struct il_batch *, uint32_t i, const struct il_reason *);
    void (*unreject)(struct il_batch *, uint32_t i);
    int (*prepare)(struct il_batch *);
    int (*get)(struct il_batch *, uint32_t i, const struct il_field *,
               struct il_value *);
    int (*set_payload)(struct il_batch *, uint32_t i, int encoding,
                       const void *, size_t);
    void *(*batch_alloc)(struct il_batch *, size_t);
    void (*settle)(struct il_ack *, int outcome, const char *why);

    int (*item)(const struct il_value *, size_t *iter, struct il_value *key,
                struct il_value *value);
    struct il_text *(*text_new)(const struct il_host *);
    int (*text_reserve)(struct il_text *, size_t more);
    void (*text_free)(struct il_text *);
    int64_t (*write_json)(struct il_text *, const struct il_value *,
                          uint32_t flags);

    int (*kind)(const struct il_host *, const char *name, struct il_kind **);
    int (*entity_find)(struct il_batch *, const struct il_kind *,
                       const char *id, size_t len, struct il_value *traits);
    int (*entity_attach)(struct il_batch *, uint32_t i, const struct il_kind *,
                         const struct il_value *traits);
    int (*entity_put)(const struct il_host *, const struct il_kind *,
                      const char *id, size_t len, int encoding,
                      const void *traits, size_t traits_len, int64_t seen_us);

    int (*emit)(const struct il_host *, const struct il_event *, size_t n,
                uint64_t token);
    int (*route)(const struct il_host *, const struct il_route *, void *self);
    const char *(*request_method)(const struct il_request *);
    const char *(*request_path)(const struct il_request *);
    const char *(*request_header)(const struct il_request *, const char *);
    const char *(*request_query)(const struct il_request *, const char *);
    const void *(*request_body)(const struct il_request *, size_t *len);
    const char *(*request_peer)(const struct il_request *);
    void (*respond_header)(struct il_request *, const char *name,
                           const char *value);
    void (*respond)(struct il_request *, int status, const char *content_type,
                    const void *body, size_t len);
    void (*respond_error)(struct il_request *, int status, const char *code,
                          const char *fmt, va_list);
    void (*request_ingest)(struct il_request *, uint32_t max_events);
    void (*request_emit)(struct il_request *, const struct il_event *,
                         size_t n);
    void (*request_entities)(struct il_request *);
    int (*equal)(const void *a, size_t a_len, const void *b, size_t b_len);
    const char *(*name)(const struct il_host *);
    int (*read_json)(struct il_text *, const char *json, size_t len,
                     struct il_value *);
    void (*request_refuse)(struct il_request *, int status, const char *code,
                           const char *fmt, va_list);
    void (*request_receipt)(struct il_request *, int status,
                            const char *json);
    void (*entity_hint)(struct il_batch *, const struct il_kind *,
                        const char *id, size_t len); /* may be NULL */
    int (*write_msgpack)(struct il_text *, const struct il_value *);
    int (*request_each_header)(const struct il_request *,
                               int (*fn)(void *arg, const char *name,
                                         const char *value),
                               void *arg);
    int (*request_json)(struct il_request *, struct il_text *,
                        struct il_value *);
    void (*request_decline)(struct il_request *);
    int (*sender)(const struct il_host *, const struct il_conf *,
                  const char *secret, struct il_sender **);
    int (*request_sender)(struct il_request *, struct il_sender *);
    int (*declared_at)(const struct il_host *, size_t i, const char *reference,
                       struct il_declared *);
    int (*row)(const struct il_host *, const struct il_cell *, size_t count,
               struct il_row **);
    int (*row_read)(struct il_row *, struct il_batch *, uint32_t i,
                    const struct il_value **);
    void (*row_free)(struct il_row *);
    void (*keep)(struct il_batch *, uint32_t i);
};

/* Every object of the host begins with its table. */
#define IL_API(object) (*(const struct il_api *const *)(const void *)(object))

/* --- the host ----------------------------------------------------------- */

/* Log one line.  The host adds instance and plugin; write the rest, lower
 * case, no full stop, with the value that was wrong, never a secret. */
static inline void
il_log(const struct il_host *host, int level, const char *fmt, ...)
    IL_PRINTF(3, 4);
static inline void
il_log(const struct il_host *host, int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    IL_API(host)->log(host, level, fmt, ap);
    va_end(ap);
}

/* Wall clock, microseconds since 1970 UTC.  Tests may own it. */
static inline int64_t
il_now_us(const struct il_host *host)
{
    return IL_API(host)->now_us(host);
}

/* A clock that never jumps, microseconds since an arbitrary instant. */
static inline int64_t
il_monotonic_us(const struct il_host *host)
{
    return IL_API(host)->monotonic_us(host);
}

/* Register a counter in open(); exported on /metrics as
 * ingestlayer_plugin_<name>_total{instance="..."}.  Name: [a-z_]+.  NULL on
 * lack of memory, which il_count accepts.  Owned by the host. */
static inline struct il_counter *
il_counter(const struct il_host *host, const char *name, const char *help)
{
    return IL_API(host)->counter(host, name, help);
}
static inline void
il_count(const struct il_host *host, struct il_counter *counter, uint64_t n)
{
    IL_API(host)->count(counter, n);
}

/* Call fn(arg) every interval_ms from the host's timer thread, from start()
 * until stop() is about to be called.  fn must not block. */
static inline int
il_timer(const struct il_host *host, uint32_t interval_ms,
         void (*fn)(void *arg), void *arg)
{
    return IL_API(host)->timer(host, interval_ms, fn, arg);
}

/* The instance as logs name it: pipeline "orders", step 1 (filter.match).
 * Lives as long as the host. */
static inline const char *
il_instance(const struct il_host *host)
{
    return IL_API(host)->instance(host);
}

/* The name that the config gives the source, step or destination. */
static inline const char *
il_name(const struct il_host *host)
{
    return IL_API(host)->name(host);
}

/* The lane "pipeline/destination"; NULL outside a pipeline. */
static inline const char *
il_lane(const struct il_host *host)
{
    return IL_API(host)->lane(host);
}

/* The i-th declared field of the events that this pipeline (or source) can
 * see.  0, or -ENOENT past the last.  Set out->struct_size first. */
static inline int
il_declared(const struct il_host *host, size_t i, struct il_declared *out)
{
    return IL_API(host)->declared(host, i, out);
}

/* What the i-th declared event type that this pipeline (or source) can see
 * declares at a reference: "$event.payload.customer.address.zip".  out->name is
 * the reference; out->required: each event of the type has it, and it is not
 * null.  0, -ENODATA where it declares nothing there, -ENOENT past the last
 * type, -EINVAL: no reference.  Set out->struct_size first. */
static inline int
il_declared_at(const struct il_host *host, size_t i, const char *reference,
               struct il_declared *out)
{
    return IL_API(host)->declared_at(host, i, reference, out);
}

/* Compare without telling by time where they differ.  1 or 0. */
static inline int
il_equal(const struct il_host *host, const void *a, size_t a_len,
         const void *b, size_t b_len)
{
    return IL_API(host)->equal(a, a_len, b, b_len);
}

/* --- options ------------------------------------------------------------- */
/* The host has validated everything against the table before open(): types,
 * ranges, unknown and missing keys.  Defaults are filled in.  Strings live
 * until close().  Reading a key that is not in the table is a plugin bug and
 * aborts the check with a message. */

/* Did the operator write it (or has it a default)? */
static inline int
il_conf_has(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_has(conf, key);
}
/* NULL where absent. env:, file: and credential: are already resolved. */
static inline const char *
il_conf_str(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_str(conf, key, 0);
}
/* Element i of a list of strings. */
static inline const char *
il_conf_str_at(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_str(conf, key, i);
}
/* INT, BOOL (0, 1), DURATION (ms), SIZE (bytes); 0 where absent. */
static inline int64_t
il_conf_int(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_int(conf, key, 0);
}
/* Number of elements of a list; 0 or 1 of anything else. */
static inline size_t
il_conf_count(const struct il_conf *conf, const char *key)
{
    return IL_API(conf)->conf_count(conf, key);
}
/* Element i of a list of groups, or the group itself (i = 0). */
static inline const struct il_conf *
il_conf_group(const struct il_conf *conf, const char *key, size_t i)
{
    return IL_API(conf)->conf_group(conf, key, i);
}
/* Report a finding against a key (NULL: the group); offset is the byte in its
 * text that is wrong, or -1.  Always returns -22 (-EINVAL). */
static inline int
il_conf_error(const struct il_conf *conf, const char *key, long offset,
              const char *fmt, ...) IL_PRINTF(4, 5);
static inline int
il_conf_error(const struct il_conf *conf, const char *key, long offset,
              const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    IL_API(conf)->conf_error(conf, key, 0, offset, fmt, ap);
    va_end(ap);
    return -22;
}

/* --- references, expressions, templates: resolve in open() --------------- */

/* Resolve the reference in option key ("$event.payload.a.b").  0, or -EINVAL
 * after a report against the key.  Free with il_field_free in close(). */
static inline int
il_field(const struct il_host *host, const struct il_conf *conf,
         const char *key, struct il_field **out)
{
    return IL_API(host)->field(host, conf, key, out);
}
/* Resolve a bare name, taken literally (no paths); what is IL_FIELD_*. */
static inline int
il_field_named(const struct il_host *host, int what, const char *name,
               struct il_field **out)
{
    return IL_API(host)->field_named(host, what, name, out);
}
static inline void
il_field_free(const struct il_host *host, struct il_field *field)
{
    IL_API(host)->field_free(field);
}
/* Compile the expression in option key.  As il_field. */
static inline int
il_expr(const struct il_host *host, const struct il_conf *conf,
        const char *key, struct il_expr **out)
{
    return IL_API(host)->expr(host, conf, key, out);
}
/* Does it hold for event i?  1 or 0; never fails, never allocates. */
static inline int
il_expr_true(const struct il_expr *expr, struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->expr_true(expr, batch, i);
}
static inline void
il_expr_free(const struct il_host *host, struct il_expr *expr)
{
    IL_API(host)->expr_free(expr);
}
/* Compile the template in option key: a lone reference keeps its type; text
 * with {{ ... }} in it becomes a string.  As il_field. */
static inline int
il_template(const struct il_host *host, const struct il_conf *conf,
            const char *key, struct il_template **out)
{
    return IL_API(host)->template_(host, conf, key, out);
}
/* Render for event i.  0 or -ENOMEM.  The value lives as long as the batch. */
static inline int
il_template_render(const struct il_template *t, struct il_batch *batch,
                   uint32_t i, struct il_value *out)
{
    return IL_API(batch)->template_render(t, batch, i, out);
}
static inline void
il_template_free(const struct il_host *host, struct il_template *t)
{
    IL_API(host)->template_free(t);
}

/* Put fields and templates together that are read of every event: one pass
 * over its payload finds them all.  They have to live as long as the row.
 * A row remembers what the event before looked like, so each thread has its
 * own.  0 or -ENOMEM.  Since ABI 1.0. */
static inline int
il_row(const struct il_host *host, const struct il_cell *cells, size_t count,
       struct il_row **out)
{
    return IL_API(host)->row(host, cells, count, out);
}
/* Read them of event i: *values gets as many as there are cells, each what
 * il_get or il_template_render would give, until the next call.  0 or
 * -ENOMEM.  Since ABI 1.0. */
static inline int
il_row_read(struct il_row *row, struct il_batch *batch, uint32_t i,
            const struct il_value **values)
{
    return IL_API(batch)->row_read(row, batch, i, values);
}
static inline void
il_row_free(const struct il_host *host, struct il_row *row)
{
    IL_API(host)->row_free(row);
}

/* --- batches ------------------------------------------------------------- */

/* Events in the batch, dropped and rejected ones included. */
static inline uint32_t
il_batch_count(const struct il_batch *batch)
{
    return IL_API(batch)->batch_count(batch);
}
/* The same at every attempt: use it to write idempotently. */
static inline uint64_t
il_batch_id(const struct il_batch *batch)
{
    return IL_API(batch)->batch_id(batch);
}
/* The lane's position once this batch is settled. */
static inline uint64_t
il_batch_last(const struct il_batch *batch)
{
    return IL_API(batch)->batch_last(batch);
}
/* Neither dropped nor rejected. */
static inline int
il_live(const struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->live(batch, i);
}
/* Position of event i: unique in its spool, ascending in a batch. */
static inline uint64_t
il_position(const struct il_batch *batch, uint32_t i)
{
    return IL_API(batch)->position(batch, i);
}
/* Step: drop event i on purpose.  Counted for the step. */
static inline void
il_drop(struct il_batch *batch, uint32_t i)
{
    IL_API(batch)->drop(batch, i);
}
/* Make event i a dead letter.  In a step it leaves the batch; in a
 * destination it is marked, and the rest of the batch goes on. */
static inline void
il_reject(struct il_batch *batch, uint32_t i, const struct il_reason *why)
{
    IL_API(batch)->reject(batch, i, why);
}
/* Destination: take the marks of an earlier attempt back. */
static inline void
il_unreject(struct il_batch *batch, uint32_t i)
{
    IL_API(batch)->unreject(batch, i);
}
/* Destination: event i came to its end in an earlier attempt, perhaps of an
 * earlier process, as the far side says.  Whatever it came to stays as it is, a
 * dead letter too.  It is no longer live; holds for this attempt. */
static inline void
il_keep(struct il_batch *batch, uint32_t i)
{
    IL_API(batch)->keep(batch, i);
}
/* Destination: make the dead letters of this batch durable and exactly the
 * events marked by now, those that it keeps left aside.  A transactional
 * destination calls it right before its COMMIT; for others the host does it on
 * settle.  0 or a negative errno: then do not commit, settle IL_RETRY. */
static inline int
il_prepare(struct il_batch *batch)
{
    return IL_API(batch)->prepare(batch);
}
/* Read a field of event i.  1 present, 0 missing (out->type IL_MISSING). */
static inline int
il_get(struct il_batch *batch, uint32_t i, const struct il_field *field,
       struct il_value *out)
{
    return IL_API(batch)->get(batch, i, field, out);
}
/* The same for strings only: NULL where missing or of another type. */
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
/* Step: replace the payload of event i; bytes are copied.  0, -EINVAL (not an
 * object) or -ENOMEM. */
static inline int
il_set_payload(struct il_batch *batch, uint32_t i, int encoding,
               const void *bytes, size_t len)
{
    return IL_API(batch)->set_payload(batch, i, encoding, bytes, len);
}
/* Scratch memory that lives until the batch is settled; NULL: no memory. */
static inline void *
il_batch_alloc(struct il_batch *batch, size_t size)
{
    return IL_API(batch)->batch_alloc(batch, size);
}
/* Report the outcome of a batch taken by write().
 *
 * Call exactly once per batch, from any thread, before stop() returns.
 * Consumes ack: neither it nor the batch may be used afterwards.  Never
 * blocks, cannot fail.  why says the cause for a person where outcome is not
 * IL_OK, else NULL.  outcome is
 *   IL_OK      durable on the other side, apart from the marked events
 *   IL_RETRY   send it again: after 100 ms at first, 30 s at most
 *   IL_REJECT  never acceptable: every event of it becomes a dead letter
 *   IL_PAUSE   a person must mend something (a missing table, a password):
 *              as IL_RETRY, but rarely, and the lane shows as paused; nothing
 *              is lost, and it goes on by itself once the cause is gone
 *   IL_FENCED  another process owns the lane: nothing was written, and this
 *              lane stays stopped until a restart
 *   IL_SET_BACK the far side has lost what was settled before: nothing was
 *              written, and the host asks resume() for il_position.there and
 *              delivers again what comes after it
 * With several batches in flight, anything but IL_OK and IL_REJECT means that
 * all taken after it must settle IL_RETRY (they come again, in order). */
static inline void
il_settle(struct il_ack *ack, int outcome, const char *why)
{
    IL_API(ack)->settle(ack, outcome, why);
}

/* --- values and text ----------------------------------------------------- */

/* Walk an IL_ARRAY or IL_MAP: start with *iter = 0; 1 while there is one, 0 at
 * the end.  key is filled for maps; for arrays it is IL_MISSING, and may be
 * NULL. */
static inline int
il_item(const struct il_host *host, const struct il_value *container,
        size_t *iter, struct il_value *key, struct il_value *value)
{
    return IL_API(host)->item(container, iter, key, value);
}
/* Growable text; NULL: no memory.  Free with il_text_free. */
static inline struct il_text *
il_text_new(const struct il_host *host)
{
    return IL_API(host)->text_new(host);
}
/* Room for `more` bytes past len.  0 or -ENOMEM (unchanged). */
static inline int
il_text_reserve(const struct il_host *host, struct il_text *text, size_t more)
{
    if (text->cap - text->len >= more)
        return 0;
    return IL_API(host)->text_reserve(text, more);
}
static inline void
il_text_free(const struct il_host *host, struct il_text *text)
{
    IL_API(host)->text_free(text);
}
/* Append a value as compact JSON, numbers as their sender wrote them.  Returns
 * how many code points a flag replaced, or -ENOMEM. */
static inline int64_t
il_write_json(const struct il_host *host, struct il_text *text,
              const struct il_value *value, uint32_t flags)
{
    return IL_API(host)->write_json(text, value, flags);
}
/* Read a JSON text as the gate would: strictly, numbers exactly.  What is read
 * is put into text, in place of what it held, and *out is a view of it.  0,
 * -EINVAL (not JSON) or -ENOMEM. */
static inline int
il_read_json(const struct il_host *host, struct il_text *text,
             const char *json, size_t len, struct il_value *out)
{
    return IL_API(host)->read_json(text, json, len, out);
}

/* Append a value as msgpack, for what is offered as IL_MSGPACK.  A container
 * whose str is NULL gives its head alone: its `count` items (of a map: keys and
 * values in turn) are to follow by further calls.  0, -EINVAL or -ENOMEM. */
static inline int
il_write_msgpack(const struct il_host *host, struct il_text *text,
                 const struct il_value *value)
{
    return IL_API(host)->write_msgpack(text, value);
}

/* --- entities ------------------------------------------------------------ */

/* Resolve an entity kind ("user") in open().  Owned by the host. */
static inline int
il_kind(const struct il_host *host, const char *name, struct il_kind **out)
{
    return IL_API(host)->kind(host, name, out);
}
/* Look an entity up, in process() only.  1 found (traits: an IL_MAP that lives
 * until process() returns; il_entity_attach() copies it), 0 unknown, or a
 * negative errno. */
static inline int
il_entity_find(struct il_batch *batch, const struct il_kind *kind,
               const char *id, size_t len, struct il_value *traits)
{
    return IL_API(batch)->entity_find(batch, kind, id, len, traits);
}
/* This entity will be looked up soon: some ten look-ups ahead is best.  Costs
 * little and changes no answer, but the host has at hand what it will need. */
static inline void
il_entity_hint(struct il_batch *batch, const struct il_kind *kind,
               const char *id, size_t len)
{
    if (IL_API(batch)->entity_hint)
        IL_API(batch)->entity_hint(batch, kind, id, len);
}
/* Make traits $entity.<kind> of event i, merged over what is there. */
static inline int
il_entity_attach(struct il_batch *batch, uint32_t i,
                 const struct il_kind *kind, const struct il_value *traits)
{
    return IL_API(batch)->entity_attach(batch, i, kind, traits);
}
/* Merge traits (an object) one level deep into an entity, making it where it
 * is new.  Durable on return.  0, -EINVAL or another negative errno. */
static inline int
il_entity_put(const struct il_host *host, const struct il_kind *kind,
              const char *id, size_t len, int encoding, const void *traits,
              size_t traits_len, int64_t seen_us)
{
    return IL_API(host)->entity_put(host, kind, id, len, encoding, traits,
                                    traits_len, seen_us);
}

/* --- sources ------------------------------------------------------------- */

/* What il_sender() reads, for the table of the group that describes a sender;
 * origins apart, for sources that pages send to. */
#define IL_SENDER_OPTIONS                                                     \
    { .name = "id", .type = IL_OPT_STRING, .min = 1, .max = 64,               \
      .help = "What logs, metrics and dead letters call the sender; without " \
              "it, the name of the variable, file or credential." },          \
    { .name = "rate", .type = IL_OPT_STRING,                                  \
      .help = "Most events over time, as in \"1000/s\"; without it, any "     \
              "number." },                                                    \
    { .name = "burst", .type = IL_OPT_INT, .min = 1, .max = 1000000000,       \
      .help = "Most events at once; without it, the first number of rate." }, \
    { .name = "types", .type = IL_OPT_STRING, .flags = IL_OPT_LIST,           \
      .min = 1, .max = 128,                                                   \
      .help = "Types of events that may be sent; * stands for any text." }
#define IL_ORIGINS_OPTION                                                     \
    { .name = "origins", .type = IL_OPT_STRING, .flags = IL_OPT_LIST,         \
      .min = 1, .max = 320,                                                   \
      .help = "Web pages that may send: \"https://app.example.com\", "        \
              "\"https://*.example.com\", \"http://localhost:*\", or \"*\"." }

/* In open(): a sender, as a group with IL_SENDER_OPTIONS describes it.  The
 * option named `secret` holds what it is known by, which is never shown; the
 * name of where that stands (env:NAME) is the sender's id, unless it is given
 * one.  0, -EINVAL after a report, or -ENOMEM.  Owned by the host. */
static inline int
il_sender(const struct il_host *host, const struct il_conf *conf,
          const char *secret, struct il_sender **out)
{
    return IL_API(host)->sender(host, conf, secret, out);
}
/* In admit(), or in handle() before anything else: it is this one who sends.
 * The host applies its rate and its types and names it wherever it speaks of
 * the request.  0; or a negative errno when it may not send this, from a page
 * of another origin say: then the request has been answered, and admit()
 * returns that. */
static inline int
il_request_sender(struct il_request *req, struct il_sender *sender)
{
    return IL_API(req)->request_sender(req, sender);
}

/* Offer events to the gate from a thread of the source's own.  0: taken, and
 * settled(self, token, outcome) follows from any thread; -EAGAIN: the spool is
 * behind, come again later; -EINVAL: refused by the gate, kept as a dead
 * letter. */
static inline int
il_emit(const struct il_host *host, const struct il_event *events, size_t n,
        uint64_t token)
{
    return IL_API(host)->emit(host, events, n, token);
}
/* Register a route in open(); the struct is copied, its strings too. */
static inline int
il_route(const struct il_host *host, const struct il_route *route, void *self)
{
    return IL_API(host)->route(host, route, self);
}
static inline const char *
il_request_method(const struct il_request *req)
{
    return IL_API(req)->request_method(req);
}
/* The path as sent, unescaped, without the query. */
static inline const char *
il_request_path(const struct il_request *req)
{
    return IL_API(req)->request_path(req);
}
/* Value of a header (any case) or query argument; NULL where absent. */
static inline const char *
il_request_header(const struct il_request *req, const char *name)
{
    return IL_API(req)->request_header(req, name);
}
static inline const char *
il_request_query(const struct il_request *req, const char *name)
{
    return IL_API(req)->request_query(req, name);
}
/* Call fn for each header in the order they came, until it returns other than
 * 0; returns that, else 0. */
static inline int
il_request_each_header(const struct il_request *req,
                       int (*fn)(void *arg, const char *name,
                                 const char *value),
                       void *arg)
{
    return IL_API(req)->request_each_header(req, fn, arg);
}
/* The body, unpacked.  Only in handle(). */
static inline const void *
il_request_body(const struct il_request *req, size_t *len)
{
    return IL_API(req)->request_body(req, len);
}
/* The sender's address, "192.0.2.1" or "unix".  Behind a proxy that is trusted
 * in the config, the one that the proxy names. */
static inline const char *
il_request_peer(const struct il_request *req)
{
    return IL_API(req)->request_peer(req);
}
/* Add a header to the answer that follows. */
static inline void
il_respond_header(struct il_request *req, const char *name, const char *value)
{
    IL_API(req)->respond_header(req, name, value);
}
/* Answer at once; the body is copied. */
static inline void
il_respond(struct il_request *req, int status, const char *content_type,
           const void *body, size_t len)
{
    IL_API(req)->respond(req, status, content_type, body, len);
}
/* Answer {"error":{"message","code"}}. */
static inline void
il_respond_error(struct il_request *req, int status, const char *code,
                 const char *fmt, ...) IL_PRINTF(4, 5);
static inline void
il_respond_error(struct il_request *req, int status, const char *code,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    IL_API(req)->respond_error(req, status, code, fmt, ap);
    va_end(ap);
}
/* Answer as il_respond_error() and keep the body as a dead letter: for a
 * request whose sender is known and whose body holds no event. */
static inline void
il_request_refuse(struct il_request *req, int status, const char *code,
                  const char *fmt, ...) IL_PRINTF(4, 5);
static inline void
il_request_refuse(struct il_request *req, int status, const char *code,
                  const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    IL_API(req)->request_refuse(req, status, code, fmt, ap);
    va_end(ap);
}
/* In place of an answer: the body shows that the request, for which admit() was
 * IL_UNPROVEN, is not for this source.  The next one of the same route is
 * asked; 401 if no other takes it. */
static inline void
il_request_decline(struct il_request *req)
{
    IL_API(req)->request_decline(req);
}
/* il_read_json() of the body.  0; or a negative errno when it is no JSON or
 * there is no memory: then the request has been answered, with the place. */
static inline int
il_request_json(struct il_request *req, struct il_text *text,
                struct il_value *out)
{
    return IL_API(req)->request_json(req, text, out);
}
/* Before il_request_emit(): answer success with this status and this JSON text
 * (not copied; NULL: no body), for a sender that would take the gate's own
 * answer for something else. */
static inline void
il_request_receipt(struct il_request *req, int status, const char *json)
{
    IL_API(req)->request_receipt(req, status, json);
}
/* Take the body in ingestlayer's own shapes (envelope, bare event, array,
 * NDJSON), pass it through the gate, and answer when it is durable. */
static inline void
il_request_ingest(struct il_request *req, uint32_t max_events)
{
    IL_API(req)->request_ingest(req, max_events);
}
/* Pass these events through the gate and answer when they are durable.  What
 * they point to must live until the call returns. */
static inline void
il_request_emit(struct il_request *req, const struct il_event *events,
                size_t n)
{
    IL_API(req)->request_emit(req, events, n);
}
/* Serve /v1/entities. */
static inline void
il_request_entities(struct il_request *req)
{
    IL_API(req)->request_entities(req);
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/* A host for testing one plugin, without a daemon.
 *
 * The same code that reads options, references, expressions and events in the
 * daemon runs here; the stores and servers around it are replaced by what the
 * test says.  Link libingestlayer-testhost.a (pkg-config
 * ingestlayer-testhost).  One thread drives a test host; the plugin may use as
 * many as it likes.  Texts that are returned live until the next call of the
 * same function. */
#ifndef INGESTLAYER_TESTHOST_H
#define INGESTLAYER_TESTHOST_H

#include <ingestlayer/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct testhost;

/* NULL: no memory. */
struct testhost *testhost_new(void);
/* Stops and closes what is still open. */
void testhost_free(struct testhost *);

/* --- before open --------------------------------------------------------- */

/* Declare a field of an event type, as the config's `events` would. */
int testhost_declare(struct testhost *, const char *event, const char *field,
                     const char *type, int required);
/* Put an entity where il_entity_find() finds it; traits: a JSON object. */
int testhost_entity(struct testhost *, const char *kind, const char *id,
                    const char *traits);
/* Set the wall clock (microseconds since 1970); it stands still from then
 * on.  Any time. */
void testhost_clock(struct testhost *, int64_t us);
/* The name of the lane, "test/lane" at first. */
void testhost_lane(struct testhost *, const char *lane);

/* --- the plugin's life --------------------------------------------------- */

/* Load PATH (.../NAME.so), check its options against a config text (what would
 * stand between the braces, "plugin" left out) and open it.  0, or a negative
 * errno: testhost_findings() tells why, as `ingestlayer check` would. */
int testhost_open(struct testhost *, const char *path, const char *config);
const char *testhost_findings(struct testhost *);
int testhost_start(struct testhost *);
int testhost_flush(struct testhost *, uint32_t deadline_ms);
void testhost_stop(struct testhost *);
void testhost_close(struct testhost *);

/* --- batches ------------------------------------------------------------- */

/* Append an event to the batch, as JSON: {"type","payload"} and where the test
 * cares "id", "source_id", "received_at", "timestamp".  0, or -EINVAL for what
 * is no event.  Positions count from 1. */
int testhost_event(struct testhost *, const char *json);
/* The next event gets this position. */
void testhost_position(struct testhost *, uint64_t position);
/* Forget the events: the next batch begins. */
void testhost_clear(struct testhost *);

/* Step: run process() on the batch.  What it returned. */
int testhost_process(struct testhost *);
/* Destination: hand the batch over and wait for it to be settled.  The outcome
 * (IL_OK ...), a negative errno of write() itself, or -ETIMEDOUT.  May be
 * called again with the same batch: another attempt, same id. */
int testhost_write(struct testhost *, uint32_t timeout_ms);
/* Why it was not IL_OK; "" else. */
const char *testhost_why(struct testhost *);
/* How often the batch was settled in the last testhost_write(): 1. */
int testhost_settled(struct testhost *);
/* Let il_prepare() fail with a negative errno; 0: succeed again. */
void testhost_fail_prepare(struct testhost *, int err);
int testhost_prepared(struct testhost *); /* calls so far */
/* The dead letters as the last il_prepare() or a good end left them, those of
 * earlier batches included: "position:code " each, in order. */
const char *testhost_letters(struct testhost *);

/* What became of event i. */
enum { TESTHOST_KEPT, TESTHOST_DROPPED, TESTHOST_REJECTED };
int testhost_state(struct testhost *, uint32_t i);
/* TESTHOST_REJECTED: its reason; else NULL. */
const struct il_reason *testhost_reason(struct testhost *, uint32_t i);
const char *testhost_payload(struct testhost *, uint32_t i); /* JSON */
/* The traits attached to event i under a kind, as JSON; NULL: none. */
const char *testhost_attached(struct testhost *, uint32_t i, const char *kind);

/* --- the rest ------------------------------------------------------------ */

/* The traits of an entity as the plugin left them, as JSON; NULL: unknown. */
const char *testhost_entity_get(struct testhost *, const char *kind,
                                const char *id);
/* Value of a counter that the plugin registered. */
uint64_t testhost_counter(struct testhost *, const char *name);
/* All that the plugin logged, one line each: "warn: message". */
const char *testhost_log(struct testhost *);
/* Call the functions of all timers once. */
void testhost_tick(struct testhost *);
/* Destination: resume() from a position.  What it returned; *position is
 * updated. */
int testhost_resume(struct testhost *, uint64_t *position);
/* The same with all that a host may say: the test fills in position, given and
 * flags. */
int testhost_resume_at(struct testhost *, struct il_position *);
/* ddl() and probe(); NULL where the plugin has none or it failed (*err). */
const char *testhost_ddl(struct testhost *, int *err);
const char *testhost_probe(struct testhost *, int *err);

/* --- sources ------------------------------------------------------------- */

/* Send a request to the routes that the plugin registered.  headers: lines
 * "Name: value" parted by \n, or NULL.  Returns the status; 0: no route took
 * it, or it was not answered. */
int testhost_request(struct testhost *, const char *method, const char *path,
                     const char *headers, const void *body, size_t len);
const char *testhost_answer(struct testhost *); /* body of the answer */
/* A header of the answer; NULL: none. */
const char *testhost_answer_header(struct testhost *, const char *name);
/* The id of the sender that the plugin said it was; NULL: it did not. */
const char *testhost_sender(struct testhost *);
/* Requests refused with il_request_refuse() so far. */
int testhost_refused(struct testhost *);
/* The body that the plugin passed to il_request_ingest(); NULL: it did not. */
const char *testhost_ingested(struct testhost *);
/* Events that the plugin emitted, counted from 0, as JSON; NULL: no more. */
const char *testhost_emitted(struct testhost *, size_t i);
/* Let il_emit() answer this (0 at first). */
void testhost_emit_result(struct testhost *, int err);
/* Settle everything that was emitted with il_emit() and not yet settled. */
void testhost_settle_emitted(struct testhost *, int outcome);

#ifdef __cplusplus
}
#endif
#endif

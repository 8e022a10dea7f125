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
#include <stdio.h>

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
/* A mark of the source that is on disk already. */
void testhost_mark_set(struct testhost *, const char *name, const char *value);
/* The spool's identity, and how often it was set back, for resume() and
 * il_batch_origin(); "test host spool" and 0 at first. */
void testhost_spool(struct testhost *, const uint8_t id[16],
                    uint32_t set_backs);
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
/* As the daemon: a source is flushed, and hears of all that it emitted, first;
 * il_cancelled() is 1 for it from then on. */
void testhost_stop(struct testhost *);
/* Stops it, too.  Then the test host may open it again, or another one: marks,
 * entities, dead letters and files stay. */
void testhost_close(struct testhost *);
/* As if the process were killed: whatever the plugin has not settled by now, or
 * emitted and not heard of, is lost; il_prepare() fails, and what else it does
 * reaches nobody.  Then it is closed, so that no thread of it stays. */
void testhost_kill(struct testhost *);
/* il_cancelled() answers 1 from now on. */
void testhost_cancel(struct testhost *);

/* --- batches ------------------------------------------------------------- */

/* Append an event to the batch, as JSON: {"type","payload"} and where the test
 * cares "id", "source_id", "received_at", "timestamp".  0, or -EINVAL for what
 * is no event.  Positions count from 1. */
int testhost_event(struct testhost *, const char *json);
/* The next event gets this position. */
void testhost_position(struct testhost *, uint64_t position);
/* The next event comes again, as il_again() then tells; the texts are copied.
 * What a step drops that it had passed (IL_STOPPED_LATER) is live again after
 * process(). */
void testhost_again(struct testhost *, const struct il_again *);
/* The next event is one of a replay: IL_REPLAYED, and it has come before. */
void testhost_replayed(struct testhost *);
/* An event of this order waits: il_waits() defers those that come after it.
 * NULL: none waits any more. */
void testhost_waiting(struct testhost *, const char *order);
/* The next event comes again: it first stood at this position. */
void testhost_origin(struct testhost *, uint64_t position);
/* Forget the events: the next batch begins. */
void testhost_clear(struct testhost *);

/* Step: run process() on the batch.  What it returned; where that is an error
 * its edits are undone, and the same events are there again. */
int testhost_process(struct testhost *);
/* Destination: hand the batch over and wait for it to be settled.  The outcome
 * (IL_OK ...), a negative errno of write() itself, or -ETIMEDOUT.  May be
 * called again with the same batch: another attempt, same id. */
int testhost_write(struct testhost *, uint32_t timeout_ms);
/* Destination: hand the batch over and do not wait; the next event begins
 * another.  The number of the batch, from 1, or a negative errno of write()
 * itself, and then the batch is still the one at hand. */
int testhost_write_async(struct testhost *);
/* Wait for it: its outcome, or -ETIMEDOUT, -ENOENT. */
int testhost_await(struct testhost *, int number, uint32_t timeout_ms);
/* Make it the batch at hand again, for another attempt, or to look at its
 * events.  What was at hand is forgotten.  0 or -ENOENT. */
int testhost_take_back(struct testhost *, int number);
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
enum {
    TESTHOST_KEPT,
    TESTHOST_DROPPED,
    TESTHOST_REJECTED,
    TESTHOST_DONE,    /* il_done() */
    TESTHOST_DEFERRED /* il_defer(), il_waits() */
};
int testhost_state(struct testhost *, uint32_t i);
/* TESTHOST_REJECTED: its reason; else NULL. */
const struct il_reason *testhost_reason(struct testhost *, uint32_t i);
/* TESTHOST_DEFERRED: how; else NULL.  Of an order it only tells that there is
 * one: order_len is not 0 then. */
const struct il_deferral *testhost_deferral(struct testhost *, uint32_t i);
/* Until when (microseconds since 1970) the target, NULL: the whole instance, is
 * held off, as the plugin has said; 0: not at all. */
int64_t testhost_held(struct testhost *, const char *target);
/* Why the plugin has paused the lane, il_pause(), since this was asked last; NULL:
 * it has not. */
const char *testhost_paused(struct testhost *);
/* The plugin's render() of event i, and what it returned; "" without one. */
const char *testhost_render(struct testhost *, uint32_t i, int *err);
const char *testhost_payload(struct testhost *, uint32_t i); /* JSON */
/* Step: the n-th event that it has made of this batch, as JSON with "at", which says
 * of which event, its "id" as the step named it, "type", "timestamp" and "payload";
 * NULL: there are not so many. */
const char *testhost_derived(struct testhost *, size_t n);
/* Step: the value in the cell of a key (len may be NULL); NULL: there is none. */
const void *testhost_remembered(struct testhost *, const char *key,
                                size_t *len);
/* Step: its show() of that cell; NULL: there is none, or show() has failed. */
const char *testhost_shown(struct testhost *, const char *key);
/* The traits attached to event i under a kind, as JSON; NULL: none.  A step's
 * results stand under "$step.test". */
const char *testhost_attached(struct testhost *, uint32_t i, const char *kind);

/* --- what goes wrong ----------------------------------------------------- */

/* What the plugin did that no plugin may do, one line each; "" where nothing:
 * a batch settled twice, or settled and then returned with an error, or not at
 * all by stop(); events past the end, batches that it has no more; edits
 * outside of process(); threads after stop() or open(); what it made and did
 * not give back by close(); requests answered twice or not; il_emit() and
 * il_mark_get() before start(); an emission that is wrong. */
const char *testhost_violations(struct testhost *);
/* From now on the n-th function that allocates finds no memory, once; 0: none
 * does.  Each call counts that could fail so: il_text_new(),
 * il_text_reserve(), il_batch_alloc(), il_..._from(), il_set() ...; il_emit()
 * answers -EAGAIN. */
void testhost_fail_alloc(struct testhost *, uint64_t n);
/* 1: it has come to that. */
int testhost_alloc_failed(struct testhost *);
/* As `ingestlayer entity mirror run` does. */
void testhost_mirror_ask(struct testhost *, const char *name);
/* When its last complete run began; 0: there was none. */
int64_t testhost_mirror_seen(struct testhost *, const char *name);
/* Let il_entity_find(), il_entity_put() and what mirrors do answer this; 0: work again. */
void testhost_fail_entities(struct testhost *, int err);
/* Run the plugin at PATH through all of that, with options as testhost_open()
 * takes them, each part in a process of its own; a line to OUT for each thing
 * that it breaks.  0: nothing; 1: something; -EINVAL: it cannot be opened, as
 * OUT says. */
int testhost_verify(const char *path, const char *config, FILE *out);

/* --- the rest ------------------------------------------------------------ */

/* The traits of an entity as the plugin left them, as JSON; NULL: unknown. */
const char *testhost_entity_get(struct testhost *, const char *kind,
                                const char *id);
/* Value of a counter that the plugin registered. */
uint64_t testhost_counter(struct testhost *, const char *name);
int64_t testhost_gauge(struct testhost *, const char *name);
/* What the plugin says it is at (il_status()); "" else. */
const char *testhost_status(struct testhost *);
/* Its directory; NULL: it did not ask for one.  Removed by testhost_free(). */
const char *testhost_state_dir(struct testhost *);
/* Before start(): let this be its directory, as it is after a restart.  It is
 * there, and testhost_free() leaves it.  0 or -ENOMEM. */
int testhost_keep_state_dir(struct testhost *, const char *path);
/* All that the plugin logged, one line each: "warn: message". */
const char *testhost_log(struct testhost *);
/* Call the functions of all timers once, due or not. */
void testhost_tick(struct testhost *);
/* Let both clocks go on by so many milliseconds; the functions of timers that
 * come due are called, in order, each at its time.  From start() on. */
void testhost_advance(struct testhost *, uint32_t ms);
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
/* Let il_emit() answer this (0 at first).  Where it takes events, each of them
 * has its outcome: refused by the source itself or because its payload is no
 * object, a duplicate where an event of that key was emitted before, else
 * accepted. */
void testhost_emit_result(struct testhost *, int err);
/* There is room again: il_emit() takes what comes, and room() is called where
 * it is owed: 1, else 0. */
int testhost_room(struct testhost *);
/* Settle everything that was emitted with il_emit() and is not settled when this is
 * called: what a plugin emits again meanwhile is not.  With
 * IL_OK its marks are on disk, else it never was. */
void testhost_settle_emitted(struct testhost *, int outcome);
/* The same with the oldest il_emit() alone.  1, or 0: there is none. */
int testhost_settle_next(struct testhost *, int outcome);
/* The value of a mark on disk; NULL: there is none. */
const char *testhost_mark(struct testhost *, const char *name);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/* What makes a destination of this engine.
 *
 * webhook.out, and each plugin that speaks with one service alone, is a kind: how
 * its options are read, what is sent for an event, and what an answer means.
 * Queue, schedule, breaker, connections, status and metrics are the engine's, and
 * the same for all.  A kind links libengine.la, and its descriptor begins with
 * OUT_DESTINATION. */
#ifndef KIND_H
#define KIND_H

#include "breaker.h"
#include "options.h"
#include "render.h"
#include "transport.h"

/* What becomes of the event. */
enum out_fate {
    OUT_DELIVERED,
    OUT_LATER,   /* as the schedule says; a dead letter after its end */
    OUT_AT_ONCE, /* in a moment, and no attempt is counted: what was wrong has
                  * been put right */
    OUT_DEAD,    /* never again */
    OUT_PAUSE    /* no event can be delivered until a person mends it: the lane
                  * pauses, and the event waits untried */
};

/* What an answer means. */
struct out_meaning {
    enum out_fate fate;
    enum breaker_class about; /* what it says of the target */
    int64_t asked_ms; /* the wait that was asked for, of any length; 0: none */
    const char *code; /* of the reason, 47 bytes of it; NULL: http_STATUS, or
                       * smtp_STATUS */
    /* OUT_PAUSE: completes "hooks.example.com ...". */
    const char *why;
};

struct out_kind {
    enum transport_speech speech;
    size_t size; /* of its own data, which is zeroed before open() */
    /* Bytes of an answer's body that judge() is to get; 0: what a reason
     * shows, TRANSPORT_BODY_MAX. */
    size_t answer_max;
    /* Read all options; out_options_open() or, for those that have common.inc,
     * out_options_common(), out_options_url() and so on.  0 or a negative errno
     * after findings; close() follows in any case. */
    int (*open)(void *own, struct out_options *, const struct il_host *,
                const struct il_conf *);
    void (*close)(void *own, const struct il_host *); /* may be NULL */
    /* Append what is sent for event i to out->text.  0; -EINVAL and out->why: it
     * can never be sent; or -ENOMEM.  NULL: what `body` and `fields` say.  Any
     * thread. */
    int (*body)(void *own, struct il_batch *, uint32_t i, struct rendered *out);
    /* Of mail, before body(): append the addresses that it goes to, each ended by
     * NUL, to out->text, and count them in out->to_count.  As body(). */
    int (*to)(void *own, struct il_batch *, uint32_t i, struct rendered *out);
    /* Change what does not hold for this answer in *meaning, which is what HTTP
     * says of it: 2xx is delivered, anything else comes again, and Retry-After
     * counts; of mail, that 2xx is delivered, and any other reply asks for time.  Answers alone come here, and no failures of the connection.
     * scratch is for il_read_json().  One call at a time. */
    void (*judge)(void *own, const struct out_options *,
                  const struct transport_answer *, struct il_text *scratch,
                  struct out_meaning *meaning);
};

#define OUT_BATCHES 4 /* at hand, newly read */

/* Callbacks of the descriptor. */
int out_open(const struct il_host *, const struct il_conf *, void **self,
             const struct out_kind *);
int out_start(void *self);
int out_write(void *self, struct il_batch *, struct il_ack *);
void out_stop(void *self);
void out_close(void *self);
int out_probe(void *self, struct il_text *);
int out_render(void *self, struct il_batch *, uint32_t i, struct il_text *);

/* All of the descriptor that is the same for every kind. */
#define OUT_DESTINATION                                                        \
    .kind = IL_DESTINATION, .threads = IL_PARALLEL, .flags = IL_PER_EVENT,     \
    .in_flight = OUT_BATCHES, .start = out_start, .write = out_write,          \
    .stop = out_stop, .close = out_close, .probe = out_probe,                  \
    .render = out_render

#endif

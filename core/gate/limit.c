/* SPDX-License-Identifier: MIT */
/* Who sends, and how much of it may come: the rates of a key and of its
 * source, what the source has undelivered, and what is said of the refused. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Refusals are logged no more often than this, for each key. */
#define LOG_EVERY_US 10000000

/* --- counting ------------------------------------------------------------- */

/* The code alone: what is wrong in detail is in the dead letter, and may be
 * personal. */
static void
say_refused(struct gate_source *s, struct il_sender *sender, const char *code,
            uint64_t n)
{
    struct sender_said *said = sender ? &sender->said : &s->said;
    int64_t now = clock_monotonic_us();
    int64_t last = __atomic_load_n(&said->at_us, __ATOMIC_RELAXED);
    char others[64] = "";
    if ((last && now - last < LOG_EVERY_US)
        || !__atomic_compare_exchange_n(&said->at_us, &last, now, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&said->unsaid, n, __ATOMIC_RELAXED);
        return;
    }
    uint64_t more = __atomic_exchange_n(&said->unsaid, 0, __ATOMIC_RELAXED);
    if (more)
        snprintf(others, sizeof(others),
                 "; %" PRIu64 " more since the last line", more);
    log_warn("source \"%s\"%s%s: refused %" PRIu64 ": %s%s", s->name,
             sender ? ", key " : "", sender ? sender->id : "", n, code,
             others);
}

void
gate_count_refused(struct gate_source *s, struct il_sender *sender,
                   enum gate_code code, uint64_t n)
{
    metric_add(s->refused[code], n);
    if (sender)
        metric_add(code == GATE_RATE ? sender->limited : sender->refused, n);
    say_refused(s, sender, gate_code_name[code], n);
}

/* --- limits --------------------------------------------------------------- */

static int
has_rate(const struct gate_source *s, const struct il_sender *sender)
{
    return s->limit.bucket.rate.events
           || (sender && sender->limit.bucket.rate.events);
}

/* How long until n may come; *own: for the key's sake. */
static int64_t
rates_ask(struct gate_source *s, struct il_sender *sender, uint32_t n,
          int *is_own)
{
    int64_t now = rate_now_ns();
    int64_t all = rate_limit_ask(&s->limit, n, now);
    int64_t own = sender ? rate_limit_ask(&sender->limit, n, now) : 0;
    *is_own = own > all;
    return own > all ? own : all;
}

static void
rates_take(struct gate_source *s, struct il_sender *sender, uint32_t n)
{
    int64_t now = rate_now_ns();
    rate_limit_take(&s->limit, n, now);
    if (sender)
        rate_limit_take(&sender->limit, n, now);
}

int
gate_limit(struct gate_batch *b, uint32_t n)
{
    b->wait_ns = 0;
    if (b->unlimited)
        return 0;
    b->limit = GATE_SOURCE_FULL;
    b->wait_ns = gate_backlog_wait_ns(b);
    if (b->wait_ns || !has_rate(b->source, b->sender))
        return b->wait_ns ? -EDQUOT : 0;
    b->limit = GATE_RATE;
    b->wait_ns = rates_ask(b->source, b->sender, n, &b->limit_own);
    return b->wait_ns ? -EDQUOT : 0;
}

int
gate_limit_first(struct gate_batch *b, uint32_t n)
{
    pthread_mutex_lock(&b->gate->lock);
    int err = gate_limit(b, n);
    pthread_mutex_unlock(&b->gate->lock);
    return err;
}

void
gate_limit_took(struct gate_batch *b, uint32_t n, uint64_t position)
{
    gate_backlog_took(b, n, position);
    if (!b->unlimited && has_rate(b->source, b->sender))
        rates_take(b->source, b->sender, n);
}

/* --- requests ------------------------------------------------------------- */

static void
answer_wait(struct il_request *req, int64_t wait_ns, const char *who)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", rate_seconds(wait_ns));
    il_respond_header(req, "Retry-After", seconds);
    il_respond_error(req, 429, gate_code_name[GATE_RATE],
                     "the rate of this %s is used up; send again in %s s",
                     who, seconds);
}

void
gate_answer_limit(struct il_request *req, const struct gate_batch *b)
{
    gate_count_refused(b->source, b->sender, b->limit,
                       b->count - b->refused - b->duplicates);
    if (b->limit == GATE_SOURCE_FULL)
        http_unavailable(req, rate_seconds(b->wait_ns),
                         gate_code_name[GATE_SOURCE_FULL],
                         "too much of what this source has sent is not "
                         "delivered yet; send again later");
    else
        answer_wait(req, b->wait_ns, b->limit_own ? "key" : "source");
}

int
gate_limit_request(struct il_request *req, uint32_t n)
{
    struct gate_source *s = http_owner(req);
    struct il_sender *sender = gate_sender_of(req);
    int is_own = 0;
    if (!s || !has_rate(s, sender))
        return 0;
    pthread_mutex_lock(&s->gate->lock);
    int64_t wait_ns = rates_ask(s, sender, n, &is_own);
    if (!wait_ns)
        rates_take(s, sender, n);
    pthread_mutex_unlock(&s->gate->lock);
    if (!wait_ns)
        return 0;
    gate_count_refused(s, sender, GATE_RATE, n);
    answer_wait(req, wait_ns, is_own ? "key" : "source");
    return -EDQUOT;
}

/* Who does not wait as told is told again, before anything is read. */
static int
refuses_unheard(struct il_request *req, struct gate_source *s,
                struct il_sender *sender)
{
    if (!__atomic_load_n(&s->limit.refusals, __ATOMIC_RELAXED)
        && !__atomic_load_n(&sender->limit.refusals, __ATOMIC_RELAXED))
        return 0;
    int64_t now = rate_now_ns();
    int64_t own = rate_limit_refuses_ns(&sender->limit, now);
    int64_t all = rate_limit_refuses_ns(&s->limit, now);
    if (!own && !all)
        return 0;
    if (http_handled(req))
        gate_count_refused(s, sender, GATE_RATE, 1);
    answer_wait(req, own > all ? own : all, own > all ? "key" : "source");
    return 1;
}

/* Before the body is there, http_on_refused() counts and keeps. */
static void
refuse_origin(struct il_request *req, struct gate_source *s,
              struct il_sender *sender, const char *origin)
{
    static const char code[] = "origin_not_allowed";
    size_t len;
    const char *body = il_request_body(req, &len);
    if (http_handled(req))
        gate_keep_request(s, sender, code, "not from this page",
                          slice_of(body, len));
    il_respond_error(req, 403, code,
                     "this key may not be used from pages of \"%.200s\"",
                     origin);
}

int
gate_request_sender(struct il_request *req, struct il_sender *sender)
{
    struct gate_source *s = http_owner(req);
    const char *origin
        = sender->http.origin_count ? il_request_header(req, "Origin") : NULL;
    http_request_set_sender(req, &sender->http);
    if (!s)
        return 0;
    if (origin && !gate_sender_may_come_from(sender, origin)) {
        refuse_origin(req, s, sender, origin);
        return -EACCES;
    }
    return refuses_unheard(req, s, sender) ? -EDQUOT : 0;
}

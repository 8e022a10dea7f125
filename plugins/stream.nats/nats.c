/* SPDX-License-Identifier: MIT */
/* stream.nats: events into a JetStream stream, for other nodes to read.
 *
 * Exactness is not the stream's: it may lose what it has acknowledged, and be put
 * back to an earlier copy.  Each event is of one partition, each partition one
 * subject, which only this lane publishes to, in the order of the spool.  So the
 * last message of a subject says how far that partition is, and what came up to
 * there is not published again, whatever an answer said or did not say.  Where
 * the last message is behind what was confirmed before, the lane is set back to
 * there; the partitions that have lost nothing pass over what they have. */
#include "bundle.h"
#include "confirmed.h"
#include "frame.h"
#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US INT64_C(10000000)
#define HEADERS_ROOM 4096

struct part {
    struct il_text *text; /* frames of the next bundle */
    uint64_t first, last; /* of them; first 0: none */
    uint64_t tried;       /* the greatest that this process has published */
};

struct nats {
    const struct il_host *host;
    struct link link;
    struct frame frame; /* of one event */
    struct il_counter *bundles, *skipped, *lost;
    uint32_t partitions;

    struct confirmed_life life;
    char spool_text[37], was[256];
    int begun; /* resume() has answered */
    uint64_t
        given; /* what an earlier process may have published, and no more */
    int64_t looked_us; /* 0: the last messages are to be read first */
    struct confirmed_file file;
    struct confirmed have[PARTITIONS_MAX];
    struct part part[PARTITIONS_MAX];
};

/* --- options --------------------------------------------------------------- */

static const struct il_option tls_options[] = {
    { .name = "ca",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 4000,
      .help = "File with the authorities to trust; without it, the system's." },
    { .name = "certificate",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 4000,
      .help = "File with the certificate to show, and those above it." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 4000,
      .help = "File with its private key." },
    IL_OPTIONS_END
};

static const struct il_option nats_options[] = {
    { .name = "servers",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST | IL_OPT_SECRET,
      .min = 1,
      .max = 1000,
      .help = "Servers to try, as in nats://10.0.0.1:4222." },
    { .name = "stream",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 200,
      .help = "The stream." },
    { .name = "subject",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 64,
      .def = "il",
      .help = "First word of the subjects; a lane needs one of its own in its "
              "stream." },
    { .name = "partitions",
      .type = IL_OPT_INT,
      .min = 1,
      .max = PARTITIONS_MAX,
      .def = "6",
      .help = "How many subjects the events are shared out to; never "
              "changed." },
    { .name = "partition_by",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 1000,
      .def = "$event.key",
      .help = "What decides the partition: events with the same stay in "
              "order." },
    { .name = "create",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Make the stream where it is missing." },
    { .name = "replicas",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 5,
      .def = "3",
      .help = "On how many servers the stream is to be." },
    { .name = "credentials",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 4000,
      .help = "A file with a user's JWT and seed (.creds)." },
    { .name = "token",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .min = 1,
      .max = 1000,
      .help = "A token that the servers ask for." },
    { .name = "user",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 1000,
      .help = "A user's name." },
    { .name = "password",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .min = 1,
      .max = 1000,
      .help = "Their password." },
    { .name = "tls",
      .type = IL_OPT_GROUP,
      .children = tls_options,
      .help = "Ask for TLS, whatever the URLs say." },
    { .name = "timeout",
      .type = IL_OPT_DURATION,
      .min = 100,
      .max = 60000,
      .def = "5s",
      .help = "How long to wait for an answer." },
    IL_OPTIONS_END
};

/* --- opening --------------------------------------------------------------- */

static void
nats_close(void *self)
{
    struct nats *n = self;
    for (uint32_t p = 0; p < n->partitions; p++)
        il_text_free(n->host, n->part[p].text);
    frame_close(&n->frame);
    confirmed_close(&n->file);
    free(n);
}

static int
nats_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct nats *n = calloc(1, sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->host = n->link.host = host;
    n->file.fd = -1;
    n->partitions = (uint32_t) il_conf_int(conf, "partitions");
    n->life.partitions = n->partitions;
    const char *by = il_conf_str(conf, "partition_by");
    n->life.by = bundle_partition(by, strlen(by), UINT32_MAX);
    n->link.opt = (struct link_options){
        .conf = conf,
        .stream = il_conf_str(conf, "stream"),
        .subject = il_conf_str(conf, "subject"),
        .partitions = n->partitions,
        .replicas = (uint32_t) il_conf_int(conf, "replicas"),
        .create = il_conf_int(conf, "create") != 0,
        .timeout_ms = il_conf_int(conf, "timeout"),
    };
    n->bundles = il_counter_new(host, "bundles", IL_UNIT_NONE,
                                "Messages that the stream has taken.");
    n->skipped = il_counter_new(host, "skipped", IL_UNIT_NONE,
                                "Events that the stream had already.");
    n->lost = il_counter_new(host, "lost", IL_UNIT_NONE,
                             "Times that the stream had lost messages.");
    int err = link_check_options(conf);
    if (!err)
        err = frame_open(&n->frame, host, conf);
    for (uint32_t p = 0; p < n->partitions && !err; p++)
        if (!(n->part[p].text = il_text_new(host)))
            err = -ENOMEM;
    if (err) {
        nats_close(n);
        return err;
    }
    *self = n;
    return 0;
}

static int
nats_start(void *self)
{
    (void) self;
    return 0;
}

static void
nats_stop(void *self)
{
    struct nats *n = self;
    link_close(&n->link);
    nats_ReleaseThreadMemory();
}

/* --- where the stream is --------------------------------------------------- */

static void
subject_of(const struct nats *n, uint32_t p, char *out, size_t size)
{
    snprintf(out, size, "%s.%u.%s", n->link.opt.subject, p, n->spool_text);
}

static int
fenced(struct nats *n, uint32_t p)
{
    snprintf(n->link.why, sizeof(n->link.why),
             "a copy of this state_dir publishes to partition %u", p);
    return IL_FENCED;
}

/* The last message of a partition.  at->last 0: none of this life of the
 * spool. */
static int
look_at(struct nats *n, uint32_t p, struct confirmed *at)
{
    char subject[160];
    struct link_last last;
    subject_of(n, p, subject, sizeof(subject));
    const int outcome = link_last(&n->link, subject, &last);
    if (outcome)
        return outcome;
    *at = (struct confirmed){ 0, last.seq };
    if (!last.seq)
        return IL_OK;
    if (strcmp(last.lane, il_lane(n->host)) && strcmp(last.lane, n->was)) {
        snprintf(
            n->link.why, sizeof(n->link.why),
            "%s is of the lane %.150s: give each lane a `subject` of its own",
            subject, last.lane);
        return IL_PAUSE;
    }
    if (last.said.set_backs == n->life.set_backs)
        at->last = last.said.last;
    else if (last.said.set_backs > n->life.set_backs)
        return fenced(n, p);
    return IL_OK;
}

/* Before anything is published: after an answer that did not come, on a new
 * connection, and now and then. */
static int
look(struct nats *n)
{
    int lost = 0;
    for (uint32_t p = 0; p < n->partitions; p++) {
        struct confirmed at;
        int outcome = look_at(n, p, &at);
        /* What an earlier process had sent may come in late. */
        if (!outcome && at.last > n->part[p].tried && at.last > n->given)
            outcome = fenced(n, p);
        if (outcome)
            return outcome;
        if (at.last < n->have[p].last)
            lost = 1; /* resume() takes that in */
        else
            n->have[p] = at;
    }
    if (!lost) {
        n->looked_us = il_monotonic_us(n->host);
        return IL_OK;
    }
    il_counter_add(n->host, n->lost, 1);
    snprintf(n->link.why, sizeof(n->link.why),
             "the stream has lost messages that it had acknowledged");
    return IL_SET_BACK;
}

/* --- resume ---------------------------------------------------------------- */

static void
uuid_text(const uint8_t id[16], char out[37])
{
    for (int i = 0; i < 16; i++)
        out += sprintf(out,
                       i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                       id[i]);
}

/* 1: it is known what was confirmed; 0; or a negative errno. */
static int
remember(struct nats *n, const struct il_position *at)
{
    const char *dir;
    memcpy(n->life.spool, at->spool, 16);
    uuid_text(n->life.spool, n->spool_text);
    snprintf(n->was, sizeof(n->was), "%s", at->was ? at->was : "");
    n->life.set_backs = at->set_backs;
    if (n->begun)
        return 1;
    memset(n->have, 0, sizeof(n->have));
    int err = il_state_dir(n->host, &dir);
    if (!err)
        err = confirmed_open(&n->file, dir, &n->life, n->have);
    if (err == -EDOM)
        il_log(n->host, IL_LOG_ERROR,
               "this lane had other partitions (partitions, partition_by): a "
               "stream keeps them; use another one, once this is drained");
    else if (err < 0)
        il_log(n->host, IL_LOG_ERROR, "reading what was confirmed: %s",
               strerror(-err));
    return err;
}

static int
say(struct nats *n, int outcome)
{
    il_log(n->host, IL_LOG_WARN, "%s", n->link.why);
    return outcome == IL_FENCED  ? -ESTALE
           : outcome == IL_PAUSE ? -EACCES
                                 : -EAGAIN;
}

static int
nats_resume(void *self, struct il_position *at)
{
    struct nats *n = self;
    struct confirmed now[PARTITIONS_MAX];
    uint64_t most = 0, back = UINT64_MAX;
    int anew;
    const int known = remember(n, at);
    if (known < 0)
        return -EACCES;
    int outcome = link_ready(&n->link, &anew);
    for (uint32_t p = 0; p < n->partitions && !outcome; p++) {
        outcome = look_at(n, p, &now[p]);
        if (now[p].last > most)
            most = now[p].last;
        if (now[p].last < n->have[p].last || (!known && at->position))
            back = now[p].last < back ? now[p].last : back;
    }
    if (outcome)
        return say(n, outcome);
    /* Past what the spool has ever given out: the host counts this, and asks
     * again for its next life. */
    if (!n->begun && most > at->given && most > at->position) {
        at->there = at->position = most;
        return 0;
    }
    at->there = back < at->position ? back : at->position;
    memcpy(n->have, now, sizeof(now));
    for (uint32_t p = 0; p < n->partitions; p++)
        n->part[p].tried = now[p].last;
    if (!n->begun)
        n->given = at->given;
    n->begun = 1;
    n->looked_us = il_monotonic_us(n->host);
    return 0;
}

/* --- publishing ------------------------------------------------------------ */

static int
publish(struct nats *n, uint32_t p)
{
    struct part *part = &n->part[p];
    struct bundle_said said = { .set_backs = n->life.set_backs,
                                .first = part->first,
                                .last = part->last,
                                .prev = n->have[p].last };
    char subject[160];
    if (!part->first)
        return IL_OK;
    memcpy(said.spool, n->spool_text, sizeof(said.spool));
    subject_of(n, p, subject, sizeof(subject));
    if (part->last > part->tried)
        part->tried = part->last;
    n->looked_us = 0; /* until it is known to be in */
    uint64_t seq = n->have[p].seq;
    const int outcome = link_publish(&n->link, subject, il_lane(n->host), &said,
                                     part->text->data, part->text->len, &seq);
    if (outcome)
        return outcome;
    n->have[p] = (struct confirmed){ part->last, seq };
    part->first = 0;
    part->text->len = 0;
    il_counter_add(n->host, n->bundles, 1);
    return IL_OK;
}

/* An event more for a partition; the bundle before goes out where it is full.
 * An outcome, or a negative errno. */
static int
add_frame(struct nats *n, struct il_batch *b, uint32_t i, uint32_t p)
{
    struct part *part = &n->part[p];
    const struct il_text *f = n->frame.text;
    const size_t most = n->link.max_payload - HEADERS_ROOM;
    const size_t full = BUNDLE_MAX < most ? BUNDLE_MAX : most;
    if (f->len + BUNDLE_HEAD > most) {
        struct il_reason why = { .struct_size = sizeof(why),
                                 .code = "too_large",
                                 .message = "the event is larger than the "
                                            "servers' max_payload allows" };
        return il_reject(b, i, &why);
    }
    if (part->text->len + f->len + BUNDLE_HEAD > full) {
        const int64_t looked_us = n->looked_us;
        const int outcome = publish(n, p);
        if (outcome)
            return outcome;
        n->looked_us = looked_us;
    }
    if (il_text_reserve(n->host, part->text, f->len + BUNDLE_HEAD))
        return -ENOMEM;
    char *at = part->text->data + part->text->len;
    const uint64_t position = il_batch_position(b, i);
    bundle_put_head(at, position, f->data, f->len);
    memcpy(at + BUNDLE_HEAD, f->data, f->len);
    part->text->len += f->len + BUNDLE_HEAD;
    part->last = position;
    if (!part->first)
        part->first = position;
    return IL_OK;
}

static int
send(struct nats *n, struct il_batch *b)
{
    const uint32_t count = il_batch_count(b);
    const int64_t looked_us = n->looked_us;
    uint64_t skipped = 0;
    int err = 0;
    for (uint32_t p = 0; p < n->partitions; p++) {
        n->part[p].first = 0;
        n->part[p].text->len = 0;
    }
    for (uint32_t i = 0; i < count && !err; i++) {
        uint32_t p = 0;
        if (!il_live(b, i))
            continue;
        err = frame_partition(&n->frame, b, i, n->partitions, &p);
        if (!err && il_batch_position(b, i) <= n->have[p].last) {
            skipped++;
            continue;
        }
        if (!err)
            err = frame_put(&n->frame, b, i);
        if (!err)
            err = add_frame(n, b, i, p);
    }
    for (uint32_t p = 0; p < n->partitions && !err; p++)
        err = publish(n, p);
    il_counter_add(n->host, n->skipped, skipped);
    if (!err)
        n->looked_us = looked_us;
    return err;
}

static int
nats_write(void *self, struct il_batch *b, struct il_ack *ack)
{
    struct nats *n = self;
    int anew;
    n->link.why[0] = 0;
    int outcome = link_ready(&n->link, &anew);
    if (!outcome
        && (anew || !n->looked_us
            || il_monotonic_us(n->host) - n->looked_us > LOOK_US))
        outcome = look(n);
    if (!outcome)
        outcome = send(n, b);
    if (!outcome) {
        int err = confirmed_save(&n->file, &n->life, n->have);
        if (err) {
            snprintf(n->link.why, sizeof(n->link.why),
                     "writing what was confirmed: %s", strerror(-err));
            outcome = IL_RETRY;
        }
    }
    if (outcome < 0)
        return outcome;
    il_settle(ack, outcome, outcome ? n->link.why : NULL);
    return 0;
}

/* --- looking without changing ---------------------------------------------- */

static int
nats_probe(void *self, struct il_text *out)
{
    struct nats *n = self;
    int anew;
    const int create = n->link.opt.create;
    n->link.opt.create = 0;
    const int outcome = link_ready(&n->link, &anew);
    n->link.opt.create = create;
    link_close(&n->link);
    const size_t len = strlen(n->link.why);
    if (!outcome)
        return 0;
    if (il_text_reserve(n->host, out, len + 1))
        return -ENOMEM;
    memcpy(out->data + out->len, n->link.why, len);
    out->data[out->len + len] = '\n';
    out->len += len + 1;
    return -EACCES;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .threads = IL_SERIAL_INSTANCE,
    .name = "stream.nats",
    .version = "1.0",
    .summary = "Publish events to a JetStream stream, for other nodes.",
    .options = nats_options,
    .open = nats_open,
    .start = nats_start,
    .write = nats_write,
    .resume = nats_resume,
    .stop = nats_stop,
    .close = nats_close,
    .probe = nats_probe,
};

/* SPDX-License-Identifier: MIT */
/* The connection to the servers, and what is asked of them.  One thread.
 *
 * The library's own reconnecting is off: whatever breaks, the connection is made
 * anew by the next call, and then the last message of each subject tells what
 * came in. */
#ifndef LINK_H
#define LINK_H

#include "bundle.h"

#include <ingestlayer/plugin.h>
#include <nats/nats.h>

struct link_options {
    const struct il_conf *conf;
    const char *stream, *subject; /* its first token */
    uint32_t partitions, replicas;
    int create;
    int64_t timeout_ms;
};

struct link {
    const struct il_host *host;
    struct link_options opt;
    natsConnection *conn;
    jsCtx *js;
    size_t max_payload;
    char why[400]; /* of the last failure */
};

/* The last message of a subject. */
struct link_last {
    uint64_t seq;            /* 0: there is none */
    struct bundle_said said; /* of it */
    char lane[256];
};

/* A connection, and a stream that keeps what it takes.  All answer IL_OK, or
 * IL_RETRY or IL_PAUSE with why.  *anew: it was made just now. */
int link_ready(struct link *, int *anew);
void link_close(struct link *);
/* il_conf_error() for what the table of options cannot check. */
int link_check_options(const struct il_conf *);
int link_last(struct link *, const char *subject, struct link_last *out);
/* Publish data behind the message seq of that subject (0: as the first).  *seq
 * becomes its own.  After IL_RETRY it may be there all the same. */
int link_publish(struct link *, const char *subject, const char *lane,
                 const struct bundle_said *, const char *data, size_t len,
                 uint64_t *seq);

#endif

/* SPDX-License-Identifier: MIT */
/* One mail and what came of it: what transport.c runs many of. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "easy.h"
#include "smtp.h"

struct transfer {
    struct transfer *next;
    const struct easy_options *options;
    char *url;
    const void *body;
    size_t len;
    uint32_t timeout_ms;
    void (*done)(void *arg, const struct transport_answer *);
    void *arg;

    CURL *easy; /* NULL: not begun */
    struct easy_call call;
    size_t head_len, body_len; /* of replies, that were read */
    struct smtp smtp;
    size_t keep; /* bytes of the last reply */
    char kept[];
};

/* 0, -ENOMEM or -EINVAL as transport_submit(); *out is owned by the caller. */
int transfer_new(const struct easy_options *, const struct transport_request *,
                 struct transfer **out);
/* Accepts NULL. */
void transfer_free(struct transfer *);

/* Make its handle: 0, or -ENOMEM. */
int transfer_begin(struct transfer *);
/* More of the last reply. */
void transfer_keep(struct transfer *, const char *bytes, size_t len);
/* It has come to its end with this code, or was given up; calls done(). */
void transfer_end(struct transfer *, CURLcode, int cancelled);

#endif

/* SPDX-License-Identifier: MIT */
/* One request and its answer: what transport.c runs many of. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "smtp.h"
#include "transport.h"

#include <curl/curl.h>
#include <stdatomic.h>

#define TRANSFER_TEXTS 6

/* Of what the config says, and of all transfers. */
struct transfer_options {
    struct transport_options of; /* texts are owned */
    char *texts[TRANSFER_TEXTS];
    _Atomic int64_t give_up_ms; /* of the monotonic clock; 0: never */
};

int64_t transfer_now_ms(void);
/* Has the time come at which nothing is waited for any more? */
int transfer_given_up(const struct transfer_options *);

#define TRANSFER_HEADER_MAX 128

struct transfer {
    struct transfer *next, *prev;
    const struct transfer_options *options;
    char *url, *method;
    struct curl_slist *headers;
    const void *body;
    size_t len;
    uint32_t timeout_ms;
    void (*done)(void *arg, const struct transport_answer *);
    void *arg;

    CURL *easy; /* NULL: not begun */
    int spare;  /* it has served another before */
    char error[CURL_ERROR_SIZE];
    size_t head_len, body_len; /* that were read */
    int head_done;             /* of a final answer */
    int has_retry_after;
    char retry_after[TRANSFER_HEADER_MAX];
    int opened;              /* a socket was */
    const char *refused_why; /* the last address that may not be */
    char refused[ADDRESS_TEXT];
    struct smtp smtp;
    size_t keep; /* bytes of the body */
    char kept[];
};

/* 0, -ENOMEM or -EINVAL as transport_submit(); *out is owned by the caller. */
int transfer_new(const struct transfer_options *,
                 const struct transport_request *, struct transfer **out);
/* Accepts NULL.  The easy handle must be out of its multi handle. */
void transfer_free(struct transfer *);

/* Take this easy handle, which transfer_spare() gave back, or with NULL make one.
 * 0, or -ENOMEM; it is the transfer's in any case. */
int transfer_begin(struct transfer *, CURL *spare);
/* The easy handle of one that has ended with this code, to be used for another
 * (the caller's then), or NULL: it is freed with the transfer. */
CURL *transfer_spare(struct transfer *, CURLcode);
/* More of the answer's body. */
void transfer_keep(struct transfer *, const char *bytes, size_t len);
/* It has come to its end with this code, or was given up; calls done(). */
void transfer_end(struct transfer *, CURLcode, int cancelled);

#endif

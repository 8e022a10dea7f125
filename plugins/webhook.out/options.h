/* SPDX-License-Identifier: MIT */
/* What the operator wrote, read once by open() and constant from then on: any
 * thread may read it without a lock. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "address.h"
#include "pace.h"
#include "schedule.h"
#include "sign.h"
#include "transport.h"

#include <ingestlayer/plugin.h>

/* A template, and whether the event has a say in it. */
struct out_text {
    struct il_template *of; /* NULL: the option is not there */
    int is_template;
};

/* A header, or a field of the body. */
struct out_pair {
    const char *name;
    struct out_text value;
};

enum out_attempts {
    OUT_ATTEMPTS_ALL,
    OUT_ATTEMPTS_FAILURES,
    OUT_ATTEMPTS_NONE
};

struct out_kind;

struct out_options {
    const struct out_kind *kind; /* NULL in tests: webhook.out's own */
    void *own;                   /* data of the kind */
    struct out_text url, body, target, order; /* order: of order_key */
    const char *literal_url; /* where url is no template; else NULL */
    int host_varies;         /* the event decides where it goes */
    char *made_url; /* literal_url, where out_options_url() was told it */
    char *origin;            /* scheme://host:port as written; else NULL */
    const char **hosts;      /* globs; where host_varies */
    size_t host_count;
    const char *method, *content_type;
    struct out_pair *headers, *fields;
    size_t header_count, field_count;
    struct signer signer; /* without keys: nothing is signed */
    char *authorization;  /* value of the header, or NULL */
    char **hidden; /* what no text may show, NULL-ended: see scrub_answer() */
    size_t hidden_count;
    struct schedule schedule;
    int64_t retry_after_max_ms;
    int64_t *reject; /* statuses */
    size_t reject_count;
    uint32_t timeout_ms, concurrency;
    struct pace rate;
    int verify;
    struct address_rules addresses;
    struct address_net *nets;
    const char *proxy, *ca_file, *cert, *key;
    const char *from;                /* of mail: an address */
    int plain;                       /* of mail: no TLS with smtp:// */
    const char *username, *password; /* of mail: both, or NULL */
    enum out_attempts attempts;
    uint64_t max_parked, max_parked_bytes;
};

/* For the descriptor. */
extern const struct il_option out_option_table[];

/* Of a cleared structure, but for kind and own.  0 or -ENOMEM; then
 * out_options_close() is still to be called, as after each failure below. */
int out_options_begin(struct out_options *);
/* Read what webhook.out has.  0, or a negative errno after findings, one for each
 * thing that is wrong. */
int out_options_open(struct out_options *, const struct il_host *,
                     const struct il_conf *);
/* For other kinds: read common.inc, concurrency and rate, once it is known where
 * to.  As out_options_open(). */
int out_options_common(struct out_options *, const struct il_host *,
                       const struct il_conf *);
/* Where all events go to, a copy of which is made; findings are against this
 * key. */
int out_options_url(struct out_options *, const struct il_conf *,
                    const char *key, const char *url);
/* Authorization: Bearer, with the token that key has. */
int out_options_bearer(struct out_options *, const struct il_conf *,
                       const char *key);
/* What SMTP logs in with, where the options username and password are there. */
int out_options_login(struct out_options *, const struct il_conf *);
/* A copy of what no text may show.  0 or -ENOMEM. */
int out_options_hide(struct out_options *, const char *text);
#define OUT_DAY_MS INT64_C(86400000) /* for common.inc */
void out_options_close(struct out_options *, const struct il_host *);

enum transport_speech out_speech(const struct out_options *);
/* Has the event a say in this text, as a template? */
int out_is_template(const char *text);
/* Does a host, or what else hosts are the globs of, fit one of them?  * is any
 * run of characters. */
int out_host_fits(const struct out_options *, const char *host);
/* Is an answer of this status never to be tried again? */
int out_rejects(const struct out_options *, long status);

#endif

/* SPDX-License-Identifier: MIT */
/* What handshake.c, hook.c, scheme.c, schemes.c, take.c and verify.c share. */
#ifndef HOOK_H
#define HOOK_H

#include "pick.h"
#include "signature.h"

#define PARTS_MAX 16

/* What a signature is made over, in order. */
enum part_kind {
    PART_END, /* of a list that is shorter than PARTS_MAX */
    PART_TEXT,
    PART_BODY,
    PART_TIMESTAMP,
    PART_HEADER,
    PART_OPTIONAL, /* a header, which need not be there */
    PART_METHOD,
    PART_PATH,
    PART_URL,  /* as the sender knows it: the config says */
    PART_FORM, /* names and values of a form's fields, sorted; else nothing */
    PART_ITEM  /* what the signature's header holds behind a prefix */
};
struct part {
    enum part_kind kind;
    /* Of PART_TEXT, name of PART_HEADER, prefix of PART_ITEM. */
    const char *text;
};

enum digest { DIGEST_SHA256, DIGEST_SHA1, DIGEST_SHA384, DIGEST_SHA512 };

#define TOLERANCE_S 300

/* How a sender signs, and where it puts what an event needs.  What a row of
 * the table in schemes.c leaves out is HMAC-SHA256 of the body, in hex. */
struct scheme {
    const char *name;
    const char *header; /* of the signature; NULL: there is none */
    struct signature_form form;
    enum digest digest;
    struct part parts[PARTS_MAX];
    size_t part_count;            /* set by scheme_open() */
    const char *separator;        /* between parts */
    const char *timestamp_header; /* NULL: none, or form.timestamp_prefix */
    const char *timestamp_body;   /* a pick; the body is signed, and so is it */
    int tolerance_s;              /* 0: TOLERANCE_S */
    const char *types[4], *keys[3]; /* picks, tried in order */
    int base64_secrets;             /* whsec_<base64>, whpk_<base64> */
    const char *alias[2]; /* headers that begin with the first may begin with
                           * the second */
    int challenge;        /* Slack's url_verification */
    int receipt; /* status of an answer without a body; 0: the gate's own */
    int batch;   /* a body that is an array holds an event in each element */
    int url_decoded; /* PART_URL: HubSpot decodes some characters */
    int body_hash;   /* Twilio's: bodySHA256 in the URL covers the body */
    /* Another way of signing, where an item of a header says so. */
    struct {
        const struct scheme *scheme;
        const char *header, *prefix;
    } other;
    /* Without a key that is signed, or that the config names, what is signed
     * is the key: sent again by whoever has seen it, it is no other event. */
    int content_key;
};

struct secret {
    const unsigned char *bytes;
    size_t len;
    unsigned char *made; /* bytes, where they had to be decoded */
    int is_public;       /* of an Ed25519 key pair */
    struct il_sender *sender;
};

enum hook_auth { AUTH_SIGNED, AUTH_BEARER, AUTH_NONE };

struct picks {
    struct pick **at;
    size_t count;
};

struct hook {
    const struct il_host *host;
    const char **tokens;
    size_t token_count;
    enum hook_auth auth;
    struct scheme scheme;
    struct secret *secrets;
    size_t secret_count;
    int64_t tolerance_us;
    struct pick *time; /* of scheme.timestamp_body */
    char **urls;       /* as they are signed */
    size_t url_count;
    int batch;
    const char **origins; /* that the handshake says yes to */
    size_t origin_count;
    int64_t per_minute; /* 0: any rate */
    struct picks types, keys;
    int own_keys;   /* they are the scheme's, not the config's */
    char *fallback; /* NAME.received */
    struct il_counter *unsigned_, *malformed, *stale, *wrong, *unknown;
    int64_t logged_us; /* atomically: the last line about a refusal */
    uint64_t unlogged; /* refusals since */
};

/* schemes.c: those that are known by name, in the order of choices. */
#define SCHEMES                                                                \
    "ingestlayer|github|stripe|slack|standard|svix|shopify|paddle|hubspot|"    \
    "twilio|pagerduty|linear|zendesk|cloudevents|generic"
/* NULL: there is none. */
const struct scheme *scheme_named(const char *name);

/* scheme.c: the options about signatures into hook->scheme, ->secrets, ->urls
 * and ->tolerance_us.  0 or a negative errno after il_conf_error(). */
int scheme_open(struct hook *, const struct il_conf *);
void scheme_close(struct hook *);
/* Does the sender put a time under its signature? */
int scheme_has_time(const struct scheme *);

/* handshake.c: the option handshake.  0 or a negative errno after
 * il_conf_error(). */
int handshake_open(struct hook *, const struct il_conf *);
/* May this sender deliver here? */
int handshake_allows(const struct hook *, const char *origin);
/* Tell it that it may. */
void handshake_answer(const struct hook *, struct il_request *);

/* take.c: the body of a sender who is known.  Answers the request. */
void hook_take(struct hook *, struct il_request *, const char *body,
               size_t len);
/* Is the body called a form? */
int hook_is_form(const struct il_request *);
/* Answer 503. */
void hook_no_memory(struct il_request *);

/* verify.c */
enum verdict {
    VERIFY_OK,
    VERIFY_MISSING,   /* a header that the scheme needs is not there */
    VERIFY_MALFORMED, /* it cannot be read */
    VERIFY_STALE,     /* signed too long ago, or in the future */
    VERIFY_WRONG,
    VERIFY_UNCOVERED, /* nothing of what is signed is the body */
    VERIFY_NO_MEMORY
};
/* VERIFY_OK: by this secret. */
enum verdict verify(const struct hook *, struct il_request *, const void *body,
                    size_t len, const struct secret **by);
/* The scheme, or its other form: how this request is signed. */
const struct scheme *verify_form(const struct hook *, struct il_request *);
/* The hash of what is signed, in hex.  0 or -ENOMEM. */
#define VERIFY_HASH 65
int verify_hash(const struct hook *, struct il_request *, const void *body,
                size_t len, char out[VERIFY_HASH]);
/* The SHA-256 of bytes, in hex.  0 or -ENOMEM. */
int verify_sha256(const void *bytes, size_t len, char out[VERIFY_HASH]);
/* A header of the scheme, under either of its names. */
const char *verify_header(const struct scheme *, struct il_request *,
                          const char *name);
/* The size of a digest in bytes. */
size_t verify_size(enum digest);

#endif

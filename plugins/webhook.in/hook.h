/* SPDX-License-Identifier: MIT */
/* What hook.c, scheme.c, take.c and verify.c share. */
#ifndef HOOK_H
#define HOOK_H

#include "pick.h"
#include "signature.h"

#define PARTS_MAX 16

/* What a signature is made over, in order. */
enum part_kind {
    PART_TEXT,
    PART_BODY,
    PART_TIMESTAMP,
    PART_HEADER,
    PART_OPTIONAL, /* a header, which need not be there */
    PART_METHOD,
    PART_PATH
};
struct part {
    enum part_kind kind;
    const char *text; /* of PART_TEXT, name of PART_HEADER */
};

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

/* How a sender signs, and where it puts what an event needs. */
struct scheme {
    const char *name;
    const char *header; /* of the signature */
    struct signature_form form;
    enum digest digest;
    struct part parts[PARTS_MAX];
    size_t part_count;
    const char *separator;          /* between parts */
    const char *timestamp_header;   /* NULL: none, or form.timestamp_prefix */
    const char *types[2], *keys[3]; /* picks, tried in order */
    int base64_secrets;             /* whsec_<base64>, whpk_<base64> */
    int alias;                      /* webhook-* headers may be called svix-* */
    int slack; /* url_verification, and answers without a body */
    /* Another form of the signature's header, with a time in it. */
    const struct scheme *timed;
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
    struct picks types, keys;
    int own_keys;   /* they are the scheme's, not the config's */
    char *fallback; /* NAME.received */
    struct il_counter *unsigned_, *malformed, *stale, *wrong, *unknown;
    int64_t logged_us; /* atomically: the last line about a refusal */
    uint64_t unlogged; /* refusals since */
};

/* scheme.c: the options about signatures into hook->scheme, ->secrets and
 * ->tolerance_us.  0 or a negative errno after il_conf_error(). */
int scheme_open(struct hook *, const struct il_conf *);
void scheme_close(struct hook *);
/* Does the sender put a time under its signature? */
int scheme_has_time(const struct scheme *);

/* take.c: the body of a sender who is known.  Answers the request. */
void hook_take(struct hook *, struct il_request *, const char *body,
               size_t len);
/* Answer 503. */
void hook_no_memory(struct il_request *);

/* verify.c */
enum verdict {
    VERIFY_OK,
    VERIFY_MISSING,   /* a header that the scheme needs is not there */
    VERIFY_MALFORMED, /* it cannot be read */
    VERIFY_STALE,     /* signed too long ago, or in the future */
    VERIFY_WRONG,
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
/* A header of the scheme, under either of its names. */
const char *verify_header(const struct scheme *, struct il_request *,
                          const char *name);
/* The size of a digest in bytes. */
size_t verify_size(enum digest);

#endif

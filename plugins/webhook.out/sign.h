/* SPDX-License-Identifier: MIT */
/* Signatures over what is sent.
 *
 *   standard     Standard Webhooks v1: webhook-id, webhook-timestamp,
 *                webhook-signature: "v1,BASE64 v1,BASE64", HMAC-SHA256 of
 *                "id.timestamp.body"
 *   ed25519      the same as v1a, by a private key
 *   ingestlayer  X-Ingest-Signature: "t=TIMESTAMP,sha256=HEX", over
 *                "timestamp.id.body"; the id is in Idempotency-Key
 *
 * Each secret makes one signature, so that a receiver can change over from one
 * secret to the next.  No message has a secret in it, or a part of one. */
#ifndef SIGN_H
#define SIGN_H

#include <stddef.h>
#include <stdint.h>

enum sign_kind { SIGN_STANDARD, SIGN_ED25519, SIGN_INGESTLAYER };

#define SIGN_KEYS_MAX 8

struct sign_key;

/* Any thread may sign, one at a time.  { 0 } has no keys. */
struct signer {
    enum sign_kind kind;
    struct sign_key *keys[SIGN_KEYS_MAX];
    size_t count;
};

/* Headers, in the order in which they are sent. */
#define SIGN_VALUE_MAX (SIGN_KEYS_MAX * 96 + 32)
struct sign_header {
    const char *name;
    char value[SIGN_VALUE_MAX];
};
#define SIGN_HEADERS 3

/* Add a secret: "whsec_" and base64, or base64 alone (standard), "whsk_" and
 * base64 of a seed or of seed and public key (ed25519), any text (ingestlayer);
 * it is copied.  0, -ENOMEM, or -EINVAL with *why, a constant that completes
 * "is ...". */
int signer_add(struct signer *, const char *secret, const char **why);
/* Wipe and free the keys. */
void signer_free(struct signer *);

/* The public key of key i of ed25519, "whpk_" and base64, for a person. */
#define SIGN_PUBLIC_MAX 64
void signer_public(const struct signer *, size_t i, char out[SIGN_PUBLIC_MAX]);

/* Sign a body that is sent under id at time_s (seconds since 1970).  Sets *count
 * headers, at most SIGN_HEADERS.  0 or -ENOMEM. */
int signer_sign(const struct signer *, const char *id, int64_t time_s,
                const void *body, size_t len,
                struct sign_header headers[SIGN_HEADERS], size_t *count);

#endif

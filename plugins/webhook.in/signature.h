/* SPDX-License-Identifier: MIT */
/* What senders write into signature headers.  Hostile text: nothing here
 * allocates, and what does not fit is left out. */
#ifndef SIGNATURE_H
#define SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

/* The longest digest, SHA-512, which is also the size of an Ed25519
 * signature. */
#define SIGNATURE_BYTES 64
/* While secrets are rotated senders sign with each; a header may hold so
 * many. */
#define SIGNATURE_MAX 16
/* What parts the items of a header, unless a scheme says otherwise. */
#define SIGNATURE_SPLIT ", ;"

enum signature_encoding { SIGNATURE_HEX, SIGNATURE_BASE64 };

/* How a header is written: items parted by any of the characters in split,
 * each beginning with a word that says what it is.  What follows it may stand
 * in quotes. */
struct signature_form {
    const char *split;
    const char *prefix;           /* of a signature; "" where there is none */
    int prefix_optional;          /* "sha256=<hex>" or bare */
    const char *public_prefix;    /* of an Ed25519 signature, or NULL */
    const char *timestamp_prefix; /* of the time, or NULL */
    enum signature_encoding encoding;
    size_t size; /* bytes of a digest */
};

struct signature {
    int is_public; /* Ed25519 */
    unsigned char bytes[SIGNATURE_BYTES];
};

struct signatures {
    struct signature at[SIGNATURE_MAX];
    size_t count;
    const char *timestamp; /* in the header; NULL: none */
    size_t timestamp_len;
};

/* Read a header.  0, or -EINVAL when there is no well-formed signature in it
 * or the time comes twice. */
int signature_read(const struct signature_form *, const char *header,
                   struct signatures *out);

/* What an item that begins with the prefix goes on with.  NULL: there is none,
 * or more than one. */
const char *signature_item(const struct signature_form *, const char *header,
                           const char *prefix, size_t *len);

/* A time in microseconds since 1970: seconds (up to 11 digits) or milliseconds
 * (12 to 14) since then, or RFC 3339's "2026-01-31T12:00:00.5Z".  0 or
 * -EINVAL. */
int signature_time(const char *text, size_t len, int64_t *us);

/* Decode text into at most max bytes; base64 with either alphabet, padded or
 * not.  The number of bytes, or -EINVAL. */
long signature_unhex(const char *text, size_t len, unsigned char *out,
                     size_t max);
long signature_unbase64(const char *text, size_t len, unsigned char *out,
                        size_t max);

#endif

/* SPDX-License-Identifier: MIT */
#include "sign.h"

#include "base64.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a guess would find, and what the header of a secret can hold. */
#define SECRET_MIN 16
#define SECRET_MAX 128
#define SEED 32
#define HMAC 32
#define SIGNATURE 64

struct sign_key {
    uint8_t secret[SECRET_MAX];
    size_t len;
    gnutls_hmac_hd_t hmac;    /* with the key in it; ed25519: NULL */
    gnutls_privkey_t private; /* ed25519; else NULL */
    uint8_t public[SEED];
};

/* --- base64 --------------------------------------------------------------- */

static int
digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strictly: padded or not, no bits left over.  Bytes, or -1. */
static long
unbase64(const char *text, uint8_t *out, size_t size)
{
    size_t len = strlen(text), n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    if (len % 4 == 0 && len && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    for (size_t i = 0; i < len; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t) digit;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (n == size)
            return -1;
        out[n++] = (uint8_t) (bits >> have);
    }
    return len % 4 == 1 || bits & ((1u << have) - 1) ? -1 : (long) n;
}

/* --- keys ----------------------------------------------------------------- */

/* Wrapped in PKCS #8 (RFC 8410), from which every version of GnuTLS makes the
 * public half by itself. */
static int
import_seed(struct sign_key *key, const char **why)
{
    static const uint8_t head[] = { 0x30, 0x2e, 2,    1,    0, 0x30, 5, 6,
                                    3,    0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20 };
    uint8_t der[sizeof(head) + SEED];
    const gnutls_datum_t data = { der, sizeof(der) };
    gnutls_datum_t public = { NULL, 0 };
    gnutls_x509_privkey_t x509 = NULL;
    gnutls_ecc_curve_t curve;
    int rc = gnutls_x509_privkey_init(&x509);
    memcpy(der, head, sizeof(head));
    memcpy(der + sizeof(head), key->secret, SEED);
    if (rc >= 0)
        rc = gnutls_x509_privkey_import_pkcs8(x509, &data, GNUTLS_X509_FMT_DER,
                                              NULL, GNUTLS_PKCS_PLAIN);
    if (rc >= 0)
        rc = gnutls_privkey_init(&key->private);
    if (rc >= 0)
        rc = gnutls_privkey_import_x509(key->private, x509,
                                        GNUTLS_PRIVKEY_IMPORT_COPY);
    if (rc >= 0)
        rc = gnutls_privkey_export_ecc_raw(key->private, &curve, &public, NULL,
                                           NULL);
    if (rc >= 0 && public.size == SEED)
        memcpy(key->public, public.data, SEED);
    gnutls_free(public.data);
    if (x509)
        gnutls_x509_privkey_deinit(x509);
    gnutls_memset(der, 0, sizeof(der));
    if (rc == GNUTLS_E_MEMORY_ERROR)
        return -ENOMEM;
    *why = "no private key that can be used";
    return rc < 0 || public.size != SEED ? -EINVAL : 0;
}

static int
read_private(struct sign_key *key, const char *secret, const char **why)
{
    uint8_t both[2 * SEED];
    *why = "not \"whsk_\" and the base64 of a private key, its 32 bytes or "
           "these and the 32 of its public key";
    if (!strncmp(secret, "whpk_", 5)) {
        *why = "a public key, which is the receiver's; the private one, "
               "whsk_..., is needed to sign";
        return -EINVAL;
    }
    if (strncmp(secret, "whsk_", 5))
        return -EINVAL;
    long n = unbase64(secret + 5, both, sizeof(both));
    if (n != SEED && n != 2 * SEED)
        return -EINVAL;
    memcpy(key->secret, both, SEED);
    key->len = SEED;
    int err = import_seed(key, why);
    if (!err && n == 2 * SEED && memcmp(both + SEED, key->public, SEED)) {
        *why = "no key pair: its second half is not the public key of the "
               "first";
        err = -EINVAL;
    }
    gnutls_memset(both, 0, sizeof(both));
    return err;
}

static int
read_standard(struct sign_key *key, const char *secret, const char **why)
{
    if (!strncmp(secret, "whsk_", 5) || !strncmp(secret, "whpk_", 5)) {
        *why = "a key of Ed25519; write signing = \"ed25519\"";
        return -EINVAL;
    }
    *why = "not \"whsec_\" and the base64 of 16 to 128 bytes";
    long n = unbase64(secret + (strncmp(secret, "whsec_", 6) ? 0 : 6),
                      key->secret, sizeof(key->secret));
    if (n < SECRET_MIN)
        return -EINVAL;
    key->len = (size_t) n;
    return 0;
}

static int
read_text(struct sign_key *key, const char *secret, const char **why)
{
    size_t len = strlen(secret);
    *why = "empty, or longer than 128 bytes";
    if (!len || len > sizeof(key->secret))
        return -EINVAL;
    memcpy(key->secret, secret, len);
    key->len = len;
    return 0;
}

static void
key_free(struct sign_key *key)
{
    if (key->hmac)
        gnutls_hmac_deinit(key->hmac, NULL);
    if (key->private)
        gnutls_privkey_deinit(key->private);
    gnutls_memset(key, 0, sizeof(*key));
    free(key);
}

int
signer_add(struct signer *s, const char *secret, const char **why)
{
    if (s->count == SIGN_KEYS_MAX) {
        *why = "one too many; each request carries a signature of each, and 8 "
               "are the most";
        return -EINVAL;
    }
    struct sign_key *key = calloc(1, sizeof(*key));
    if (!key)
        return -ENOMEM;
    int err = s->kind == SIGN_ED25519    ? read_private(key, secret, why)
              : s->kind == SIGN_STANDARD ? read_standard(key, secret, why)
                                         : read_text(key, secret, why);
    if (!err && s->kind != SIGN_ED25519
        && gnutls_hmac_init(&key->hmac, GNUTLS_MAC_SHA256, key->secret,
                            key->len)
               < 0)
        err = -ENOMEM;
    if (err)
        key_free(key);
    else
        s->keys[s->count++] = key;
    return err;
}

void
signer_free(struct signer *s)
{
    while (s->count)
        key_free(s->keys[--s->count]);
}

void
signer_public(const struct signer *s, size_t i, char out[SIGN_PUBLIC_MAX])
{
    memcpy(out, "whpk_", 5);
    base64(s->keys[i]->public, SEED, out + 5);
}

/* --- signing -------------------------------------------------------------- */

/* What is signed: a few bytes, and the body behind them. */
struct message {
    const char *head;
    size_t head_len;
    const void *body;
    size_t len;
};

static int
hmac(const struct sign_key *key, const struct message *m, uint8_t out[HMAC])
{
    int bad = gnutls_hmac(key->hmac, m->head, m->head_len) < 0
              || (m->len && gnutls_hmac(key->hmac, m->body, m->len) < 0);
    gnutls_hmac_output(key->hmac, out); /* and it is as at first */
    return bad ? -ENOMEM : 0;
}

static int
ed25519(const struct sign_key *key, const struct message *m,
        uint8_t out[SIGNATURE])
{
    gnutls_datum_t signature = { NULL, 0 };
    gnutls_datum_t data = { malloc(m->head_len + m->len),
                            (unsigned) (m->head_len + m->len) };
    if (!data.data)
        return -ENOMEM;
    memcpy(data.data, m->head, m->head_len);
    if (m->len)
        memcpy(data.data + m->head_len, m->body, m->len);
    int rc = gnutls_privkey_sign_data2(key->private, GNUTLS_SIGN_EDDSA_ED25519,
                                       0, &data, &signature);
    const int good = rc >= 0 && signature.size == SIGNATURE;
    if (good)
        memcpy(out, signature.data, SIGNATURE);
    gnutls_free(signature.data);
    free(data.data);
    return good ? 0 : -ENOMEM;
}

/* Append one signature at p; its end goes to *end. */
static int
put_signature(const struct signer *s, size_t i, const struct message *m,
              char *p, char **end)
{
    uint8_t bytes[SIGNATURE];
    int err = s->kind == SIGN_ED25519 ? ed25519(s->keys[i], m, bytes)
                                      : hmac(s->keys[i], m, bytes);
    if (err)
        return err;
    if (s->kind == SIGN_INGESTLAYER) {
        p += sprintf(p, ",sha256=");
        for (size_t k = 0; k < HMAC; k++)
            p += sprintf(p, "%02x", bytes[k]);
    } else {
        p += sprintf(p, "%s%s,", i ? " " : "",
                     s->kind == SIGN_ED25519 ? "v1a" : "v1");
        p = base64(bytes, s->kind == SIGN_ED25519 ? SIGNATURE : HMAC, p);
    }
    *end = p;
    return 0;
}

/* Names and values but for the signature's, which is the last of them. */
static size_t
put_names(const struct signer *s, const char *id, int64_t time_s,
          struct sign_header headers[SIGN_HEADERS])
{
    if (s->kind == SIGN_INGESTLAYER) {
        headers[0].name = "Idempotency-Key";
        snprintf(headers[0].value, SIGN_VALUE_MAX, "%s", id);
        headers[1].name = "X-Ingest-Signature";
        snprintf(headers[1].value, SIGN_VALUE_MAX, "t=%lld",
                 (long long) time_s);
        return 2;
    }
    headers[0].name = "webhook-id";
    snprintf(headers[0].value, SIGN_VALUE_MAX, "%s", id);
    headers[1].name = "webhook-timestamp";
    snprintf(headers[1].value, SIGN_VALUE_MAX, "%lld", (long long) time_s);
    headers[2].name = "webhook-signature";
    *headers[2].value = 0;
    return 3;
}

int
signer_sign(const struct signer *s, const char *id, int64_t time_s,
            const void *body, size_t len,
            struct sign_header headers[SIGN_HEADERS], size_t *count)
{
    char head[SIGN_VALUE_MAX];
    int n =
        s->kind == SIGN_INGESTLAYER
            ? snprintf(head, sizeof(head), "%lld.%s.", (long long) time_s, id)
            : snprintf(head, sizeof(head), "%s.%lld.", id, (long long) time_s);
    if (n < 0 || (size_t) n >= sizeof(head) || len > UINT32_MAX - (size_t) n)
        return -ENOMEM; /* an id that is none of ours */
    const struct message m = { head, (size_t) n, body, len };
    *count = put_names(s, id, time_s, headers);
    char *p = headers[*count - 1].value;
    p += strlen(p);
    int err = 0;
    for (size_t i = 0; i < s->count && !err; i++)
        err = put_signature(s, i, &m, p, &p);
    return err;
}

/* SPDX-License-Identifier: MIT */
/* Is a request signed by one of the secrets?
 *
 * Every signature is compared with every secret, whichever fits, so that the
 * time taken tells nothing about them. */
#include "hook.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    gnutls_mac_algorithm_t mac;
    size_t size;
} digests[] = {
    [DIGEST_SHA1] = { GNUTLS_MAC_SHA1, 20 },
    [DIGEST_SHA256] = { GNUTLS_MAC_SHA256, 32 },
    [DIGEST_SHA384] = { GNUTLS_MAC_SHA384, 48 },
    [DIGEST_SHA512] = { GNUTLS_MAC_SHA512, 64 },
};

/* A request and what its signature covers. */
struct message {
    const struct hook *hook;
    const struct scheme *scheme;
    struct il_request *req;
    const void *body;
    size_t len;
    const char *timestamp;
    size_t timestamp_len;
};

size_t
verify_size(enum digest digest)
{
    return digests[digest].size;
}

const char *
verify_header(const struct scheme *s, struct il_request *req, const char *name)
{
    char other[64];
    const char *value = il_request_header(req, name);
    if (value || !s->alias || strncasecmp(name, "webhook-", 8))
        return value;
    snprintf(other, sizeof(other), "svix-%s", name + 8);
    return il_request_header(req, other);
}

/* Part i; NULL where its header is missing. */
static const void *
part_text(const struct message *m, size_t i, size_t *len)
{
    const struct part *p = &m->scheme->parts[i];
    const char *text = p->text;
    switch (p->kind) {
    case PART_BODY:
        *len = m->len;
        return m->body;
    case PART_TIMESTAMP:
        *len = m->timestamp_len;
        return m->timestamp;
    case PART_HEADER:
    case PART_OPTIONAL:
        text = verify_header(m->scheme, m->req, p->text);
        break;
    case PART_METHOD:
        text = il_request_method(m->req);
        break;
    case PART_PATH:
        text = il_request_path(m->req);
        break;
    case PART_TEXT:
        break;
    }
    *len = text ? strlen(text) : 0;
    return text;
}

/* Give all that is signed to put(), in order.  0 or what put() failed with. */
static int
each_part(const struct message *m,
          int (*put)(void *arg, const void *bytes, size_t len), void *arg)
{
    const struct scheme *s = m->scheme;
    size_t separator = strlen(s->separator), len;
    int err = 0;
    for (size_t i = 0; i < s->part_count && !err; i++) {
        if (i && separator)
            err = put(arg, s->separator, separator);
        const void *text = part_text(m, i, &len);
        if (!err && len)
            err = put(arg, text, len);
    }
    return err;
}

static int
hash_part(void *arg, const void *bytes, size_t len)
{
    return gnutls_hmac(arg, bytes, len) < 0 ? -ENOMEM : 0;
}

/* 0 or -ENOMEM: nothing else can be wrong with it. */
static int
digest_of(const struct message *m, const struct secret *secret,
          unsigned char out[SIGNATURE_BYTES])
{
    gnutls_hmac_hd_t hmac;
    if (gnutls_hmac_init(&hmac, digests[m->scheme->digest].mac, secret->bytes,
                         secret->len)
        < 0)
        return -ENOMEM;
    int err = each_part(m, hash_part, hmac);
    gnutls_hmac_deinit(hmac, out);
    return err;
}

/* --- Ed25519 ------------------------------------------------------------- */

struct copy {
    const struct il_host *host;
    struct il_text *text;
};

static int
copy_part(void *arg, const void *bytes, size_t len)
{
    struct copy *c = arg;
    if (il_text_reserve(c->host, c->text, len))
        return -ENOMEM;
    memcpy(c->text->data + c->text->len, bytes, len);
    c->text->len += len;
    return 0;
}

static int
public_fits(const struct secret *secret, const struct il_text *text,
            const struct signature *signature)
{
    const gnutls_datum_t key = { (unsigned char *) (uintptr_t) secret->bytes,
                                 (unsigned) secret->len };
    const gnutls_datum_t data = { (unsigned char *) text->data,
                                  (unsigned) text->len };
    const gnutls_datum_t sig = { (unsigned char *) (uintptr_t) signature->bytes,
                                 SIGNATURE_BYTES };
    gnutls_pubkey_t public;
    if (gnutls_pubkey_init(&public) < 0)
        return 0;
    int fits = gnutls_pubkey_import_ecc_raw(public, GNUTLS_ECC_CURVE_ED25519,
                                            &key, NULL)
                   >= 0
               && gnutls_pubkey_verify_data2(public, GNUTLS_SIGN_EDDSA_ED25519,
                                             0, &data, &sig)
                      >= 0;
    gnutls_pubkey_deinit(public);
    return fits;
}

/* Ed25519 takes its text in one piece.  1, 0 or -ENOMEM. */
static int
try_public(const struct message *m, const struct signatures *signatures,
           const struct secret **by)
{
    const struct hook *h = m->hook;
    struct copy copy = { h->host, NULL };
    int wanted = 0, found = 0;
    for (size_t i = 0; i < signatures->count; i++)
        wanted |= signatures->at[i].is_public;
    if (!wanted)
        return 0;
    copy.text = il_text_new(h->host);
    int err = copy.text ? each_part(m, copy_part, &copy) : -ENOMEM;
    for (size_t k = 0; k < h->secret_count && !err && !found; k++) {
        *by = &h->secrets[k];
        for (size_t i = 0; i < signatures->count && !found; i++)
            found = (*by)->is_public && signatures->at[i].is_public
                    && public_fits(*by, copy.text, &signatures->at[i]);
    }
    if (copy.text)
        il_text_free(h->host, copy.text);
    return err ? err : found;
}

/* --- forms --------------------------------------------------------------- */

const struct scheme *
verify_form(const struct hook *h, struct il_request *req)
{
    const struct scheme *s = &h->scheme;
    const char *header = s->timed ? verify_header(s, req, s->header) : NULL;
    size_t len = header ? strlen(s->timed->form.timestamp_prefix) : 0;
    for (const char *p = header; p && *p;) {
        p += strspn(p, s->form.split);
        if (!strncmp(p, s->timed->form.timestamp_prefix, len))
            return s->timed;
        p += strcspn(p, s->form.split);
    }
    return s;
}

static int
content_part(void *arg, const void *bytes, size_t len)
{
    return gnutls_hash(arg, bytes, len) < 0 ? -ENOMEM : 0;
}

int
verify_hash(const struct hook *h, struct il_request *req, const void *body,
            size_t len, char out[VERIFY_HASH])
{
    struct message m = { .hook = h,
                         .scheme = verify_form(h, req),
                         .req = req,
                         .body = body,
                         .len = len };
    struct signatures signatures;
    unsigned char digest[32];
    gnutls_hash_hd_t hash;
    const char *header = verify_header(m.scheme, req, m.scheme->header);
    if (header && !signature_read(&m.scheme->form, header, &signatures)) {
        m.timestamp = signatures.timestamp;
        m.timestamp_len = signatures.timestamp_len;
    }
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return -ENOMEM;
    int err = each_part(&m, content_part, hash);
    gnutls_hash_deinit(hash, digest);
    for (size_t i = 0; i < sizeof(digest) && !err; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return err;
}

/* --- all of it ----------------------------------------------------------- */

/* 1, 0 or -ENOMEM. */
static int
try_secrets(const struct message *m, const struct signatures *signatures,
            const struct secret **by)
{
    const struct hook *h = m->hook;
    size_t size = verify_size(m->scheme->digest);
    unsigned char digest[SIGNATURE_BYTES];
    int found = 0;
    for (size_t k = 0; k < h->secret_count; k++) {
        if (h->secrets[k].is_public)
            continue;
        if (digest_of(m, &h->secrets[k], digest))
            return -ENOMEM;
        for (size_t i = 0; i < signatures->count; i++)
            if (!signatures->at[i].is_public
                && il_equal(h->host, signatures->at[i].bytes, size, digest,
                            size)) {
                *by = &h->secrets[k];
                found = 1;
            }
    }
    return found;
}

/* Find the time that is signed, and judge it. */
static enum verdict
check_time(struct message *m, const struct signatures *signatures)
{
    const struct hook *h = m->hook;
    const struct scheme *s = m->scheme;
    int64_t seconds;
    if (!s->timestamp_header && !s->form.timestamp_prefix)
        return VERIFY_OK;
    m->timestamp = signatures->timestamp;
    m->timestamp_len = signatures->timestamp_len;
    if (s->timestamp_header) {
        m->timestamp = verify_header(s, m->req, s->timestamp_header);
        m->timestamp_len = m->timestamp ? strlen(m->timestamp) : 0;
    }
    if (!m->timestamp)
        return VERIFY_MISSING;
    if (signature_time(m->timestamp, m->timestamp_len, &seconds))
        return VERIFY_MALFORMED;
    int64_t off = il_now_us(h->host) - seconds * 1000000;
    return off > h->tolerance_us || off < -h->tolerance_us ? VERIFY_STALE
                                                           : VERIFY_OK;
}

enum verdict
verify(const struct hook *h, struct il_request *req, const void *body,
       size_t len, const struct secret **by)
{
    const struct scheme *s = verify_form(h, req);
    struct signatures signatures;
    struct message m = {
        .hook = h, .scheme = s, .req = req, .body = body, .len = len
    };
    const char *header = verify_header(s, req, s->header);
    if (!header)
        return VERIFY_MISSING;
    if (signature_read(&s->form, header, &signatures))
        return VERIFY_MALFORMED;
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i].kind == PART_HEADER
            && !verify_header(s, req, s->parts[i].text))
            return VERIFY_MISSING;
    enum verdict verdict = check_time(&m, &signatures);
    if (verdict != VERIFY_OK)
        return verdict;
    int fits = try_secrets(&m, &signatures, by);
    if (!fits)
        fits = try_public(&m, &signatures, by);
    if (fits < 0)
        return VERIFY_NO_MEMORY;
    return fits ? VERIFY_OK : VERIFY_WRONG;
}

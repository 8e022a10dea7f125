/* SPDX-License-Identifier: MIT */
/* Is a request signed by one of the secrets?
 *
 * Every signature is compared with every secret, whichever fits, so that the
 * time taken tells nothing about them. */
#include "form.h"
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
    const char *url;            /* the one that is tried */
    const char *body_hash;      /* bodySHA256 of the URL, or NULL */
    const struct il_text *form; /* PART_FORM, or NULL */
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
    size_t len = s->alias[0] ? strlen(s->alias[0]) : 0;
    if (value || !len || strncasecmp(name, s->alias[0], len))
        return value;
    snprintf(other, sizeof(other), "%s%s", s->alias[1], name + len);
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
    case PART_URL:
        text = m->url;
        break;
    case PART_FORM:
        *len = m->form ? m->form->len : 0;
        return m->form ? m->form->data : "";
    case PART_ITEM:
        return signature_item(
            &m->scheme->form,
            verify_header(m->scheme, m->req, m->scheme->header), p->text, len);
    case PART_END:
    case PART_TEXT:
        break;
    }
    *len = text ? strlen(text) : 0;
    return text;
}

/* Twilio adds the body's hash to the URL, last. */
static int
put_body_hash(const struct message *m,
              int (*put)(void *arg, const void *bytes, size_t len), void *arg)
{
    static const char name[] = "bodySHA256=";
    int err = put(arg, strchr(m->url, '?') ? "&" : "?", 1);
    if (!err)
        err = put(arg, name, sizeof(name) - 1);
    return err ? err : put(arg, m->body_hash, strlen(m->body_hash));
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
        if (!err && s->parts[i].kind == PART_URL && m->body_hash)
            err = put_body_hash(m, put, arg);
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
    size_t len = s->other.scheme ? strlen(s->other.prefix) : 0;
    const char *p = len ? verify_header(s, req, s->other.header) : NULL;
    while (p && *p) {
        p += strspn(p, s->form.split);
        if (!strncmp(p, s->other.prefix, len))
            return s->other.scheme;
        p += strcspn(p, s->form.split);
    }
    return s;
}

int
verify_sha256(const void *bytes, size_t len, char out[VERIFY_HASH])
{
    unsigned char digest[32];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, len, digest) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return 0;
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

/* With each secret: 1, 0 or -ENOMEM. */
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

/* The same with each URL that the sender may have for us. */
static int
try_urls(struct message *m, const struct signatures *signatures,
         const struct secret **by)
{
    const struct hook *h = m->hook;
    int found = 0;
    if (!h->url_count)
        return try_secrets(m, signatures, by);
    for (size_t i = 0; i < h->url_count; i++) {
        m->url = h->urls[i];
        int fits = try_secrets(m, signatures, by);
        if (fits < 0)
            return fits;
        found |= fits;
    }
    return found;
}

static enum verdict
judge_time(const struct hook *h, const char *text, size_t len)
{
    int64_t us;
    if (signature_time(text, len, &us))
        return VERIFY_MALFORMED;
    int64_t off = il_now_us(h->host) - us;
    return off > h->tolerance_us || off < -h->tolerance_us ? VERIFY_STALE
                                                           : VERIFY_OK;
}

/* Find the time that is signed beside the body, and judge it. */
static enum verdict
check_time(struct message *m, const struct signatures *signatures)
{
    const struct scheme *s = m->scheme;
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
    return judge_time(m->hook, m->timestamp, m->timestamp_len);
}

/* The same in the body, once that is known to be the sender's.  What is no JSON
 * will be refused, so its time does not matter; a form would not. */
static enum verdict
check_body_time(const struct message *m)
{
    const struct hook *h = m->hook;
    char time[PICK_MAX];
    struct il_value body;
    if (!h->time)
        return VERIFY_OK;
    if (hook_is_form(m->req))
        return VERIFY_MISSING;
    struct il_text *text = il_text_new(h->host);
    int err =
        text ? il_read_json(h->host, text, m->body, m->len, &body) : -ENOMEM;
    size_t len = err ? 0 : pick_render(h->time, h->host, m->req, &body, time);
    if (text)
        il_text_free(h->host, text);
    if (err)
        return err == -ENOMEM ? VERIFY_NO_MEMORY : VERIFY_OK;
    return len ? judge_time(h, time, len) : VERIFY_MISSING;
}

/* Is everything there that is signed? */
static enum verdict
check_parts(const struct message *m)
{
    size_t len;
    for (size_t i = 0; i < m->scheme->part_count; i++) {
        enum part_kind kind = m->scheme->parts[i].kind;
        if ((kind == PART_HEADER || kind == PART_ITEM)
            && !part_text(m, i, &len))
            return VERIFY_MISSING;
    }
    return VERIFY_OK;
}

static int
signs(const struct scheme *s, enum part_kind kind)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i].kind == kind)
            return 1;
    return 0;
}

/* Where fields of a form are signed in place of the body: sort them into
 * *form.  Any other body has to be covered by a hash in the URL. */
static enum verdict
check_form(struct message *m, struct il_text **form)
{
    const struct hook *h = m->hook;
    char hash[VERIFY_HASH];
    const int is_form = hook_is_form(m->req);
    if (m->scheme->body_hash)
        m->body_hash = il_request_query(m->req, "bodySHA256");
    if (m->body_hash) {
        if (verify_sha256(m->body, m->len, hash))
            return VERIFY_NO_MEMORY;
        if (!il_equal(h->host, m->body_hash, strlen(m->body_hash), hash,
                      VERIFY_HASH - 1))
            return VERIFY_WRONG;
    }
    if (!signs(m->scheme, PART_FORM))
        return VERIFY_OK;
    if (!is_form)
        return m->body_hash || signs(m->scheme, PART_BODY) ? VERIFY_OK
                                                           : VERIFY_UNCOVERED;
    if (!(*form = il_text_new(h->host)))
        return VERIFY_NO_MEMORY;
    int err = form_sorted(h->host, m->body, m->len, *form);
    m->form = *form;
    return err == -ENOMEM ? VERIFY_NO_MEMORY
           : err          ? VERIFY_MALFORMED
                          : VERIFY_OK;
}

static enum verdict
check_signature(struct message *m, const struct signatures *signatures,
                const struct secret **by)
{
    struct il_text *form = NULL;
    enum verdict verdict = check_form(m, &form);
    if (verdict == VERIFY_OK) {
        int fits = try_urls(m, signatures, by);
        if (!fits)
            fits = try_public(m, signatures, by);
        verdict = fits < 0 ? VERIFY_NO_MEMORY : fits ? VERIFY_OK : VERIFY_WRONG;
    }
    if (form)
        il_text_free(m->hook->host, form);
    return verdict;
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
    enum verdict verdict = check_parts(&m);
    if (verdict == VERIFY_OK)
        verdict = check_time(&m, &signatures);
    if (verdict == VERIFY_OK)
        verdict = check_signature(&m, &signatures, by);
    return verdict == VERIFY_OK ? check_body_time(&m) : verdict;
}

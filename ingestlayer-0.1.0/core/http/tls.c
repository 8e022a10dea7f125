/* SPDX-License-Identifier: MIT */
/* Reading certificates and keys. */
#include "config.h"

#include "tls_private.h"
#include "base/file.h"
#include "base/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A chain of certificates is some 10 KiB, a bundle of all the world's
 * authorities 250. */
#define PEM_MAX_BYTES (1 << 20)
/* For reading the largest bundles there are, several times over. */
#define LIBRARY_NEEDS (16u << 20)

static int IL_PRINTF(3, 4)
say(struct tls_fault *fault, const char *key, const char *fmt, ...)
{
    va_list ap;
    fault->key = key;
    fault->offset = -1;
    va_start(ap, fmt);
    vsnprintf(fault->why, sizeof(fault->why), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* Why, where that is more than that nothing is there. */
static const char *
detail(int rc)
{
    return rc >= 0 || rc == GNUTLS_E_NO_CERTIFICATE_FOUND
                   || rc == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR
                   || rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE
               ? ""
               : gnutls_strerror(rc);
}

static const char *
place(const struct tls_pem *pem)
{
    return pem->path ? pem->path : "the text given";
}

/* --- PEM ------------------------------------------------------------------ */

static void
pem_free(gnutls_datum_t *pem)
{
    if (pem->data)
        explicit_bzero(pem->data, pem->size);
    free(pem->data);
    *pem = (gnutls_datum_t){ 0 };
}

static int
read_file(const char *path, gnutls_datum_t *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int err = fstat(fd, &st) ? -errno : 0;
    if (!err && !S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (!err && st.st_size > PEM_MAX_BYTES)
        err = -EFBIG;
    if (!err && !(out->data = malloc((size_t) st.st_size + 1)))
        err = -ENOMEM;
    int64_t n = err ? err : file_pread(fd, out->data, (size_t) st.st_size, 0);
    close(fd);
    if (n < 0) {
        pem_free(out);
        return (int) n;
    }
    out->size = (unsigned) n;
    out->data[n] = 0;
    return 0;
}

static int
pem_read(const struct tls_pem *pem, gnutls_datum_t *out)
{
    *out = (gnutls_datum_t){ 0 };
    if (pem->path)
        return read_file(pem->path, out);
    size_t len = strlen(pem->text);
    out->data = malloc(len + 1);
    if (!out->data)
        return -ENOMEM;
    memcpy(out->data, pem->text, len + 1);
    out->size = (unsigned) len;
    return 0;
}

static int
pem_need(const struct tls_pem *pem, const char *key, gnutls_datum_t *out,
         struct tls_fault *fault)
{
    int err = pem_read(pem, out);
    if (err)
        return say(fault, key, "cannot read %s: %s", place(pem),
                   strerror(-err));
    return 0;
}

/* --- the parts ------------------------------------------------------------ */

struct parts {
    gnutls_x509_crt_t *chain;
    unsigned count;
    gnutls_x509_privkey_t key;
};

static void
parts_free(struct parts *p)
{
    for (unsigned i = 0; i < p->count; i++)
        gnutls_x509_crt_deinit(p->chain[i]);
    gnutls_free(p->chain);
    if (p->key)
        gnutls_x509_privkey_deinit(p->key);
}

static int
read_chain(const struct tls_pem *pem, struct parts *p, struct tls_fault *fault)
{
    gnutls_datum_t text;
    int err = pem_need(pem, "certificate", &text, fault);
    if (err)
        return err;
    int rc = gnutls_x509_crt_list_import2(&p->chain, &p->count, &text,
                                          GNUTLS_X509_FMT_PEM, 0);
    pem_free(&text);
    if (rc >= 0 && p->count)
        return 0;
    p->count = 0;
    return say(fault, "certificate", "no certificate in PEM format in %s%s%s",
               place(pem), *detail(rc) ? ": " : "", detail(rc));
}

static int
read_key(const struct tls_pem *pem, struct parts *p, struct tls_fault *fault)
{
    gnutls_datum_t text;
    int err = pem_need(pem, "key", &text, fault);
    if (err)
        return err;
    int rc = gnutls_x509_privkey_init(&p->key);
    if (rc >= 0)
        rc = gnutls_x509_privkey_import2(p->key, &text, GNUTLS_X509_FMT_PEM,
                                         NULL, 0);
    int locked = text.data && strstr((char *) text.data, "ENCRYPTED") != NULL;
    pem_free(&text);
    if (rc >= 0)
        return 0;
    if (locked)
        return say(fault, "key",
                   "the key in %s is locked with a password, which nobody "
                   "could enter here; unlock it (openssl pkey) and protect "
                   "the file instead",
                   place(pem));
    return say(fault, "key", "no private key in PEM format in %s%s%s",
               place(pem), *detail(rc) ? ": " : "", detail(rc));
}

static int
join(const struct tls_options *o, struct parts *p, struct tls_cert *cert,
     struct tls_fault *fault)
{
    int rc = gnutls_certificate_set_x509_key(cert->cred, p->chain,
                                             (int) p->count, p->key);
    if (rc >= 0)
        return 0;
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return say(fault, "key",
                   "the key in %s is not the one of the certificate in %s",
                   place(&o->key), place(&o->certificate));
    return say(fault, "certificate", "%s: %s", place(&o->certificate),
               gnutls_strerror(rc));
}

static int
read_authorities(const struct tls_pem *pem, struct tls_cert *cert,
                 struct tls_fault *fault)
{
    gnutls_datum_t text;
    if (!pem->path && !pem->text)
        return 0;
    int err = pem_need(pem, "client_ca", &text, fault);
    if (err)
        return err;
    int rc = gnutls_certificate_set_x509_trust_mem(cert->cred, &text,
                                                   GNUTLS_X509_FMT_PEM);
    pem_free(&text);
    cert->ask_clients = 1;
    if (rc > 0)
        return 0;
    return say(fault, "client_ca", "no certificate in PEM format in %s%s%s",
               place(pem), *detail(rc) ? ": " : "", detail(rc));
}

static void
describe(const struct parts *p, struct tls_cert *cert)
{
    size_t size = sizeof(cert->subject);
    cert->begins = gnutls_x509_crt_get_activation_time(p->chain[0]);
    cert->expires = gnutls_x509_crt_get_expiration_time(p->chain[0]);
    int rc = gnutls_x509_crt_get_subject_alt_name(p->chain[0], 0, cert->subject,
                                                  &size, NULL);
    size = sizeof(cert->subject);
    if (rc != GNUTLS_SAN_DNSNAME
        && gnutls_x509_crt_get_dn(p->chain[0], cert->subject, &size) < 0)
        snprintf(cert->subject, sizeof(cert->subject), "(nobody)");
    for (char *c = cert->subject; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = '?';
}

static int
read_priorities(const char *text, struct tls_cert *cert,
                struct tls_fault *fault)
{
    const char *at = NULL;
    int rc = gnutls_priority_init(&cert->priority, text, &at);
    if (rc >= 0)
        return 0;
    cert->priority = NULL;
    say(fault, "priorities", "no GnuTLS priority string: %s",
        gnutls_strerror(rc));
    if (at && at >= text && at <= text + strlen(text))
        fault->offset = at - text;
    return -EINVAL;
}

int
tls_load(const struct tls_options *o, struct tls_cert **out,
         struct tls_fault *fault)
{
    struct parts parts = { 0 };
    struct tls_cert *cert = calloc(1, sizeof(*cert));
    int err = 0;
    if (!cert || reserve_check(LIBRARY_NEEDS)
        || gnutls_certificate_allocate_credentials(&cert->cred) < 0) {
        say(fault, "certificate", "no memory");
        err = -ENOMEM;
    }
    if (!err)
        err = read_priorities(o->priorities, cert, fault);
    if (!err)
        err = read_chain(&o->certificate, &parts, fault);
    if (!err)
        err = read_key(&o->key, &parts, fault);
    if (!err)
        err = join(o, &parts, cert, fault);
    if (!err)
        err = read_authorities(&o->client_ca, cert, fault);
    if (!err)
        describe(&parts, cert);
    parts_free(&parts);
    if (cert)
        atomic_init(&cert->refs, 1);
    if (err) {
        tls_release(cert);
        return err;
    }
    *out = cert;
    return 0;
}

void
tls_release(struct tls_cert *cert)
{
    if (!cert || atomic_fetch_sub(&cert->refs, 1) != 1)
        return;
    if (cert->cred)
        gnutls_certificate_free_credentials(cert->cred);
    if (cert->priority)
        gnutls_priority_deinit(cert->priority);
    free(cert);
}

time_t
tls_expires(const struct tls_cert *cert)
{
    return cert->expires;
}

time_t
tls_begins(const struct tls_cert *cert)
{
    return cert->begins;
}

const char *
tls_subject(const struct tls_cert *cert)
{
    return cert->subject;
}

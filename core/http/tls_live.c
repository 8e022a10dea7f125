/* SPDX-License-Identifier: MIT */
/* The certificate in force, and its replacement. */
#include "config.h"

#include "tls_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_S (24 * 3600)
/* Let's Encrypt's clients renew a month ahead. */
#define EXPIRES_SOON_S (14 * DAY_S)

/* What tells one version of a file from the next. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

#define FILES 3

struct tls {
    char *name;
    struct tls_options options; /* strings are ours */
    /* lock: cert, and the files being read */
    pthread_mutex_t lock;
    struct tls_cert *cert;
    struct stamp used[FILES]; /* of the files when they were last read */
    struct stamp seen[FILES]; /* at the last look */
    struct il_gauge *expires;
    struct il_counter *failed;
};

/* --- options -------------------------------------------------------------- */

static int
copy(const char *from, const char **to)
{
    if (from && !(*to = strdup(from)))
        return -ENOMEM;
    return 0;
}

static int
copy_pem(const struct tls_pem *from, struct tls_pem *to)
{
    *to = (struct tls_pem){ 0 };
    return copy(from->path, &to->path) || copy(from->text, &to->text) ? -ENOMEM
                                                                      : 0;
}

static void free_options(struct tls_options *);

/* 0 or -ENOMEM. */
static int
copy_options(const struct tls_options *from, struct tls_options *to)
{
    *to = (struct tls_options){ 0 };
    if (!copy(from->priorities, &to->priorities)
        && !copy_pem(&from->certificate, &to->certificate)
        && !copy_pem(&from->key, &to->key)
        && !copy_pem(&from->client_ca, &to->client_ca))
        return 0;
    free_options(to);
    return -ENOMEM;
}

static void
free_pem(struct tls_pem *pem)
{
    free((char *) (uintptr_t) pem->path);
    if (pem->text)
        explicit_bzero((char *) (uintptr_t) pem->text, strlen(pem->text));
    free((char *) (uintptr_t) pem->text);
}

static void
free_options(struct tls_options *o)
{
    free_pem(&o->certificate);
    free_pem(&o->key);
    free_pem(&o->client_ca);
    free((char *) (uintptr_t) o->priorities);
}

/* --- the files ------------------------------------------------------------ */

static void
look(const struct tls *tls, struct stamp out[FILES])
{
    const struct tls_pem *pems[FILES] = { &tls->options.certificate,
                                          &tls->options.key,
                                          &tls->options.client_ca };
    memset(out, 0, FILES * sizeof(*out));
    for (size_t i = 0; i < FILES; i++) {
        struct stat st;
        if (!pems[i]->path || stat(pems[i]->path, &st))
            continue;
        out[i].device = st.st_dev;
        out[i].inode = st.st_ino;
        out[i].size = st.st_size;
        out[i].changed = st.st_mtim;
    }
}

static int
same(const struct stamp a[FILES], const struct stamp b[FILES])
{
    return memcmp(a, b, FILES * sizeof(*a)) == 0;
}

/* --- in force ------------------------------------------------------------- */

static void
announce(const struct tls *tls)
{
    char until[32];
    struct tm tm;
    const struct tls_cert *cert = tls->cert;
    time_t now = (time_t) (clock_wall_us() / 1000000);
    gmtime_r(&cert->expires, &tm);
    strftime(until, sizeof(until), "%Y-%m-%d %H:%M UTC", &tm);
    log_info("%s: serves the certificate of %s, valid until %s", tls->name,
             cert->subject, until);
    if (cert->begins > now)
        log_warn("%s: the certificate of %s is not valid yet", tls->name,
                 cert->subject);
    if (cert->expires <= now)
        log_warn("%s: the certificate of %s expired on %s; clients will "
                 "refuse it",
                 tls->name, cert->subject, until);
    else if (cert->expires < now + EXPIRES_SOON_S)
        log_warn("%s: the certificate of %s expires soon, on %s", tls->name,
                 cert->subject, until);
    if (tls->expires)
        metric_set(tls->expires, (int64_t) cert->expires * 1000000);
}

static int
load(struct tls *tls, struct tls_fault *fault)
{
    struct tls_cert *fresh;
    struct stamp now[FILES];
    look(tls, now);
    int err = tls_load(&tls->options, &fresh, fault);
    pthread_mutex_lock(&tls->lock);
    memcpy(tls->used, now, sizeof(now));
    struct tls_cert *old = tls->cert;
    if (!err)
        tls->cert = fresh;
    pthread_mutex_unlock(&tls->lock);
    if (!err)
        tls_release(old);
    return err;
}

static void
make_metrics(struct tls *tls)
{
    struct il_text labels = { 0 };
    if (!metric_label(&labels, "server", tls->name)) {
        tls->expires =
            metric_gauge("http_certificate_expires_timestamp_seconds",
                         text_str(&labels), IL_UNIT_MICROSECONDS,
                         "When the certificate in force expires (Unix time).");
        tls->failed = metric_counter(
            "http_certificate_failed_total", text_str(&labels), IL_UNIT_NONE,
            "Certificates that could not be taken; the old one stayed.");
    }
    text_clear(&labels);
}

int
tls_new(const char *name, const struct tls_options *options, struct tls **out)
{
    struct tls_fault fault;
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    pthread_mutex_init(&tls->lock, NULL);
    tls->name = strdup(name);
    int err = tls->name ? copy_options(options, &tls->options) : -ENOMEM;
    if (!err) {
        make_metrics(tls);
        err = load(tls, &fault);
        if (err)
            log_error("%s: tls.%s: %s", name, fault.key, fault.why);
    }
    if (err) {
        tls_free(tls);
        return err;
    }
    memcpy(tls->seen, tls->used, sizeof(tls->seen));
    announce(tls);
    *out = tls;
    return 0;
}

void
tls_free(struct tls *tls)
{
    if (!tls)
        return;
    tls_release(tls->cert);
    pthread_mutex_destroy(&tls->lock);
    free_options(&tls->options);
    free(tls->name);
    free(tls);
}

int
tls_reload(struct tls *tls, struct tls_fault *fault)
{
    int err = load(tls, fault);
    if (!err) {
        announce(tls);
        return 0;
    }
    metric_add(tls->failed, 1);
    log_error("%s: the new certificate is not taken, the old one stays: "
              "tls.%s: %s",
              tls->name, fault->key, fault->why);
    return err;
}

int
tls_use(struct tls *tls, const struct tls_options *options,
        struct tls_fault *fault)
{
    struct tls_options was = tls->options, fresh;
    *fault = (struct tls_fault){ .key = "certificate", .why = "no memory" };
    int err = copy_options(options, &fresh);
    if (err)
        return err;
    pthread_mutex_lock(&tls->lock);
    tls->options = fresh;
    pthread_mutex_unlock(&tls->lock);
    err = tls_reload(tls, fault);
    pthread_mutex_lock(&tls->lock);
    if (err)
        tls->options = was;
    pthread_mutex_unlock(&tls->lock);
    free_options(err ? &fresh : &was);
    return err;
}

/* A certificate and its key are seldom replaced in one instant: whoever comes
 * in between would find a pair that does not fit. */
void
tls_watch(struct tls *tls)
{
    struct stamp now[FILES];
    struct tls_fault fault;
    look(tls, now);
    int quiet = same(now, tls->seen);
    memcpy(tls->seen, now, sizeof(now));
    pthread_mutex_lock(&tls->lock);
    int stale = !same(now, tls->used);
    pthread_mutex_unlock(&tls->lock);
    if (stale && quiet)
        tls_reload(tls, &fault);
}

struct tls_cert *
tls_attach(struct tls *tls, void *session)
{
    pthread_mutex_lock(&tls->lock);
    struct tls_cert *cert = tls->cert;
    atomic_fetch_add(&cert->refs, 1);
    pthread_mutex_unlock(&tls->lock);
    if (gnutls_priority_set(session, cert->priority) < 0
        || gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cert->cred)
               < 0) {
        tls_release(cert);
        return NULL;
    }
    if (cert->ask_clients) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(session, NULL, 0);
    }
    return cert;
}

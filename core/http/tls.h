/* SPDX-License-Identifier: MIT */
/* The certificate of a server, with its key: where it is read from, and the one
 * in force.  New sessions take the newest that could be read; sessions that
 * run keep theirs. */
#ifndef TLS_H
#define TLS_H

#include "base/text.h"

#include <time.h>

struct tls;
/* One certificate with its key, as it was read; counted. */
struct tls_cert;

/* A PEM text: in a file, which is read again by tls_reload(), or given. */
struct tls_pem {
    const char *path; /* NULL: text */
    const char *text; /* NULL with path NULL: there is none */
};

struct tls_options {
    struct tls_pem certificate; /* the server's first, then its issuers' */
    struct tls_pem key;
    struct tls_pem client_ca; /* none: clients need no certificate */
    const char *priorities;   /* GnuTLS priority string */
};

/* TLS 1.2 and 1.3, forward secrecy and authenticated encryption only. */
#define TLS_PRIORITIES                                                         \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1:"                \
    "-AES-128-CBC:-AES-256-CBC:-AES-128-CCM:-AES-256-CCM:%SERVER_PRECEDENCE"

/* What is wrong with which option. */
struct tls_fault {
    const char *key; /* "certificate", ... */
    long offset;     /* byte in the option's text, -1: none */
    char why[640];
};

/* Read and check, for `check` and for what follows: 0, or a negative errno and
 * *fault.  The caller releases *out. */
int tls_load(const struct tls_options *, struct tls_cert **out,
             struct tls_fault *);
void tls_release(struct tls_cert *);
/* When it expires, and when it begins to be valid. */
time_t tls_expires(const struct tls_cert *);
time_t tls_begins(const struct tls_cert *);
/* Whom it is for: "example.org". */
const char *tls_subject(const struct tls_cert *);

/* Copies the options and loads; name stands for it in log lines.  0, or a
 * negative errno after one. */
int tls_new(const char *name, const struct tls_options *, struct tls **out);
void tls_free(struct tls *);
/* Read the files again.  What is wrong leaves the old certificate in force and
 * is logged.  0, or a negative errno and *fault.  Any thread. */
int tls_reload(struct tls *, struct tls_fault *);
/* The same from where these options say, which are copied.  What is wrong leaves
 * all as it was.  Not while tls_reload() or tls_watch() may be called. */
int tls_use(struct tls *, const struct tls_options *, struct tls_fault *);
/* The same by itself when the files have changed and then been left alone for
 * a moment; to be called every second or so. */
void tls_watch(struct tls *);
/* Give a session (gnutls_session_t) that is about to shake hands the newest
 * certificate and its priorities; released by the caller after the session.
 * NULL: no memory. */
struct tls_cert *tls_attach(struct tls *, void *session);

#endif

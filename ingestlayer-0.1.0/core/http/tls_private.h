/* SPDX-License-Identifier: MIT */
/* Shared by tls.c (reading) and tls_live.c (the one in force). */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include "tls.h"

#include <gnutls/gnutls.h>
#include <stdatomic.h>

struct tls_cert {
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priority;
    _Atomic uint32_t refs;
    int ask_clients; /* only with a certificate of a known authority */
    time_t begins, expires;
    char subject[256];
};

#endif

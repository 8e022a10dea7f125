/* SPDX-License-Identifier: MIT */
/* What is the same for all that libcurl does here: URLs as it reads them, its
 * handles, which addresses they may connect to, its failures in our words. */
#ifndef EASY_H
#define EASY_H

#include "transport.h"

#include <curl/curl.h>
#include <stdatomic.h>

#define EASY_TEXTS 6
#define EASY_ERROR_MAX 512

/* What the config says. */
struct easy_options {
    struct transport_options of; /* texts are owned */
    char *texts[EASY_TEXTS];
    char *proxy_authorization;  /* base64 of NAME:PASSWORD, where we say it */
    _Atomic int64_t give_up_ms; /* of the monotonic clock; 0: never */
};

/* What one handle has come to, and has to live as long as it. */
struct easy_call {
    const struct easy_options *options;
    char error[CURL_ERROR_SIZE];
    int opened;              /* a socket was */
    const char *refused_why; /* the last address that may not be */
    char refused[ADDRESS_TEXT];
};

int64_t easy_now_ms(void);
/* Has the time come at which nothing is waited for any more? */
int easy_given_up(const struct easy_options *);
/* Is what is sent the proxy's to read: no TLS, and no tunnel? */
int easy_asks_proxy(const struct easy_options *, const char *url);

/* What a handle needs for any speech; NULL: no memory.  For HTTP it will do
 * nothing but connect. */
CURL *easy_new(struct easy_call *, const struct easy_options *);
/* One that is new, or was used and ended well, is this call's from now on; NULL:
 * nobody's. */
void easy_aim(CURL *, struct easy_call *, const struct easy_options *);

/* Of a handle that has failed with this code.  easy NULL: there was no memory
 * for it. */
enum transport_class easy_class(CURL *easy, const struct easy_call *, CURLcode);
/* In words, which have nothing of the URL that is hidden. */
void easy_error(const struct easy_call *, CURLcode, enum transport_class,
                const char *url, char out[EASY_ERROR_MAX]);
/* The same where it was not libcurl that failed; detail is a text of ours. */
void easy_words(enum transport_class, const char *detail,
                char out[EASY_ERROR_MAX]);
/* "192.0.2.1:443", or "". */
void easy_remote(CURL *easy, char out[TRANSPORT_REMOTE_MAX]);

#endif

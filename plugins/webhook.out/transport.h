/* SPDX-License-Identifier: MIT */
/* Requests over HTTP, many at a time, by libcurl on one thread.
 *
 * transport_submit() hands a request over; its callback comes exactly once, from
 * the transport's thread or, where it is given up at a stop, from
 * transport_stop().  Only http and https are spoken.  A redirect is an answer
 * like any other.  Nothing is taken from the environment, no .netrc is read, no
 * cookie, Alt-Svc or HSTS kept.
 *
 * An answer counts by its status as soon as its head is complete: what comes
 * behind is read up to a limit, and neither a body without end nor one that
 * breaks off makes a failure of a success (`whole` tells).  A head that does not
 * come to its end within the time is no answer.
 *
 * No text that comes out of here has a path, a query, a name or password of a
 * URL in it, or a header that was sent. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "address.h"

#include <stddef.h>
#include <stdint.h>

struct transport;

/* Copied, texts too; networks of `addresses` are not, and must outlive it. */
struct transport_options {
    uint32_t concurrency;   /* requests at once, 1 or more */
    int http2;              /* many requests over one connection, where TLS
                           * agrees on it */
    const char *proxy;      /* http://, https:// or socks5h://, or NULL */
    const char *ca_file;    /* NULL: the system's */
    const char *cert, *key; /* PEM files, or NULL */
    int no_verify;          /* take any certificate */
    size_t answer_max;      /* bytes of a body that are kept, where that is more
                        * than TRANSPORT_BODY_MAX; 64 KiB at most */
    struct address_rules addresses; /* not used with a proxy */
};

struct transport_header {
    const char *name, *value; /* printable; value may be "" */
};

enum transport_class {
    TRANSPORT_ANSWERED, /* see status */
    TRANSPORT_NAME,     /* the name has no address, or nobody knows */
    TRANSPORT_ADDRESS,  /* none of its addresses may be connected to */
    TRANSPORT_CONNECT,  /* nobody is there, or the connection broke */
    TRANSPORT_TLS,      /* no secure connection */
    TRANSPORT_TIMEOUT,
    TRANSPORT_PROTOCOL,  /* it is no HTTP that came back */
    TRANSPORT_PROXY,     /* the proxy, not the target */
    TRANSPORT_REQUEST,   /* the request cannot be sent at all: its URL */
    TRANSPORT_CANCELLED, /* given up at a stop; whether it arrived is unknown */
    TRANSPORT_NO_MEMORY
};

#define TRANSPORT_BODY_MAX 1024
#define TRANSPORT_REMOTE_MAX 64

struct transport_answer {
    enum transport_class what;
    long status;       /* TRANSPORT_ANSWERED: 200 to 599; else 0 */
    const char *error; /* for a person, without secrets; "" if answered */
    const char *body;  /* its first bytes; may hold anything */
    size_t body_len;   /* at most TRANSPORT_BODY_MAX, or answer_max */
    int whole;         /* the answer came to its end, and body is all of it */
    const char *retry_after; /* the header's value, or NULL */
    const char *location;    /* host of a redirect's target, or NULL */
    int64_t ms;
    const char *remote; /* "192.0.2.1:443", or "" */
};

/* Copied but for the body, which has to live until the callback. */
struct transport_request {
    const char *method, *url;
    int url_known; /* transport_target() has taken it; else that is done here */
    const struct transport_header *headers;
    size_t header_count;
    const void *body;
    size_t len;
    uint32_t timeout_ms; /* from when it is begun: 1 or more */
    /* Must not block, and may submit.  The answer is valid during it. */
    void (*done)(void *arg, const struct transport_answer *);
    void *arg;
};

/* In open(): NULL and *why, a constant, where libcurl lacks something, or
 * "no memory".  From the main thread.  free accepts NULL; only what is not
 * started, or stopped again. */
struct transport *transport_new(const struct transport_options *,
                                const char **why);
void transport_free(struct transport *);

/* 0 or a negative errno. */
int transport_start(struct transport *);
/* 0, -ENOMEM, -EINVAL (no URL of http or https, a header that cannot be sent), or
 * -ESHUTDOWN; then no callback comes.  Any thread.  Beyond `concurrency` they
 * wait in their order. */
int transport_submit(struct transport *, const struct transport_request *);
/* What was not begun is given up at once, what is under way after grace_ms.
 * Returns when all callbacks were called and the thread has ended, soon after
 * grace_ms.  Once for each start. */
void transport_stop(struct transport *, uint32_t grace_ms);

/* Connect to where a URL leads, with TLS where it says so, and send nothing.  0,
 * or a negative errno and why, for a person, without secrets.  Waits; any
 * thread, started or not. */
int transport_probe(const struct transport *, const char *url,
                    uint32_t timeout_ms, char *error, size_t size);

/* "scheme://host:port" of a URL, in lower case, the port always there.  0, or
 * -EINVAL: it is no URL of http or https, or has a name or password in it. */
#define TRANSPORT_TARGET_MAX 256
int transport_target(const char *url, char out[TRANSPORT_TARGET_MAX]);
/* The same with the host alone, without brackets. */
int transport_host(const char *url, char out[TRANSPORT_TARGET_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
/* Requests over HTTP/1.1, many at a time on one thread; or mails over SMTP by
 * libcurl, each on a thread.
 *
 * transport_submit() hands a request over; its callback comes exactly once, from
 * a thread of the transport or, where it is given up at a stop, from
 * transport_stop().  What is spoken is http and https, or smtp and smtps.
 * Nothing is taken from the environment, and no .netrc is read.
 *
 * HTTP: a redirect is an answer like any other; no cookie, Alt-Svc or HSTS is
 * kept.  An answer counts by its status as soon as its head is complete: what comes
 * behind is read up to a limit, and neither a body without end nor one that
 * breaks off makes a failure of a success (`whole` tells).  A head that does not
 * come to its end within the time is no answer.
 *
 * SMTP: a mail goes to all of its recipients or to none, and over a connection of
 * its own.  An answer is a reply of 4xx or 5xx wherever the session was, or what
 * was said when all of the mail was there; with smtp:// nothing but EHLO and
 * STARTTLS is said before TLS, unless `plain`.
 *
 * No text that comes out of here has a path, a query, a name or password of a
 * URL in it, or a header that was sent. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "address.h"

#include <stddef.h>
#include <stdint.h>

struct transport;

enum transport_speech { TRANSPORT_HTTP, TRANSPORT_MAIL };

/* Copied, texts too; networks of `addresses` are not, and must outlive it. */
struct transport_options {
    enum transport_speech speech;
    uint32_t concurrency;   /* requests at once, 1 or more */
    const char *proxy;      /* http://, https:// or socks5h://, or NULL */
    const char *ca_file;    /* NULL: the system's */
    const char *cert, *key; /* PEM files, or NULL */
    int no_verify;          /* take any certificate */
    size_t answer_max;      /* bytes of a body that are kept, where that is more
                        * than TRANSPORT_BODY_MAX; 64 KiB at most */
    struct address_rules addresses;  /* not used with a proxy */
    int plain;                       /* mail: no TLS with smtp:// */
    const char *username, *password; /* mail: both, or NULL */
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
    TRANSPORT_PROTOCOL,  /* it is no HTTP, or SMTP, that came back */
    TRANSPORT_PROXY,     /* the proxy, not the target */
    TRANSPORT_REQUEST,   /* the request cannot be sent at all: its URL */
    TRANSPORT_CANCELLED, /* given up at a stop; whether it arrived is unknown */
    TRANSPORT_NO_MEMORY
};

/* How far an SMTP session had come: what was said last. */
enum transport_stage {
    TRANSPORT_NO_STAGE, /* it was HTTP */
    TRANSPORT_GREETING, /* nothing */
    TRANSPORT_HELLO,
    TRANSPORT_STARTTLS,
    TRANSPORT_AUTH,
    TRANSPORT_FROM,
    TRANSPORT_TO,
    TRANSPORT_DATA,
    TRANSPORT_END /* all of the mail */
};
/* "RCPT", for a person. */
const char *transport_stage_word(enum transport_stage);

#define TRANSPORT_BODY_MAX 1024
#define TRANSPORT_REMOTE_MAX 64

struct transport_answer {
    enum transport_class what;
    long status; /* TRANSPORT_ANSWERED: 200 to 599; else 0 */
    enum transport_stage stage;
    size_t recipient;  /* TRANSPORT_TO: which, from 0 */
    const char *error; /* for a person, without secrets; "" if answered */
    const char *body;  /* its first bytes, or the SMTP reply; may hold
                        * anything */
    size_t body_len;   /* at most TRANSPORT_BODY_MAX, or answer_max */
    int whole;         /* the answer came to its end, and body is all of it */
    const char *retry_after; /* the header's value, or NULL */
    const char *location;    /* host of a redirect's target, or NULL */
    int64_t ms;
    const char *remote; /* "192.0.2.1:443", or "" */
};

/* Copied but for the body, which has to live until the callback. */
struct transport_request {
    const char *url;
    int url_known; /* transport_target() has taken it; else that is done here */
    const char *method; /* this, and headers: of HTTP */
    const struct transport_header *headers;
    size_t header_count;
    /* Of mail: addresses, and to has to_count of them, each ended by NUL.  The body
     * is the mail, its headers too, in lines that end with CRLF. */
    const char *from, *to;
    size_t to_count;
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
/* 0, -ENOMEM, -EINVAL (no URL that is spoken, a header that cannot be sent), or
 * -ESHUTDOWN; then no callback comes.  Any thread.  Beyond `concurrency` they
 * wait in their order. */
int transport_submit(struct transport *, const struct transport_request *);
/* What was not begun is given up at once, what is under way after grace_ms.
 * Returns when all callbacks were called and the thread has ended, soon after
 * grace_ms.  Once for each start. */
void transport_stop(struct transport *, uint32_t grace_ms);

/* Connect to where a URL leads, with TLS where it says so, and send nothing; of
 * mail, up to AUTH.  0; -EACCES and what a mail server has said, which may be what
 * it was told; or another negative errno and why, without secrets.  Waits; any
 * thread, started or not. */
int transport_probe(const struct transport *, const char *url,
                    uint32_t timeout_ms, char *error, size_t size);

/* "scheme://host:port" of a URL, in lower case, the port always there.  0, or
 * -EINVAL: it is none that is spoken, or has a name or password in it. */
#define TRANSPORT_TARGET_MAX 256
int transport_target(enum transport_speech, const char *url,
                     char out[TRANSPORT_TARGET_MAX]);
/* The same with the host alone, without brackets. */
int transport_host(enum transport_speech, const char *url,
                   char out[TRANSPORT_TARGET_MAX]);

#endif

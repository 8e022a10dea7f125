/* SPDX-License-Identifier: MIT */
/* One HTTP server (HTTP/1.1 and 1.0); how it does it shows nowhere else.
 *
 * Each server runs its own loop threads (several loops on one port through
 * SO_REUSEPORT).  A request may be answered at once, or held and answered
 * later by its own loop thread: http_hold(), asked again after http_wake(). */
#ifndef HTTP_H
#define HTTP_H

#include "base/ip.h"
#include "base/text.h"

struct http;
struct http_inherited;
struct http_site;
struct origin_pattern;
struct tls;

/* What the server has to know of somebody who sends, as its owner keeps it: a
 * part of something larger. */
struct http_sender {
    struct http_sender *next;       /* of the same owner */
    struct origin_pattern *origins; /* none: it is no page's business */
    size_t origin_count;
    uint64_t buffered; /* atomic: bytes of its bodies in memory */
};

struct http_options {
    const char *name;    /* "gate", "admin": for logs and metrics */
    const char *const *listen; /* see http/address.h */
    size_t listen_count;
    /* Sockets to listen with where they fit; outlives http_bind(). */
    struct http_inherited *inherited;
    struct tls *tls;          /* for all but unix sockets and http://;
                               * outlives the server; NULL: none */
    uint32_t socket_mode;     /* of unix sockets; 0: 0660 */
    /* Whose X-Forwarded-For is believed; outlives the server. */
    const struct ip_net *trusted;
    size_t trusted_count;
    int trust_unix;
    uint32_t threads;         /* loops; 0: 1 */
    uint64_t max_body;        /* bytes, also after unpacking; 0: 4 MiB */
    uint64_t max_buffered;    /* bodies of all requests together; above: 503.
                               * 0: 64 MiB */
    uint32_t max_connections; /* above: accepted later; 0: 10000 */
    uint32_t max_per_address; /* connections of one; above: closed; 0: any */
    uint32_t timeout_ms;      /* idle or slow connections; 0: 30 s */
};

/* Copies the options.  0 or -ENOMEM. */
int http_new(const struct http_options *, struct http **out);
/* Before http_start.  The owner is what a request's events come from; NULL for
 * routes of the host.  Several routes may name the same method and path: they
 * are asked in the order of registration. */
int http_route(struct http *, const struct il_route *, void *self,
               void *owner);
/* What is served first, for http_site_route(). */
struct http_site *http_site(struct http *);
/* What a server serves, as a whole: of the options max_body, trusted and
 * trust_unix, and routes and origins as above.  http_new() makes the first one. */
int http_site_new(const struct http_options *, struct http_site **out);
void http_site_free(struct http_site *);
int http_site_route(struct http_site *, const struct il_route *, void *self,
                    void *owner);
/* Pages may send to the routes of this owner, so far as its senders (the first
 * of a list) name their origins.  After its routes. */
void http_site_allow_origins(struct http_site *, const void *owner,
                             const struct http_sender *senders);
/* Serve this from the next request on, and return what was served before:
 * requests that began with it go on with it, so it, and what it points to, stay
 * until it is not in use any more.  One thread at a time. */
struct http_site *http_serve(struct http *, struct http_site *);
int http_site_in_use(struct http *, const struct http_site *);
/* While it runs: max_buffered, max_connections, max_per_address and timeout_ms
 * are these from now on.  Any thread. */
void http_limit(struct http *, const struct http_options *);

/* Take the addresses; nobody is answered yet.  0 or a negative errno after a
 * log line naming the address. */
int http_bind(struct http *);
/* Bind, where that was not done, and serve.  0 or a negative errno after a log line naming the
 * address. */
int http_start(struct http *);
/* The port that the i-th address got (for "127.0.0.1:0"). */
int http_port(const struct http *, size_t i);
/* Append the i-th address, with its port: "https://127.0.0.1:8443". */
void http_listens_on(const struct http *, size_t i, struct il_text *out);
/* Stop accepting connections; requests at hand are finished and answered with
 * Connection: close, idle connections are closed. */
void http_quiesce(struct http *);
/* Wait for them until deadline (clock_monotonic_us), then close everything. */
void http_stop(struct http *, int64_t deadline_us);

/* --- somebody else goes on ------------------------------------------------- */

/* In place of http_quiesce(): what listens stays open, so that connections wait
 * in its queue, and plain connections are not closed but kept between two
 * requests.  Those with TLS cannot go on elsewhere; http_farewell() before it
 * has them closed at their next answer, and the rest is closed now. */
void http_rest(struct http *);
void http_farewell(struct http *);
/* And a while later: let no new connection with TLS in, as none could be left; who
 * comes waits for whoever takes the sockets over. */
void http_shut_tls(struct http *);
/* None is left, and none comes. */
int http_tls_is_over(const struct http *);
/* Connections with TLS that there are. */
uint64_t http_tls_count(const struct http *);
/* After http_stop(): leave all of that.  What became of the others is added to
 * *left.  0 or -ENOMEM. */
struct http_left {
    uint64_t connections; /* go on */
    uint64_t tls;         /* were closed without having been told to */
    uint64_t requests;    /* were cut off: no answer in time */
};
int http_leave(struct http *, struct http_inherited *, struct http_left *);
void http_free(struct http *);

/* --- answering later ------------------------------------------------------ */

/* Keep a request unanswered though handle() returns.  ready() is asked right
 * away, and again in the request's own loop thread after every http_wake(),
 * until it has answered and returns 1.  From handle() only. */
void http_hold(struct il_request *,
               int (*ready)(void *arg, struct il_request *), void *arg);
/* The same for an answer that comes within a moment.  When the loop has read
 * what there was to read it calls pause(arg), which may wait up to
 * HTTP_PAUSE_US for all of its requests, and asks them again: that spares each
 * of them a wake-up.  After that time they are held as by http_hold(). */
#define HTTP_PAUSE_US 20000
void http_hold_brief(struct il_request *,
                     int (*ready)(void *arg, struct il_request *),
                     void (*pause)(void *arg), void *arg);
/* Ask all requests that are held.  Any thread; no more than one write to an
 * eventfd per loop that holds something. */
void http_wake(struct http *);
/* Room in the request for whoever holds it, until it is answered. */
struct http_note {
    uint64_t words[7];
};
void *http_note(struct il_request *);
/* Let fn answer on a thread that may wait for the disk: one a server, in
 * order; not before handle() has returned, for the request has one owner at a
 * time.  The body stays until then.  From handle() only. */
void http_defer(struct il_request *,
                void (*fn)(void *arg, struct il_request *), void *arg);

/* So many bytes of an answer are in memory until it has been written: count
 * them as those of bodies.  0, or -ENOBUFS after a 503.  Of a request that is
 * deferred only, by its fn. */
int http_charge(struct il_request *, uint64_t bytes);

/* --- an answer that goes on ------------------------------------------------ */

struct http_stream {
    /* The next bytes, appended to out: 1; none for now: 1, and it is asked again
     * after http_wake(); 0: these are the last; a negative errno: cut it off, so
     * that the client sees that it is not whole. */
    int (*more)(void *arg, struct il_text *out);
    /* Once, when more() is called no more: it is over, the other end has gone or
     * has shut down its side of the connection, or the server stops. */
    void (*gone)(void *arg);
    void *arg;
};
/* Answer with a body that comes bit by bit.  Both functions are called in the
 * request's own loop thread, more() once all it has given has been written; a
 * client may take as long as it likes to read that.  From handle(), or the fn of
 * http_defer(); gone() may be called before this returns, where nobody wants a
 * body. */
void http_stream(struct il_request *, int status, const char *content_type,
                 const struct http_stream *);

/* --- what the core may ask of a request, apart from plugin.h -------------- */

/* The owner of the route that admitted it; NULL for routes of the host. */
void *http_owner(const struct il_request *);
struct http *http_of(const struct il_request *);
/* Who sends it, so far as is known; set by il_request_sender(). */
struct http_sender *http_request_sender(const struct il_request *);
void http_request_set_sender(struct il_request *, struct http_sender *);
/* Has its handle() been called?  Before that there is no body. */
int http_handled(const struct il_request *);
/* The answer's body, to be written in place (empty at first), and how to send
 * it.  For answers that il_respond() would copy. */
struct il_text *http_out(struct il_request *);
void http_respond_out(struct il_request *, int status,
                      const char *content_type);
/* The status of il_request_receipt(), or 0, and its JSON. */
int http_receipt(const struct il_request *, const char **json);
/* 503 with Retry-After. */
void http_unavailable(struct il_request *, uint32_t retry_after_s,
                      const char *code, const char *fmt, ...) IL_PRINTF(4, 5);
/* What a JSON body claims to be: 0, or -EINVAL after a 415.  *ndjson: lines.
 * No Content-Type at all is JSON, and so is text/plain. */
int http_json_type(struct il_request *, int *ndjson);

/* fn hears of requests that a source has admitted and the server then refuses
 * by itself (too large, unreadable gzip).  Any loop's thread.  Once, at start. */
void http_on_refused(void (*fn)(void *owner, struct http_sender *,
                                const char *code, struct slice body));

/* The entries of the host's table that concern requests without regard to the
 * gate. */
void http_fill_request_api(struct il_api *);

#endif

/* SPDX-License-Identifier: MIT */
/* Shared by http*.c and request.c. */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include "http.h"
#include "http_address.h"
#include "metrics.h"
#include "sender.h"
#include "tls.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zlib.h>

/* A refused body is read and thrown away up to here, so that the connection
 * lives on and the sender surely sees the answer; above it is cut off. */
#define HTTP_DRAIN_STRANGER (64 << 10)
#define HTTP_DRAIN_ADMITTED (8 << 20)

/* libmicrohttpd's memory per connection: request head and one read. */
#define HTTP_CONNECTION_MEMORY (16 << 10)

#define HTTP_EXTRA_HEADERS 8
#define HTTP_EXTRA_BYTES 512

struct http_route {
    struct il_route route; /* strings are ours */
    size_t path_len;       /* without the '*' */
    int below;             /* path ended in '*' */
    void *self;
    struct gate_source *owner;
    const struct il_sender *senders; /* of the owner */
};

/* "OPTIONS" and all else there is. */
#define HTTP_METHODS 96

enum http_encoding { HTTP_IDENTITY, HTTP_GZIP };

/* One request; lives in its connection and is used again. */
struct il_request {
    const struct il_api *api;
    struct http_conn *conn;
    struct MHD_Connection *mhd;
    const struct http_route *route;
    struct il_sender *sender; /* NULL: not known, or not by a sender */
    const char *method, *path;

    int64_t begun_us;       /* monotonic */
    uint64_t length;        /* what its head says; see has_length */
    uint64_t received;      /* bytes of body that came */
    const char *packing;    /* Content-Encoding, or NULL */
    uint64_t max_body;
    enum http_encoding encoding;
    unsigned active : 1;    /* between the first call and completion */
    unsigned ended : 1;     /* the whole body is there */
    unsigned discard : 1;   /* the body is thrown away */
    unsigned admitted : 1;
    unsigned chunked : 1;
    unsigned has_length : 1;
    unsigned shut : 1;      /* close the connection after the answer */
    unsigned deferred : 1;  /* the body stays until the answer */
    unsigned handled : 1;   /* handle() was called */
    unsigned declined : 1;  /* il_request_decline() */
    unsigned queued : 1;    /* the answer is with libmicrohttpd */

    struct il_text body;    /* from the loop's stock */
    uint64_t charged;       /* its share of http->buffered ... */
    uint64_t *account;      /* ... and of its sender's */

    int status;             /* 0: not answered yet */
    int receipt;            /* il_request_receipt(); 0: what the gate says */
    const char *receipt_json;
    const char *code;       /* of an error */
    struct il_text out;
    char type_text[96];
    char extra[HTTP_EXTRA_BYTES]; /* name NUL value NUL ... */
    uint32_t extra_len;
    char peer[INET6_ADDRSTRLEN];

    /* held */
    int (*ready)(void *arg, struct il_request *);
    void *ready_arg;
    struct il_request *prev, *next; /* in loop->held */
    int is_held;
    int is_brief; /* in loop->brief instead, and not suspended */
    struct http_note note;

    /* deferred */
    void (*work)(void *arg, struct il_request *);
    void *work_arg;
    struct il_request *work_next;
    _Atomic int work_done;
};

struct http_conn {
    struct il_request req;
    struct http_loop *loop;
    struct http_conn *prev, *next;
    int fd;
    int64_t since_us; /* start, or the end of the last request */
    int asked;        /* to close, by shutting the way in */
    int closing;      /* shut by us */
    struct ip ip;     /* of the other end, where has_ip */
    unsigned has_ip : 1;
    unsigned is_proxy : 1;   /* its X-Forwarded-For is believed */
    unsigned is_counted : 1; /* in http->peers */
    struct tls_cert *cert; /* of its session; NULL: none */
};

#define HTTP_STOCK 8

struct http_loop {
    struct http *http;
    struct MHD_Daemon **daemons; /* one per listener */
    size_t daemon_count;
    int epoll, wake;
    pthread_t thread;
    int started;

    struct http_conn *conns;
    size_t conn_count;
    size_t conn_limit; /* of each daemon */
    int freed;         /* one may accept again, but does not know it yet */
    struct il_request *held;
    _Atomic uint32_t held_count; /* read by http_wake() */
    struct il_request *brief;    /* held, but not suspended */
    uint32_t brief_new;          /* how many came since this was cleared */
    int brief_end;               /* they have to be suspended now */
    void (*pause)(void *arg);
    void *pause_arg;
    int quiesced;
    int64_t quiesced_us;
    int64_t swept_us;

    struct il_text stock[HTTP_STOCK]; /* empty bodies, memory kept */
    size_t stock_count;
    z_stream inflate;
    int inflate_ready;
};

/* An address that is listened on. */
struct http_listener {
    char *text; /* as the operator wrote it */
    struct http_address address;
    int is_tls;
    int port;  /* what it got */
    int bound; /* a unix socket that is ours: */
    int fd;
    dev_t device;
    ino_t inode;
};

/* Connections by address. */
struct http_peers {
    pthread_mutex_t lock; /* all of it */
    struct http_peer *table;
    size_t size, used;
    uint64_t seed;
};

struct http {
    struct http_options options; /* strings are ours */
    char *name;
    struct http_listener *listeners;
    int lax_library; /* head_library_is_lax() */
    struct http_route **routes;
    size_t route_count;
    struct http_loop *loops;
    size_t loop_count;
    int running;

    /* work_lock: the queue of deferred requests, and its thread */
    pthread_mutex_t work_lock;
    pthread_cond_t work_wake;
    struct il_request *work_first, *work_last;
    pthread_t worker;
    int worker_runs, worker_stop;

    struct http_peers peers;
    _Atomic int64_t refused_told; /* when it was last logged */

    _Atomic uint64_t buffered;
    uint64_t strangers; /* atomic: what of it has no sender (yet) */
    int pages;          /* some sender may be one */
    _Atomic uint64_t conn_total;
    _Atomic int quiesce, stop;

    struct il_counter *requests[32];
    struct il_counter *connections, *bytes, *refused_busy, *refused;
};

/* http.c */
enum MHD_Result http_serve(void *loop, struct MHD_Connection *,
                           const char *url, const char *method,
                           const char *version, const char *data,
                           size_t *size, void **state);
void http_completed(void *loop, struct MHD_Connection *, void **state,
                    enum MHD_RequestTerminationCode);
void http_metrics(struct http *);
void http_count_status(struct http *, int status);

int http_route_has_path(const struct http_route *, const char *path,
                        size_t len);
/* What the path takes: "OPTIONS, POST". */
void http_methods(const struct il_request *, char out[HTTP_METHODS]);

/* http_cors.c */
/* Answers a browser's question whether a page may send: 1; else 0. */
int http_cors_preflight(struct il_request *);
/* Tell browsers who may see the answer. */
void http_cors_answer(const struct il_request *, struct MHD_Response *);

/* http_listen.c: a bound, listening, non-blocking socket, or a negative errno
 * after a log line.  Called once for each loop: the later ones share the
 * first one's port or socket. */
int http_listen(struct http *, struct http_listener *);
/* Remove a unix socket, if it is still ours. */
void http_unlisten(struct http_listener *);

/* http_client.c */
/* A connection has come: who is it, and may it stay? */
enum MHD_Result http_accept(void *loop, const struct sockaddr *, socklen_t);
/* Its other end (NULL: unknown); counted until http_peer_remove(). */
void http_client_begin(struct http_conn *, const struct sockaddr *);
void http_peer_remove(struct http_conn *);

/* http_head.c */
/* Where the target ends, or NULL: it is none.  Becomes the request's state. */
void *http_target(void *loop, const char *target, struct MHD_Connection *);
/* Is the head unmistakable, and not too large?  How many Expect fields it has,
 * or -1 after an answer that closes the connection. */
int head_check(struct il_request *, const char *version,
               const char *target_end);
/* Does libmicrohttpd take what RFC 9112 would have refused?  1.0 does not. */
int head_library_is_lax(void);

/* http_hold.c */
void http_hold_remove(struct il_request *);
/* A request that is held is asked by libmicrohttpd's way: 1 if it has answered
 * and is held no more. */
int http_hold_ask(struct il_request *);
/* Somebody has rung: ask those that are suspended. */
void http_hold_ask_all(struct http_loop *);

/* http_loop.c */
void http_loop_close(struct http_loop *);
void http_loop_ring(struct http_loop *);

/* http_work.c */
void http_work_stop(struct http *);

/* http_body.c */
/* Content-Encoding and lengths, before anything is read: 0, or -EINVAL after
 * an answer. */
int body_begin(struct il_request *);
/* Some more of it.  0, or -EIO: cut the connection. */
int body_take(struct il_request *, const char *, size_t);
/* All of it came: unpack.  0, or -EINVAL after an answer. */
int body_end(struct il_request *);
/* Give the memory back. */
void body_release(struct il_request *);
void body_stock_free(struct http_loop *);

/* request.c */
void request_tell_refused(const struct il_request *);
void request_error(struct il_request *, int status, const char *code,
                   const char *fmt, ...) IL_PRINTF(4, 5);
const char *request_header(const struct il_request *, const char *);
const char *request_peer(const struct il_request *); /* http_client.c */
void request_respond_header(struct il_request *, const char *name,
                            const char *value);

#endif

/* SPDX-License-Identifier: MIT */
/* How the room works: one HTTP/1.1 server (RFC 9112), strict, without copies
 * where a body comes whole.
 *
 *   listen.c  loop.c     sockets, and the loops that own what comes by them
 *   inherited.c          sockets and connections that somebody else has opened
 *   leave.c              leaving them to whoever comes next
 *   conn.c  io.c         a connection's next step; bytes, through TLS or not
 *   head.c  chunk.c      parsing, byte by byte if need be
 *   body.c               limits, and unpacking
 *   site.c               what is served: routes, and their replacement
 *   serve.c              a request's way: routes, admit(), handle(), the answer
 *   answer.c  request.c  the answer's bytes; a request as plugins see it
 *   hold.c  work.c       answered later: by its own loop, or by a thread that
 *                        may wait for a disk
 *   stream.c             answers that go on
 *   client.c  cors.c  origin.c    who sends, from which page
 *   sweep.c  pool.c      who is past its time; memory that is used again
 *   tls.c  tls_live.c    certificates, and the one in force
 *
 * Threads.  Each loop is one thread with its own listening sockets
 * (SO_REUSEPORT), connections and requests; nothing of them is touched by
 * another, but through http_wake() (an eventfd) and the worker, which gives a
 * request back before its loop goes on.  Options do not change once the server
 * runs, limits apart; routes do as a whole (site.c).
 *
 * Locks.  site_lock: who uses which routes.  peers.lock: the table of addresses.  work_lock: the worker's queue.
 * All else that loops share is atomic.  No lock is held in a plugin's callback.
 *
 * Memory.  A connection without a request has none; bodies are charged to the
 * server and to their sender before they are read, so both are bounded. */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include "address.h"
#include "chunk.h"
#include "head.h"
#include "http.h"
#include "inherited.h"
#include "tls.h"
#include "base/metrics.h"
#include "base/table.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <zlib.h>

/* A refused body is read and thrown away up to here, so that the connection
 * lives on and the sender surely sees the answer; above it is cut off. */
#define HTTP_DRAIN_STRANGER (64 << 10)
#define HTTP_DRAIN_ADMITTED (8 << 20)

/* A request has room for so many bytes: most come whole, with their body.
 * Those with a larger head get HTTP_IN_LARGE, of which a head leaves enough to
 * read chunks' sizes by. */
#define HTTP_IN 4096
#define HTTP_IN_LARGE (16 << 10)
#define HTTP_IN_SPARE 1024

#define HTTP_EXTRA_BYTES 512

struct http_route {
    struct il_route route; /* strings are ours */
    size_t path_len;       /* without the '*' */
    int below;             /* path ended in '*' */
    void *self;
    void *owner;
    const struct http_sender *senders; /* of the owner */
};

#define HTTP_MAX_BODY (4 << 20)

/* What is served. */
struct http_site {
    struct http_route **routes;
    size_t route_count;
    int pages; /* some sender may be one */
    uint64_t max_body;
    const struct ip_net *trusted;
    size_t trusted_count;
    int trust_unix;
    size_t seats; /* under site_lock */
};

/* A loop's use of a site, for as long as it is the current one, or a request
 * that began with it is there. */
struct http_seat {
    struct http_site *site;
    uint32_t requests;
};

/* "OPTIONS" and all else there is. */
#define HTTP_METHODS 96

enum http_encoding { HTTP_IDENTITY, HTTP_GZIP };

/* One request, from its first byte to its answer's last.  Its connection has
 * one only as long as it lasts. */
struct il_request {
    const struct il_api *api;
    struct http_conn *conn;
    struct http_seat *seat; /* of its loop, from its head to its answer */
    const struct http_route *route;
    struct http_sender *sender; /* NULL: not known, or not by a sender */
    const char *method, *path;
    char *query;              /* NULL: none; see request.c: */
    size_t query_len;         /* once it is cut up */

    int64_t begun_us;       /* monotonic; when its head was there */
    uint64_t received;      /* bytes of body that came */
    const char *packing;    /* Content-Encoding, or NULL */
    uint64_t max_body;
    enum http_encoding encoding;
    unsigned discard : 1;   /* the body is thrown away */
    unsigned admitted : 1;
    unsigned shut : 1;      /* close the connection after the answer */
    unsigned deferred : 1;  /* the body stays until the answer */
    unsigned handled : 1;   /* handle() was called */
    unsigned declined : 1;  /* il_request_decline() */
    unsigned query_cut : 1;
    unsigned in_place : 1;  /* the body is in `in` */

    struct il_text body;    /* from the loop's pool */
    uint64_t charged;       /* its share of http->buffered ... */
    uint64_t *account;      /* ... and of its sender's */
    struct chunk chunk;

    int status;             /* 0: not answered yet */
    int receipt;            /* il_request_receipt(); 0: what the gate says */
    const char *receipt_json;
    const char *code;       /* of an error */
    uint64_t sent;          /* bytes of the answer */
    uint64_t answer_len;    /* of its body; 0 for HEAD */
    uint32_t extra_len;

    /* its answer goes on */
    struct http_stream stream;
    unsigned streams : 1;
    unsigned stream_begun : 1;  /* its head is on its way */
    unsigned stream_over : 1;   /* the last of it is being written */
    unsigned stream_broken : 1; /* more() has failed */

    /* held */
    int (*ready)(void *arg, struct il_request *);
    void *ready_arg;
    struct il_request *prev, *next; /* in loop->held */
    int is_held;
    int is_brief; /* in loop->brief instead */

    /* deferred */
    void (*work)(void *arg, struct il_request *);
    void *work_arg;
    struct il_request *work_next;
    _Atomic int work_done;

    char type_text[96];
    char peer[INET6_ADDRSTRLEN];

    /* From here on: not cleared between two requests. */
    struct il_text out;    /* the answer's body */
    struct il_text answer; /* its head, with a small body */
    struct http_note note;
    char extra[HTTP_EXTRA_BYTES]; /* name NUL value NUL ... */

    struct head head;
    char *in; /* what has come: the head, then what follows it */
    uint32_t in_cap, in_len;
    uint32_t in_used; /* of it, by the head and the body */
    char in_small[HTTP_IN];
};

enum http_state {
    CONN_SHAKES, /* hands, by TLS */
    CONN_HEAD,   /* idle, or a head is coming */
    CONN_BODY,
    CONN_HELD,   /* the answer is not known yet; nothing is read */
    CONN_ANSWER, /* is being written */
    CONN_LINGERS /* answered; what still comes is thrown away */
};

struct http_conn {
    struct http_loop *loop;
    struct il_request *req; /* NULL: nothing has come */
    struct http_conn *prev, *next;
    struct http_conn *ready_prev, *ready_next; /* in loop->ready */
    gnutls_session_t tls;  /* NULL: plain */
    struct tls_cert *cert; /* of its session */
    int64_t since_us;      /* start, or the end of the last request */
    int64_t moved_us;      /* when bytes came or went */
    int fd;
    enum http_state state;
    unsigned readable : 1;  /* there may be something to read */
    unsigned hung : 1;      /* the other end sends no more */
    unsigned wants_out : 1; /* epoll tells when there is room to write */
    unsigned is_ready : 1;  /* in loop->ready */
    unsigned asked : 1;     /* to go, at the next sweep */
    unsigned has_ip : 1;
    unsigned is_proxy : 1;   /* not counted: its clients are many */
    unsigned is_counted : 1; /* in http->peers */
    unsigned is_stranger : 1; /* ... where nobody has shown a key */
    struct ip ip;            /* of the other end, where has_ip */
};

/* Requests in the order they came. */
struct http_held {
    struct il_request *first, *last;
};

#define HTTP_POOL 8
#define HTTP_SCRATCH (64 << 10)

/* A loop's part of an address. */
struct http_door {
    const struct http_listener *listener;
    int fd;
};

struct http_loop {
    struct http *http;
    struct http_seat *seat; /* for new requests */
    struct http_door *doors;
    size_t door_count;
    int doors_full; /* nobody is let in until one has left ... */
    int doors_shut; /* ... or for a while */
    atomic_int tls_shut; /* those with TLS, for good */
    int epoll, wake;
    pthread_t thread;
    int started;
    int64_t now_us; /* when epoll returned */

    struct http_conn *conns;
    size_t conn_count;
    /* those that have more to do before anybody is waited for */
    struct http_conn *ready, *ready_last;
    size_t ready_count;
    int64_t turn_left; /* bytes until it is another's turn */

    struct http_held held;
    _Atomic uint32_t held_count; /* read by http_wake() */
    struct http_held brief;
    uint32_t brief_new; /* how many came since this was cleared */
    void (*pause)(void *arg);
    void *pause_arg;
    int quiesced;
    int64_t quiesced_us;
    struct http_leaver *leavers; /* connections for whoever comes next */
    int64_t swept_us;

    struct il_request *spare; /* linked by next */
    size_t spare_count, spare_low; /* the fewest since the last sweep */
    struct il_text pool[HTTP_POOL]; /* empty bodies, memory kept */
    size_t pool_count;
    z_stream inflate;
    int inflate_ready;
    int64_t date_s;
    char date[40];               /* "Date: ...\r\n" of date_s */
    char scratch[HTTP_SCRATCH];  /* for what is thrown away */
};

/* An address that is listened on. */
struct http_listener {
    char *text; /* as the operator wrote it */
    struct http_address address;
    int is_tls;
    int port;  /* what it got */
    int inherits; /* it goes on with the sockets of somebody else */
    int bound;    /* a unix socket that is ours: */
    int fd;       /* that, or the first inherited one; its loop closes it */
    dev_t device;
    ino_t inode;
};

/* Connections by address. */
struct http_peers {
    pthread_mutex_t lock; /* all of it */
    struct http_peer *list;
    uint32_t count, capacity;
    struct table table; /* of list, by address */
};

/* Of an option that http_limit() may change. */
#define HTTP_LIMIT(http, name)                                                 \
    __atomic_load_n(&(http)->options.name, __ATOMIC_RELAXED)

struct http {
    struct http_options options; /* strings are ours */
    char *name;
    struct http_listener *listeners;
    _Atomic(struct http_site *) site;
    pthread_mutex_t site_lock; /* sites' seats, and while site changes */
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
    _Atomic int64_t refused_logged_us; /* when it was last logged */
    _Atomic int64_t files_logged_us;   /* the same of a lack of descriptors */

    _Atomic uint64_t buffered;
    uint64_t strangers; /* atomic: what of it has no sender (yet) */
    _Atomic uint64_t conn_total;
    _Atomic int quiesce, stop;
    _Atomic int farewell, rests; /* http_farewell(), http_rest() */
    _Atomic int no_tls;          /* http_shut_tls() */
    _Atomic uint64_t tls_total;  /* of conn_total, those with TLS */
    _Atomic uint64_t tls_ended; /* closed while it rests, without being asked */

    struct il_counter *requests[32];
    struct il_gauge *connections;
    struct il_counter *bytes, *refused_busy, *refused;
    struct il_histogram *times;
};

/* http.c */
void http_count_status(struct http *, int status);

/* site.c */
static inline const struct http_site *
http_site_of(const struct il_request *req)
{
    return req->seat->site;
}
/* Serve what is current from the next request on. */
void http_seat_take(struct http_loop *);
/* The loop ends, its requests are gone. */
void http_seat_end(struct http_loop *);
/* A request begins, and ends; nothing where it has not begun. */
void http_seat_sit(struct il_request *);
void http_seat_rise(struct il_request *);
int http_route_has_path(const struct http_route *, const char *path,
                        size_t len);
int http_route_has_method(const struct http_route *, const char *method);
/* What the path takes: "OPTIONS, POST". */
void http_methods(const struct il_request *, char out[HTTP_METHODS]);

/* serve.c: one request's way, whatever brings its bytes.  Where one of
 * these has answered, status is set. */
/* The head is there, or refused. */
void http_serve_begin(struct il_request *);
/* It has answered: is the rest of the request read before that is said?  Else
 * the connection is closed after the answer. */
int http_serve_drains(struct il_request *);
/* The body is there.  Afterwards the request is held or answered. */
void http_serve_end(struct il_request *);
/* Its chunks are none: answered, and to be closed. */
void http_serve_break(struct il_request *);

/* cors.c */
/* Answers a browser's question whether a page may send: 1; else 0. */
int http_cors_preflight(struct il_request *);
/* Tell browsers who may see the answer.  0 or -ENOMEM. */
int http_cors_answer(const struct il_request *, struct il_text *head);

/* listen.c: a bound, non-blocking socket, or a negative errno after a log
 * line.  Called once for each loop: the later ones share the
 * first one's port or socket. */
int http_listen(struct http *, struct http_listener *);
/* One more that somebody else has left for it, which a loop is to serve besides;
 * -ENOENT: there is none. */
int http_listen_more(struct http *, struct http_listener *);
/* Listen on it.  0, or a negative errno after a log line. */
int http_door_listen(const struct http *, const struct http_door *);
/* Remove a unix socket, if it is still ours. */
void http_unlisten(struct http_listener *);

/* inherited.c: one of them that listens there and that nobody has taken, or
 * -ENOENT.  NULL: there are none. */
int http_inherited_take(struct http_inherited *, const char *server,
                        struct http_listener *);
/* The next connection of this server, which is the caller's then, or -ENOENT;
 * what it has sent of a request is there until the next call. */
int http_inherited_take_conn(struct http_inherited *, const char *server,
                             struct slice *sent);

/* client.c */
/* A connection has come: may it stay? */
int http_admits(struct http_loop *, const struct sockaddr *, socklen_t);
/* Its other end (NULL: unknown); counted until http_peer_remove(). */
void http_client_begin(struct http_conn *, const struct sockaddr *);
void http_peer_remove(struct http_conn *);
/* Somebody has shown a key. */
void http_peer_known(struct http_conn *);
/* Is it one of too many strangers of its address? */
int http_peer_crowds(const struct http_conn *);

/* io.c: bytes, through TLS where there is some. */
/* Before its first byte.  0 or -ENOMEM. */
int http_io_begin_tls(struct http_conn *);
/* 0: done; -EAGAIN; or what went wrong. */
int http_io_shake_hands(struct http_conn *);
/* How many came; 0: no more will; -EAGAIN, or what went wrong. */
ssize_t http_io_recv(struct http_conn *, void *, size_t);
/* How many went: at least 1; -EAGAIN, or what went wrong. */
ssize_t http_io_send(struct http_conn *, struct iovec *, int count);
/* Tell the other end that nothing more will come. */
void http_io_finish(struct http_conn *);
void http_io_close(struct http_conn *);

/* conn.c */
/* Takes fd over: a connection, or NULL with fd closed. */
struct http_conn *http_conn_open(struct http_loop *, int fd,
                                 const struct sockaddr *, int is_tls);
void http_conn_free(struct http_conn *);
/* Do what can be done now; it may be gone afterwards. */
void http_conn_turn(struct http_conn *);
/* Its request, which was held, has been answered; as http_conn_turn(). */
void http_conn_answer(struct http_conn *);
/* Have its turn come soon, or not. */
void http_conn_soon(struct http_conn *);
void http_conn_not_soon(struct http_conn *);

/* stock.c: requests, and room for what comes. */
struct il_request *http_request_take(struct http_conn *); /* NULL: no memory */
/* After its answer: ready for the next one, of which there may be bytes. */
void http_request_again(struct il_request *);
void http_request_give(struct il_request *);
/* Room for more bytes behind in_len.  0 or -ENOMEM. */
int http_request_room(struct il_request *, size_t more);
/* Now and then: what has not been needed for a while is given back. */
void http_request_pool_trim(struct http_loop *);
void http_request_pool_free(struct http_loop *);

/* answer.c */
/* Make the answer's head.  0 or -ENOMEM. */
int http_answer_begin(struct il_request *);
/* Write.  1: all of it has gone; 0: there is no room; or a negative errno. */
int http_answer_write(struct il_request *);
/* "100 Continue", if it can be said at once.  0 or -EIO: cut the connection. */
int http_answer_continue(struct il_request *);

/* leave.c */
/* The server rests, and this one is between two requests: leave it, with what it
 * has sent of the next one.  1: it is to be freed, without its descriptor. */
int http_conn_leaves(struct http_conn *);
/* As the last thing before the threads start: connections that were left for
 * this server. */
void http_take_over(struct http *);
/* Close those that nobody has taken. */
void http_leavers_free(struct http_loop *);

/* hold.c */
/* The loop ends a round: those held briefly wait together and are asked. */
void http_hold_pause(struct http_loop *);
/* Somebody has rung: ask those that are held. */
void http_hold_ask_all(struct http_loop *);
/* Ask everybody, for the last time: the others hear 503. */
void http_hold_abandon(struct http_loop *);

/* It goes, whether ready or not. */
void http_hold_drop(struct il_request *);

/* stream.c */
/* What there was has been written: 1: that was all; 0: it is held, or has
 * more. */
int http_stream_next(struct il_request *);
/* The request ends; nothing where it has no stream. */
void http_stream_end(struct il_request *);

/* sweep.c */
/* Close who is past its time. */
void http_loop_sweep(struct http_loop *);

/* loop.c */
void http_loop_close(struct http_loop *);
void http_loop_ring(struct http_loop *);

/* work.c */
/* handle() has returned: one that it deferred goes to the worker. */
void http_work_give(struct il_request *);
void http_work_stop(struct http *);

/* body.c */
/* Content-Encoding and lengths, before anything is read: 0, or -EINVAL after
 * an answer. */
int http_body_begin(struct il_request *);
/* Where the next bytes of it may go, and how many: at least 1, of want. */
size_t http_body_room(struct il_request *, size_t want, char **at);
/* They have come there.  0, or -EIO: cut the connection. */
int http_body_came(struct il_request *, size_t len);
/* The same for bytes that have come elsewhere. */
int http_body_take(struct il_request *, const char *, size_t);
/* All of it came: unpack.  0, or -EINVAL after an answer. */
int http_body_end(struct il_request *);
/* Give the memory back. */
void http_body_release(struct il_request *);
void http_body_pool_free(struct http_loop *);

/* request.c */
void http_request_tell_refused(const struct il_request *);
void http_request_error(struct il_request *, int status, const char *code,
                        const char *fmt, ...) IL_PRINTF(4, 5);
const char *http_request_header(const struct il_request *, const char *);
const char *http_request_peer(const struct il_request *); /* client.c */
void http_request_respond_header(struct il_request *, const char *name,
                                 const char *value);

#endif

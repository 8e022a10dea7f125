/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include "token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#define SCRATCH 65536
/* A longer body is sent from where it is. */
#define TOGETHER_MAX 16384
/* User-Agent, Accept, Content-Length and the end of the head are less. */
#define OWN_FIELDS 128
#define LATER_MS 1000

/* --- the request ---------------------------------------------------------- */

struct head {
    size_t len;
    int has_agent;
};

static int
measure(const struct transport_request *r, const struct place *place,
        struct head *h)
{
    const size_t method = strlen(r->method);
    /* Those have answers without a body. */
    if (!is_token(r->method, method) || !strcmp(r->method, "HEAD")
        || !strcmp(r->method, "CONNECT"))
        return -EINVAL;
    *h = (struct head){ .len = method + place->line_len };
    for (size_t i = 0; i < r->header_count; i++) {
        const struct transport_header *f = &r->headers[i];
        const size_t name = strlen(f->name), value = strlen(f->value);
        if (!is_token(f->name, name) || !is_value(f->value, value))
            return -EINVAL;
        h->has_agent |= name == 10 && !strcasecmp(f->name, "User-Agent");
        h->len += name + value + sizeof(": \r\n") - 1;
    }
    return 0;
}

static char *
put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *
say(char *at, const char *text)
{
    return put(at, text, strlen(text));
}

static char *
write_head(char *at, const struct transport_request *r,
           const struct place *place, const struct head *h)
{
    char length[24];
    at = say(at, r->method);
    at = put(at, place->line, place->line_len);
    if (!h->has_agent)
        at = say(at, "User-Agent: ingestlayer\r\n");
    at = say(at, "Accept: */*\r\n");
    for (size_t i = 0; i < r->header_count; i++) {
        at = say(at, r->headers[i].name);
        at = say(at, ": ");
        at = say(at, r->headers[i].value);
        at = say(at, "\r\n");
    }
    at = say(at, "Content-Length: ");
    at = put(at, length,
             (size_t) snprintf(length, sizeof(length), "%zu", r->len));
    return say(at, "\r\n\r\n");
}

int
exchange_new(const struct easy_options *options,
             const struct transport_request *r, const struct place *place,
             struct exchange **out)
{
    const size_t keep = options->of.answer_max > TRANSPORT_BODY_MAX
                            ? options->of.answer_max
                            : TRANSPORT_BODY_MAX;
    const int together = r->len <= TOGETHER_MAX;
    struct head h;
    int err = measure(r, place, &h);
    *out = NULL;
    if (err || !r->timeout_ms)
        return -EINVAL;
    const size_t room = h.len + OWN_FIELDS + (together ? r->len : 0);
    struct exchange *x =
        malloc(sizeof(*x) + keep + place->origin_len + 1 + room);
    if (!x)
        return -ENOMEM;
    *x = (struct exchange){ .done = r->done,
                            .arg = r->arg,
                            .timeout_ms = r->timeout_ms,
                            .keep = keep,
                            .kept = (char *) (x + 1) };
    x->origin = x->kept + keep;
    x->bytes = put(x->origin, place->origin, place->origin_len + 1);
    char *end = write_head(x->bytes, r, place, &h);
    if (together)
        end = put(end, r->body, r->len);
    x->parts[0].at = x->bytes;
    x->parts[0].len = (size_t) (end - x->bytes);
    if (!together) {
        x->parts[1].at = r->body;
        x->parts[1].len = r->len;
    }
    *out = x;
    return 0;
}

void
exchange_free(struct exchange *x)
{
    response_free(&x->response);
    free(x);
}

/* --- its end -------------------------------------------------------------- */

/* What was told of it, but for its outcome. */
struct ending {
    enum transport_class what; /* where no answer counts */
    const char *error;
    const char *remote;
};

static void
end(struct exchange *x, const struct ending *how)
{
    const struct response *r = &x->response;
    struct transport_answer a = {
        .what = r->head_done ? TRANSPORT_ANSWERED : how->what,
        .error = "",
        .remote = how->remote,
        .body = "",
        .ms = x->of ? easy_now_ms() - x->begun_ms : 0,
    };
    if (a.what != TRANSPORT_ANSWERED) {
        a.error = how->error;
    } else if (r->status == 407 && x->of
               && easy_asks_proxy(x->of->options, x->origin)) {
        /* One that is spoken to in plain HTTP answers in the target's place. */
        a.what = TRANSPORT_PROXY;
        a.error = "the proxy: HTTP 407";
    } else {
        a.status = r->status;
        a.body = x->kept;
        a.body_len = r->body_len < x->keep ? r->body_len : x->keep;
        a.whole = r->state == RESPONSE_WHOLE && r->body_len <= x->keep;
        a.retry_after = r->has_retry_after ? r->retry_after : NULL;
        a.location = *x->location ? x->location : NULL;
    }
    x->done(x->arg, &a);
    exchange_free(x);
}

void
exchange_drop(struct exchange *x, enum transport_class what)
{
    char error[EASY_ERROR_MAX];
    easy_words(what, "", error);
    end(x, &(struct ending){ what, error, "" });
}

/* It is theirs no more. */
static void
leave(struct exchange *x)
{
    struct exchanges *all = x->of;
    *(x->prev ? &x->prev->next : &all->first) = x->next;
    if (x->next)
        x->next->prev = x->prev;
    all->count--;
}

/* Its connection cannot be used any more. */
static void
end_with(struct exchange *x, enum transport_class what, const char *detail)
{
    char error[EASY_ERROR_MAX], remote[TRANSPORT_REMOTE_MAX] = "";
    easy_words(what, detail, error);
    if (x->conn) {
        memcpy(remote, x->conn->remote, sizeof(remote));
        conn_close(x->conn);
    }
    leave(x);
    end(x, &(struct ending){ what, error, remote });
}

static void
end_unconnected(struct exchange *x, CURLcode code)
{
    char error[EASY_ERROR_MAX], remote[TRANSPORT_REMOTE_MAX] = "";
    struct conn *c = x->conn;
    enum transport_class what = TRANSPORT_NO_MEMORY;
    if (c)
        what = easy_class(c->easy, &c->call, code);
    if (c && what != TRANSPORT_NO_MEMORY) {
        easy_error(&c->call, code, what, x->origin, error);
        easy_remote(c->easy, remote);
    } else {
        easy_words(what, "", error);
    }
    if (c)
        conn_close(c);
    leave(x);
    end(x, &(struct ending){ what, error, remote });
}

/* The host of a redirect's target. */
static void
note_location(struct exchange *x)
{
    char *url = NULL;
    CURLU *u = x->response.location ? curl_url() : NULL;
    if (!u)
        return;
    if (!curl_url_set(u, CURLUPART_URL, x->origin, 0)
        && !curl_url_set(u, CURLUPART_URL, x->response.location, 0)
        && !curl_url_get(u, CURLUPART_URL, &url, 0)
        && transport_host(TRANSPORT_HTTP, url, x->location))
        *x->location = 0;
    curl_free(url);
    curl_url_cleanup(u);
}

/* All of the answer that is to be read is there. */
static void
end_answered(struct exchange *x, int all_taken)
{
    struct conn *c = x->conn;
    const struct response *r = &x->response;
    if (!r->head_done) {
        end_with(x, r->no_memory ? TRANSPORT_NO_MEMORY : TRANSPORT_PROTOCOL,
                 r->why ? r->why : "");
        return;
    }
    note_location(x);
    if (!all_taken || !response_keeps(r)
        || x->sent < x->parts[0].len + x->parts[1].len
        || conn_wants_room(c, 0)) {
        end_with(x, TRANSPORT_ANSWERED, "");
        return;
    }
    leave(x);
    conn_keep(c);
    end(x, &(struct ending){ TRANSPORT_ANSWERED, "", c->remote });
}

/* --- over the connection -------------------------------------------------- */

static void begin(struct exchange *, struct conn *);

/* The connection ended, with this errno; 0: the other side has closed it. */
static void
on_broken(struct exchange *x, int err)
{
    char detail[128];
    if (!x->response.received && x->conn->served && !x->again) {
        conn_close(x->conn);
        x->conn = NULL;
        x->again = 1;
        begin(x, NULL);
        return;
    }
    if (!err)
        response_eof(&x->response);
    if (x->response.head_done) {
        end_answered(x, 1);
        return;
    }
    snprintf(detail, sizeof(detail), "%s%s",
             err                    ? strerror(err)
             : x->response.received ? "it ended within the head of an answer"
                                    : "it ended without an answer",
             x->sent < x->parts[0].len + x->parts[1].len
                 ? ", before all was sent"
                 : "");
    end_with(x, TRANSPORT_CONNECT, detail);
}

/* 1: it is still under way.  0: it has ended. */
static int
receive(struct exchange *x)
{
    ssize_t n;
    do {
        n = conn_recv(x->conn, x->of->scratch, SCRATCH);
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN)
            return 1;
        if (n <= 0) {
            on_broken(x, (int) -n);
            return 0;
        }
        const size_t taken =
            response_feed(&x->response, x->of->scratch, (size_t) n);
        if (x->response.state != RESPONSE_OPEN) {
            end_answered(x, taken == (size_t) n);
            return 0;
        }
        /* Of a plain one, epoll tells that there is more. */
    } while (n < 0 || conn_is_tls(x->conn));
    return 1;
}

static void
transmit(struct exchange *x)
{
    const size_t all = x->parts[0].len + x->parts[1].len;
    while (x->sent < all) {
        const int second = x->sent >= x->parts[0].len;
        const size_t at = x->sent - (second ? x->parts[0].len : 0);
        const ssize_t n = conn_send(x->conn, x->parts[second].at + at,
                                    x->parts[second].len - at);
        if (n >= 0) {
            x->sent += (size_t) n;
        } else if (n == -EAGAIN) {
            break;
        } else if (n != -EINTR) {
            /* An answer may have come all the same: "too large", say. */
            if (receive(x))
                on_broken(x, (int) -n);
            return;
        }
    }
    if (conn_wants_room(x->conn, x->sent < all))
        end_with(x, TRANSPORT_NO_MEMORY, "");
}

/* Over this connection, or with NULL over one that is made now. */
static void
begin(struct exchange *x, struct conn *c)
{
    struct exchanges *all = x->of;
    const int64_t left = x->until_ms - easy_now_ms();
    response_begin(&x->response, x->kept, x->keep);
    x->sent = 0;
    if (!c)
        c = conns_make(&all->conns, x->origin, left > 0 ? (uint32_t) left : 1,
                       x);
    x->conn = c;
    if (!c)
        end_unconnected(x, CURLE_OUT_OF_MEMORY);
    else if (c->state == CONN_BUSY)
        transmit(x);
}

/* --- all of them ---------------------------------------------------------- */

int
exchanges_open(struct exchanges *all, const struct easy_options *options,
               int epoll)
{
    memset(all, 0, sizeof(*all));
    all->options = options;
    all->look_ms = -1;
    all->scratch = malloc(SCRATCH);
    return conns_open(&all->conns, options, epoll) || !all->scratch ? -ENOMEM
                                                                    : 0;
}

void
exchanges_close(struct exchanges *all)
{
    conns_close(&all->conns);
    free(all->scratch);
    all->scratch = NULL;
}

/* While a connection is made libcurl looks at the clock. */
static int64_t
late_ms(const struct exchange *x)
{
    return x->until_ms + (x->conn->state == CONN_MAKING ? LATER_MS : 0);
}

static void
look_by(struct exchanges *all, const struct exchange *x)
{
    const int64_t late = late_ms(x);
    if (all->look_ms < 0 || late < all->look_ms)
        all->look_ms = late;
}

void
exchanges_begin(struct exchanges *all, struct exchange *x)
{
    x->of = all;
    x->begun_ms = easy_now_ms();
    x->until_ms = x->begun_ms + x->timeout_ms;
    x->prev = NULL;
    x->next = all->first;
    if (x->next)
        x->next->prev = x;
    all->first = x;
    all->count++;
    if (all->look_ms < 0 || x->until_ms < all->look_ms)
        all->look_ms = x->until_ms;
    begin(x, conns_take(&all->conns, x->origin, x));
}

void
exchanges_give_up(struct exchanges *all)
{
    while (all->first)
        end_with(all->first, TRANSPORT_CANCELLED, "");
}

static void
go_on(struct conn *c, int fd, uint32_t events)
{
    CURLcode code = CURLE_OK;
    struct exchange *x = c->exchange;
    const int made = conn_go_on(c, fd, events, &code);
    if (made < 0) {
        end_unconnected(x, code);
    } else if (made) {
        look_by(x->of, x);
        transmit(x);
    }
}

void
exchanges_event(struct exchanges *all, int fd, uint32_t events)
{
    struct conn *c = conns_of(&all->conns, fd);
    if (!c)
        return; /* it was closed on behalf of an event before this one */
    if (c->state == CONN_MAKING) {
        go_on(c, fd, events);
    } else if (c->state == CONN_FREE) {
        conn_look(c);
    } else {
        struct exchange *x = c->exchange;
        /* TLS, too, may have to read to send. */
        if ((events & ~(uint32_t) EPOLLOUT) && !receive(x))
            return;
        if (x->sent < x->parts[0].len + x->parts[1].len)
            transmit(x);
    }
}

static void
end_late(struct exchange *x)
{
    char detail[128];
    snprintf(detail, sizeof(detail), "nothing but %llu bytes within %u ms",
             (unsigned long long) x->response.received, x->timeout_ms);
    if (x->response.head_done)
        note_location(x);
    end_with(x, TRANSPORT_TIMEOUT, detail);
}

void
exchanges_time(struct exchanges *all, int64_t now_ms)
{
    for (struct conn *c = all->conns.making, *next; c; c = next) {
        next = c->next;
        if (c->timer_ms >= 0 && c->timer_ms <= now_ms)
            go_on(c, -1, 0);
    }
    conns_age(&all->conns, now_ms);
    if (all->look_ms < 0 || all->look_ms > now_ms)
        return;
    all->look_ms = -1;
    for (struct exchange *x = all->first, *next; x; x = next) {
        next = x->next;
        if (late_ms(x) <= now_ms)
            end_late(x);
        else
            look_by(all, x);
    }
}

int64_t
exchanges_next_ms(const struct exchanges *all)
{
    const int64_t at = conns_next_ms(&all->conns);
    return at < 0 || (all->look_ms >= 0 && all->look_ms < at) ? all->look_ms
                                                              : at;
}

/* SPDX-License-Identifier: MIT */
/* The control socket as commands see it: one request a connection, and its
 * answer to the end. */
#include <config.h>

#include "control.h"

#include "base/state_dir.h"
#include "http/chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_NAME "control"
/* What is asked may wait for a disk. */
#define ANSWER_TIMEOUT_S 60
#define HEAD_MAX (16u << 10)
#define READ_BYTES (16u << 10)

int
control_path(const char *state_dir, char out[CONTROL_PATH_MAX], int *dir)
{
    *dir = -1;
    if (*state_dir == '/'
        && state_dir_path(out, CONTROL_PATH_MAX, state_dir, SOCKET_NAME) == 0)
        return 0;
    *dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir < 0)
        return -errno;
    snprintf(out, CONTROL_PATH_MAX, "/proc/self/fd/%d/" SOCKET_NAME, *dir);
    return 0;
}

/* A socket that is connected to it, or a negative errno. */
static int
reach(const char *state_dir)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
    int dir, fd = -1, err = control_path(state_dir, at.sun_path, &dir);
    if (!err) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (fd < 0 || connect(fd, (struct sockaddr *) &at, sizeof(at)))
            err = -errno;
    }
    if (err && fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return err ? err : fd;
}

int
control_answers(const char *state_dir)
{
    int fd = reach(state_dir);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int
control_put_escaped(struct il_text *out, const char *text)
{
    int err = 0;
    for (const unsigned char *c = (const unsigned char *) text; *c && !err; c++)
        err = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')
                      || (*c >= '0' && *c <= '9') || strchr("-._~", *c)
                  ? text_putc(out, (char) *c)
                  : text_printf(out, "%%%02X", *c);
    return err;
}

/* --- asking --- */

static int
write_whole(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t) n;
    }
    return 0;
}

static int
ask(int fd, const struct control_call *call)
{
    struct il_text head = { 0 };
    int err = text_printf(&head,
                          "%s %s HTTP/1.1\r\n"
                          "Host: ingestlayer\r\n"
                          "Connection: close\r\n"
                          "Content-Type: %s\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          call->method, call->path,
                          call->type ? call->type : "application/json",
                          call->body.len);
    if (!err)
        err = write_whole(fd, head.data, head.len);
    /* What is refused by its head alone is answered, and then hung up on. */
    int broken = err ? 0 : write_whole(fd, call->body.ptr, call->body.len);
    text_clear(&head);
    return broken == -EPIPE || broken == -ECONNRESET ? 0 : err ? err : broken;
}

/* --- the answer --- */

struct answer {
    int fd;
    struct il_text in; /* what has come of it, but for what was taken */
    uint64_t length;   /* of its body; UINT64_MAX: to its end */
    int chunked;
    struct chunk chunk;
    struct il_text *body;
    int (*ends)(void);
    struct control_call *lines; /* they are read one by one; NULL: no */
    int line_err;               /* of line() */
};

/* How many bytes came; 0: it is over. */
static ssize_t
answer_more(struct answer *a)
{
    if (text_reserve(&a->in, READ_BYTES))
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(a->fd, a->in.data + a->in.len, READ_BYTES);
        if (n < 0 && errno == EINTR && !(a->ends && a->ends()))
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        a->in.len += (size_t) n;
        return n;
    }
}

static void
answer_took(struct answer *a, size_t n)
{
    memmove(a->in.data, a->in.data + n, a->in.len - n);
    a->in.len -= n;
}

/* "Name: value", which ends its line. */
static void
read_field(struct answer *a, const char *line)
{
    static const char length[] = "Content-Length:";
    static const char coding[] = "Transfer-Encoding: chunked";
    if (!strncasecmp(line, length, sizeof(length) - 1))
        a->length = strtoull(line + sizeof(length) - 1, NULL, 10);
    else if (!strncasecmp(line, coding, sizeof(coding) - 1))
        a->chunked = 1;
}

/* Its status, or a negative errno. */
static int
read_head(struct answer *a)
{
    const char *end;
    while (!(end = strstr(text_str(&a->in), "\r\n\r\n"))) {
        ssize_t n = a->in.len > HEAD_MAX ? -EPROTO : answer_more(a);
        if (n <= 0)
            return n ? (int) n : a->in.len ? -EPROTO : -ECONNRESET;
    }
    const char *text = text_str(&a->in);
    int status = 0;
    if (sscanf(text, "HTTP/1.%*1[01] %3d", &status) != 1 || status < 100)
        return -EPROTO;
    a->length = UINT64_MAX;
    for (const char *p = text; p < end; p = strstr(p, "\r\n") + 2)
        read_field(a, p);
    answer_took(a, (size_t) (end - text) + 4);
    return status;
}

/* Those that are whole. */
static int
take_lines(struct answer *a)
{
    const char *at = a->body->data, *end = at + a->body->len, *next;
    while (!a->line_err && at < end
           && (next = memchr(at, '\n', (size_t) (end - at)))) {
        a->line_err =
            a->lines->line(a->lines->arg, slice_of(at, (size_t) (next - at)));
        at = next + 1;
    }
    a->body->len = (size_t) (end - at);
    memmove(a->body->data, at, a->body->len);
    return a->line_err;
}

static int
take_body(struct answer *a, size_t n)
{
    if (a->body->len + n > CONTROL_MAX_BYTES)
        return -EMSGSIZE;
    int err = text_put(a->body, a->in.data, n);
    answer_took(a, n);
    return err || !a->lines || !n ? err : take_lines(a);
}

/* What is at hand of chunks. */
static int
take_chunks(struct answer *a)
{
    int err = 0;
    while (!err && a->in.len && !http_chunk_ended(&a->chunk)) {
        size_t n = a->in.len;
        if (a->chunk.left) {
            n = n > a->chunk.left ? (size_t) a->chunk.left : n;
            http_chunk_took(&a->chunk, n);
            err = take_body(a, n);
            continue;
        }
        ssize_t used = http_chunk_feed(&a->chunk, a->in.data, n);
        if (used < 0)
            return -EPROTO;
        answer_took(a, (size_t) used);
    }
    return err;
}

static int
read_body(struct answer *a)
{
    for (;;) {
        int err = a->chunked ? take_chunks(a) : take_body(a, a->in.len);
        const int ended = a->chunked ? http_chunk_ended(&a->chunk)
                                     : a->body->len >= a->length;
        if (err || ended)
            return err;
        ssize_t n = answer_more(a);
        if (n < 0)
            return (int) n;
        if (n == 0)
            return a->chunked || a->length != UINT64_MAX ? -ECONNRESET : 0;
    }
}

/* However long that takes: whoever waits for it sees the daemon work, and can
 * leave. */
static void
read_as_it_comes(struct answer *a, struct control_call *call)
{
    const struct timeval never = { 0 };
    setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
    a->lines = call;
}

/* *said: it is an error of line(). */
static int
talk(int fd, struct control_call *call, int *said)
{
    struct answer a = { .fd = fd, .body = &call->reply, .ends = call->ends };
    int err = ask(fd, call);
    call->reply.len = 0;
    if (!err) {
        call->status = read_head(&a);
        if (call->status == 200 && call->line)
            read_as_it_comes(&a, call);
        err = call->status < 0 ? call->status : read_body(&a);
    }
    text_clear(&a.in);
    *said = a.line_err != 0;
    return err;
}

static void
say_why(const char *state_dir, int err)
{
    if (err == -ECONNREFUSED)
        fprintf(stderr, "ingestlayer: no daemon runs on state_dir %s\n",
                state_dir);
    else if (err == -EACCES)
        fprintf(stderr, "ingestlayer: state_dir %s: %s\n", state_dir,
                state_dir_strerror(err));
    else if (err == -EPROTO)
        fprintf(stderr,
                "ingestlayer: state_dir %s: the daemon's answer cannot be "
                "read; is it of another version?\n",
                state_dir);
    else
        fprintf(stderr,
                "ingestlayer: state_dir %s: cannot ask the daemon: "
                "%s\n",
                state_dir, strerror(-err));
}

int
control_call(const char *state_dir, struct control_call *call)
{
    int fd = reach(state_dir), said = 0;
    int err = fd < 0 ? fd : talk(fd, call, &said);
    if (fd >= 0)
        close(fd);
    if (err == -ENOENT)
        err = -ECONNREFUSED;
    if (err && err != -EINTR && !said && !call->quiet)
        say_why(state_dir, err);
    return err;
}

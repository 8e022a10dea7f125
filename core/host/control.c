/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "control"
#define REQUEST_MAX_BYTES (64u << 20)
/* Clients at a time; one has so long to say what it wants, and so long to hear
 * it.  None of them waits for another, but for what it asks. */
#define CLIENTS_MAX 16
#define CLIENT_TIMEOUT_US 5000000
/* No file can be had: the connection stays; do not spin. */
#define ACCEPT_PAUSE_US 100000

struct handler {
    struct handler *next;
    const char *name;
    control_fn *fn;
    void *arg;
};

struct control {
    struct handler *handlers;
    char *path;
    int fd, stop_fd;
    pthread_t thread;
    int started;
};

struct control *
control_new(void)
{
    struct control *c = calloc(1, sizeof(*c));
    if (c)
        c->fd = c->stop_fd = -1;
    return c;
}

int
control_on(struct control *c, const char *name, control_fn *fn, void *arg)
{
    struct handler *h = malloc(sizeof(*h));
    if (!h)
        return -ENOMEM;
    *h = (struct handler){ c->handlers, name, fn, arg };
    c->handlers = h;
    return 0;
}

/* --- both sides ---------------------------------------------------------- */

/* The address of STATE_DIR/control.  A path may be longer than an address can
 * hold (107 bytes); then the directory is opened and named by its number.
 * *dir is to be closed once the address has been used, -1: nothing. */
static int
address(const char *state_dir, struct sockaddr_un *out, int *dir)
{
    *dir = -1;
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    const size_t size = sizeof(out->sun_path);
    if (state_dir_path(out->sun_path, size, state_dir, SOCKET_NAME) == 0)
        return 0;
    *dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir < 0)
        return -errno;
    snprintf(out->sun_path, size, "/proc/self/fd/%d/" SOCKET_NAME, *dir);
    return 0;
}

static int
read_to_end(int fd, struct il_text *out)
{
    for (;;) {
        if (out->len > REQUEST_MAX_BYTES)
            return -EMSGSIZE;
        if (text_reserve(out, 4096))
            return -ENOMEM;
        ssize_t n = read(fd, out->data + out->len, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        out->len += (size_t) n;
    }
}

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

static void
set_timeout(int fd, int seconds)
{
    struct timeval t = { .tv_sec = seconds };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* --- the daemon's -------------------------------------------------------- */

static void
answer(struct control *c, struct il_text *request, struct il_text *reply)
{
    const char *text = text_str(request);
    const char *end = memchr(text, '\n', request->len);
    size_t line_len = end ? (size_t) (end - text) : request->len;
    size_t skip = end ? line_len + 1 : line_len;
    struct slice body = slice_of(text + skip, request->len - skip);
    request->data[line_len] = 0;
    size_t name_len = strcspn(text, " ");
    const char *args = text + name_len + strspn(text + name_len, " ");
    for (struct handler *h = c->handlers; h; h = h->next)
        if (strlen(h->name) == name_len
            && strncmp(h->name, text, name_len) == 0) {
            h->fn(h->arg, args, body, reply);
            return;
        }
    text_puts(reply, "{\"error\":{\"message\":\"unknown request\",\"code\":"
                     "\"unknown\"}}\n");
}

/* One that is connected: it speaks to the end, then it is answered. */
struct client {
    int fd; /* -1: nobody */
    int speaks;
    int64_t until_us;
    struct il_text request, reply;
    size_t sent;
};

static void
client_end(struct client *it)
{
    close(it->fd);
    text_clear(&it->request);
    text_clear(&it->reply);
    *it = (struct client){ .fd = -1 };
}

/* What there is to read, as long as there is; 1: it was the end, 0, or
 * negative. */
static int
client_hear(struct client *it)
{
    while (it->request.len <= REQUEST_MAX_BYTES) {
        if (text_reserve(&it->request, 4096))
            return -ENOMEM;
        ssize_t n = read(it->fd, it->request.data + it->request.len, 4096);
        if (n > 0)
            it->request.len += (size_t) n;
        else if (n == 0)
            return 1;
        else if (errno != EINTR)
            return errno == EAGAIN ? 0 : -errno;
    }
    return -EMSGSIZE;
}

/* 1: all of the reply has gone, 0, or negative. */
static int
client_tell(struct client *it)
{
    while (it->sent < it->reply.len) {
        ssize_t n = send(it->fd, it->reply.data + it->sent,
                         it->reply.len - it->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? 0 : -errno;
        it->sent += n > 0 ? (size_t) n : 0;
    }
    return 1;
}

static void
client_turn(struct control *c, struct client *it)
{
    int rc = 0;
    if (it->speaks) {
        rc = client_hear(it);
        if (rc > 0 && it->request.len) {
            answer(c, &it->request, &it->reply);
            it->speaks = rc = 0;
            it->until_us = clock_monotonic_us() + CLIENT_TIMEOUT_US;
        }
    }
    if (!it->speaks)
        rc = client_tell(it);
    if (rc)
        client_end(it);
}

/* 0; -EAGAIN: no more now; another error: not for a while. */
static int
client_let_in(struct control *c, struct client *it)
{
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    *it =
        (struct client){ .fd = fd,
                         .speaks = 1,
                         .until_us = clock_monotonic_us() + CLIENT_TIMEOUT_US };
    return 0;
}

struct control_loop {
    struct client clients[CLIENTS_MAX];
    int64_t shut_until_us; /* nobody is let in */
};

/* Whom to wait for; how long, in ms. */
static int
loop_watch(const struct control *c, const struct control_loop *l,
           struct pollfd p[CLIENTS_MAX + 2])
{
    int64_t now = clock_monotonic_us(), until = INT64_MAX;
    int room = 0;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *it = &l->clients[i];
        p[i] = (struct pollfd){ .fd = it->fd,
                                .events = it->speaks ? POLLIN : POLLOUT };
        room |= it->fd < 0;
        if (it->fd >= 0 && it->until_us < until)
            until = it->until_us;
    }
    int shut = l->shut_until_us > now;
    if (shut && l->shut_until_us < until)
        until = l->shut_until_us;
    p[CLIENTS_MAX] =
        (struct pollfd){ .fd = room && !shut ? c->fd : -1, .events = POLLIN };
    p[CLIENTS_MAX + 1] = (struct pollfd){ .fd = c->stop_fd, .events = POLLIN };
    return until == INT64_MAX ? -1
           : until <= now     ? 0
                              : (int) ((until - now) / 1000 + 1);
}

static void
loop_let_in(struct control *c, struct control_loop *l)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l->clients[i].fd >= 0)
            continue;
        int err = client_let_in(c, &l->clients[i]);
        if (err && err != -EAGAIN && err != -EINTR && err != -ECONNABORTED)
            l->shut_until_us = clock_monotonic_us() + ACCEPT_PAUSE_US;
        if (err)
            return;
    }
}

static void *
control_run(void *arg)
{
    struct control *c = arg;
    struct control_loop l = { .shut_until_us = 0 };
    struct pollfd p[CLIENTS_MAX + 2];
    for (int i = 0; i < CLIENTS_MAX; i++)
        l.clients[i].fd = -1;
    pthread_setname_np(pthread_self(), "control");
    for (;;) {
        int wait_ms = loop_watch(c, &l, p);
        if (poll(p, CLIENTS_MAX + 2, wait_ms) < 0 && errno != EINTR)
            break;
        if (p[CLIENTS_MAX + 1].revents)
            break;
        int64_t now = clock_monotonic_us();
        for (int i = 0; i < CLIENTS_MAX; i++) {
            if (p[i].fd >= 0 && p[i].revents)
                client_turn(c, &l.clients[i]);
            if (l.clients[i].fd >= 0 && now >= l.clients[i].until_us)
                client_end(&l.clients[i]);
        }
        if (p[CLIENTS_MAX].revents)
            loop_let_in(c, &l);
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (l.clients[i].fd >= 0)
            client_end(&l.clients[i]);
    return NULL;
}

static int
listen_at(struct control *c, const char *state_dir)
{
    struct sockaddr_un at;
    int dir, err = address(state_dir, &at, &dir);
    if (err)
        return err;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(c->path);
    /* Never, not even for a moment, others'.  The umask is all threads'. */
    err = c->fd < 0 || fchmod(c->fd, 0600)
                  || bind(c->fd, (struct sockaddr *) &at, sizeof(at))
              ? -errno
              : 0;
    if (dir >= 0)
        close(dir);
    if (!err && listen(c->fd, 16))
        err = -errno;
    return err;
}

int
control_start(struct control *c, const char *state_dir)
{
    char path[4096];
    int err = state_dir_path(path, sizeof(path), state_dir, SOCKET_NAME);
    c->path = err ? NULL : strdup(path);
    if (!err)
        err = c->path ? listen_at(c, state_dir) : -ENOMEM;
    if (!err) {
        c->stop_fd = eventfd(0, EFD_CLOEXEC);
        err = c->stop_fd < 0
                  ? -errno
                  : -pthread_create(&c->thread, NULL, control_run, c);
    }
    c->started = !err;
    if (err)
        log_error("cannot listen on the control socket %s: %s", path,
                  strerror(-err));
    return err;
}

void
control_free(struct control *c)
{
    if (!c)
        return;
    if (c->started) {
        uint64_t one = 1;
        while (write(c->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            continue;
        pthread_join(c->thread, NULL);
        unlink(c->path);
    }
    if (c->fd >= 0)
        close(c->fd);
    if (c->stop_fd >= 0)
        close(c->stop_fd);
    while (c->handlers) {
        struct handler *h = c->handlers;
        c->handlers = h->next;
        free(h);
    }
    free(c->path);
    free(c);
}

/* --- the commands' ------------------------------------------------------- */

static int
talk(int fd, const char *line, struct slice body, struct il_text *reply)
{
    int err = write_whole(fd, line, strlen(line));
    if (!err)
        err = write_whole(fd, "\n", 1);
    if (!err)
        err = write_whole(fd, body.ptr, body.len);
    if (!err && shutdown(fd, SHUT_WR))
        err = -errno;
    return err ? err : read_to_end(fd, reply);
}

/* A socket that is connected to it, or a negative errno. */
static int
reach(const char *state_dir)
{
    struct sockaddr_un at;
    int dir, fd = -1, err = address(state_dir, &at, &dir);
    if (!err) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        set_timeout(fd, 60);
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
control_call(const char *state_dir, const char *line, struct slice body,
             struct il_text *reply)
{
    int fd = reach(state_dir);
    int err = fd < 0 ? fd : talk(fd, line, body, reply);
    if (fd >= 0)
        close(fd);
    if (err == -ENOENT || err == -ECONNREFUSED) {
        fprintf(stderr, "ingestlayer: no daemon runs on state_dir %s\n",
                state_dir);
        return -ECONNREFUSED;
    }
    if (err == -EACCES)
        fprintf(stderr, "ingestlayer: state_dir %s: %s\n", state_dir,
                state_dir_strerror(err));
    else if (err)
        fprintf(stderr,
                "ingestlayer: state_dir %s: cannot ask the daemon: "
                "%s\n",
                state_dir, strerror(-err));
    return err;
}

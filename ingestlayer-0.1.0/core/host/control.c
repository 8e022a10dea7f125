/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "control.h"

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
/* A client that stops halfway must not keep others out for long. */
#define CLIENT_TIMEOUT_S 5

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

static void
serve(struct control *c, int fd)
{
    struct il_text request = { 0 }, reply = { 0 };
    set_timeout(fd, CLIENT_TIMEOUT_S);
    if (read_to_end(fd, &request) == 0 && request.len) {
        answer(c, &request, &reply);
        write_whole(fd, reply.data, reply.len);
    }
    text_clear(&request);
    text_clear(&reply);
    close(fd);
}

static void *
control_run(void *arg)
{
    struct control *c = arg;
    for (;;) {
        struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
                               { .fd = c->stop_fd, .events = POLLIN } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents)
            return NULL;
        int fd = p[0].revents ? accept4(c->fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0)
            serve(c, fd);
        else if (p[0].revents && errno == EMFILE)
            poll(NULL, 0, 100); /* the connection stays; do not spin */
    }
}

static int
listen_at(struct control *c, const char *state_dir)
{
    struct sockaddr_un at;
    int dir, err = address(state_dir, &at, &dir);
    if (err)
        return err;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(c->path);
    mode_t mask = umask(0177); /* never, not even for a moment, others' */
    err = bind(c->fd, (struct sockaddr *) &at, sizeof(at)) ? -errno : 0;
    umask(mask);
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

int
control_call(const char *state_dir, const char *line, struct slice body,
             struct il_text *reply)
{
    struct sockaddr_un at;
    int dir, err = address(state_dir, &at, &dir);
    if (!err) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        set_timeout(fd, 60);
        err = fd < 0 || connect(fd, (struct sockaddr *) &at, sizeof(at))
                  ? -errno
                  : talk(fd, line, body, reply);
        if (fd >= 0)
            close(fd);
    }
    if (dir >= 0)
        close(dir);
    if (err == -ENOENT || err == -ECONNREFUSED) {
        fprintf(stderr, "ingestlayer: no daemon runs on state_dir %s\n",
                state_dir);
        return -ECONNREFUSED;
    }
    if (err == -EACCES)
        fprintf(stderr,
                "ingestlayer: state_dir %s: not allowed; ask as the "
                "user that runs the daemon, or as root\n",
                state_dir);
    else if (err)
        fprintf(stderr,
                "ingestlayer: state_dir %s: cannot ask the daemon: "
                "%s\n",
                state_dir, strerror(-err));
    return err;
}

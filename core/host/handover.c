/* SPDX-License-Identifier: MIT */
/* The messages of a handover. */
#include <config.h>

#include "handover.h"

#include "base/log.h"
#include "http/inherited.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The longest message.  The system has as much for one by default; a request
 * that has come in part is shorter. */
#define ROOM (160u << 10)
/* The other one only reads meanwhile. */
#define SAY_S 5

int
handover_open(struct handover *h, int fd)
{
    const struct timeval limit = { .tv_sec = SAY_S };
    const int room = 2 * (int) ROOM;
    h->fd = fd;
    h->room = malloc(ROOM);
    if (!h->room) {
        handover_close(h);
        return -ENOMEM;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    return 0;
}

void
handover_close(struct handover *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
    free(h->room);
    h->room = NULL;
}

union control {
    struct cmsghdr head; /* for its alignment */
    char room[CMSG_SPACE(sizeof(int))];
};

int
handover_say(struct handover *h, const char *word, struct slice data, int fd)
{
    struct iovec parts[] = { { (void *) word, strlen(word) + 1 },
                             { (void *) data.ptr, data.len } };
    union control control = { .room = { 0 } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n;
    if (parts[0].iov_len + data.len > ROOM)
        return -EMSGSIZE;
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    do
        n = sendmsg(h->fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int
descriptor_of(struct msghdr *m)
{
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
            && c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}

static int
read_message(struct handover *h, struct handover_message *out)
{
    struct iovec part = { h->room, ROOM };
    union control control;
    struct msghdr m = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    ssize_t n;
    do
        n = recvmsg(h->fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 || errno == ECONNRESET ? 0 : -errno;
    out->fd = descriptor_of(&m);
    const char *end = memchr(h->room, 0, (size_t) n);
    if (!end || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        if (out->fd >= 0)
            close(out->fd);
        return m.msg_flags & MSG_CTRUNC ? -EMFILE : -EPROTO;
    }
    snprintf(out->word, sizeof(out->word), "%s", h->room);
    out->data = slice_of(end + 1, (size_t) (h->room + n - end - 1));
    return 1;
}

int
handover_hear(struct handover *h, int timeout_ms, struct handover_message *out)
{
    struct pollfd p = { .fd = h->fd, .events = POLLIN };
    int n = poll(&p, 1, timeout_ms);
    if (n < 0 && errno != EINTR)
        return -errno;
    return n <= 0 ? -ETIMEDOUT : read_message(h, out);
}

/* --- what there is to give ------------------------------------------------- */

/* "OURS SERVER", a NUL, and what has come. */
static int
give_one(struct handover *h, const struct http_heir *heir)
{
    struct il_text t = { 0 };
    int err = text_printf(&t, "%d %s", heir->ours, heir->server);
    if (!err)
        err = text_putc(&t, 0);
    if (!err)
        err = text_put(&t, heir->sent.ptr, heir->sent.len);
    if (!err)
        err = handover_say(h, heir->is_conn ? "connection" : "socket",
                           slice_of(t.data, t.len), heir->fd);
    text_clear(&t);
    return err;
}

static int
give_begin(struct handover *h, const struct handover_facts *f)
{
    struct il_text t = { 0 };
    int err = text_printf(&t,
                          "%" PRIu64 " %ld %" PRId64 " %" PRIu64 " %" PRIu64
                          " %" PRIu64 " %s",
                          f->id, f->from, f->rested_us, f->connections, f->tls,
                          f->requests, f->from_version);
    if (!err)
        err = text_putc(&t, 0);
    if (!err)
        err = handover_say(h, "begin", slice_of(t.data, t.len), -1);
    text_clear(&t);
    return err;
}

int
handover_give(struct handover *h, int lock, const struct http_inherited *in,
              const struct handover_facts *facts, uint64_t *cut)
{
    struct http_heir heir;
    struct handover_facts f = *facts;
    int err = handover_say(h, "lock", slice_of(NULL, 0), lock);
    for (size_t i = 0; !err && http_inherited_get(in, i, &heir); i++) {
        err = give_one(h, &heir);
        /* more than a message holds, or more files than may be under way */
        if (heir.is_conn && (err == -EMSGSIZE || err == -ETOOMANYREFS)) {
            ++*cut;
            f.connections--;
            err = 0;
        }
    }
    f.requests += *cut;
    return err ? err : give_begin(h, &f);
}

static int
take_one(const struct handover_message *m, struct http_inherited *in)
{
    const char *end = memchr(m->data.ptr, 0, m->data.len);
    const char *server = end ? strchr(m->data.ptr, ' ') : NULL;
    if (!server || m->fd < 0) {
        if (m->fd >= 0)
            close(m->fd);
        return -EPROTO;
    }
    const size_t head = (size_t) (end + 1 - m->data.ptr);
    server++;
    if (strcmp(m->word, "socket") == 0)
        return http_inherited_add(in, m->fd, "the daemon before",
                                  *server ? server : NULL, atoi(m->data.ptr));
    return http_inherited_add_conn(
        in, m->fd, server, slice_of(m->data.ptr + head, m->data.len - head));
}

static int
take_begin(const struct handover_message *m, struct handover_facts *f)
{
    if (!memchr(m->data.ptr, 0, m->data.len))
        return -EPROTO;
    return sscanf(m->data.ptr,
                  "%" SCNu64 " %ld %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                  " %31s",
                  &f->id, &f->from, &f->rested_us, &f->connections, &f->tls,
                  &f->requests, f->from_version)
                   == 7
               ? 0
               : -EPROTO;
}

int
handover_take(struct handover *h, int *lock, struct http_inherited *in,
              struct handover_facts *facts)
{
    struct handover_message m;
    *lock = -1;
    for (;;) {
        int rc = handover_hear(h, -1, &m);
        if (rc == -ETIMEDOUT)
            continue;
        if (rc <= 0)
            return rc ? rc : -EPIPE;
        if (strcmp(m.word, "begin") == 0) {
            if (m.fd >= 0)
                close(m.fd);
            return *lock < 0 ? -EPROTO : take_begin(&m, facts);
        }
        if (strcmp(m.word, "lock") == 0 && *lock < 0) {
            *lock = m.fd;
            continue;
        }
        if (strcmp(m.word, "socket") == 0 || strcmp(m.word, "connection") == 0)
            rc = take_one(&m, in);
        else if (m.fd >= 0)
            close(m.fd);
        if (rc < 0)
            return rc;
    }
}

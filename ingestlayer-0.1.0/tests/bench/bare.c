/* SPDX-License-Identifier: MIT */
/* The limit of single-event requests: a loop that reads a request, appends its
 * body to a file, syncs once for all that came in one round, and answers 202.
 * No routes, no keys, no JSON, no ids, no duplicates, one thread.
 *
 *   bare FILE     listens on a free port of 127.0.0.1, which it prints; ends
 *                 with SIGTERM */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND 1024      /* requests that share a sync */
#define REQUEST 2048    /* bytes */
#define ADDRESSES 20000 /* file descriptors */

static const char answer[] = "HTTP/1.1 202 Accepted\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 113\r\n\r\n"
                             "{\"data\":{\"accepted\":1,\"duplicates\":0,"
                             "\"events\":[{\"index\":0,\"id\":\""
                             "evt_00000000000000000000000000\",\"status\":"
                             "\"ok\"}]}}";

struct conn {
    size_t got;
    char bytes[REQUEST];
};

static struct conn *conns[ADDRESSES];
static int poller, listener, file;
static char bodies[ROUND * REQUEST];
static size_t bodies_len;
static int waiting[ROUND], waiting_count;

static void
must(int failed, const char *what)
{
    if (!failed)
        return;
    perror(what);
    exit(1);
}

static void
start_listening(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(bind(listener, (struct sockaddr *) &a, len)
             || listen(listener, 4096)
             || getsockname(listener, (struct sockaddr *) &a, &len),
         "listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
}

static void
add(int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
}

static void
take_connections(void)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        must(fd >= ADDRESSES || !(conns[fd] = calloc(1, sizeof *conns[fd])),
             "connection");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        add(fd);
    }
}

/* One request at a time, as the bench's sender does it. */
static void
take_request(int fd)
{
    struct conn *c = conns[fd];
    ssize_t n = recv(fd, c->bytes + c->got, REQUEST - 1 - c->got, 0);
    if (n <= 0) {
        free(c);
        close(fd);
        return;
    }
    c->got += (size_t) n;
    c->bytes[c->got] = 0;
    char *end = strstr(c->bytes, "\r\n\r\n");
    char *length = strcasestr(c->bytes, "\r\ncontent-length:");
    if (!end || !length)
        return;
    size_t body = strtoull(length + 17, NULL, 10);
    if (c->got < (size_t) (end + 4 - c->bytes) + body)
        return;
    memcpy(bodies + bodies_len, end + 4, body);
    bodies_len += body;
    waiting[waiting_count++] = fd;
    c->got = 0;
}

static void
answer_all(void)
{
    if (!waiting_count)
        return;
    must(write(file, bodies, bodies_len) != (ssize_t) bodies_len
             || fdatasync(file),
         "file");
    for (int i = 0; i < waiting_count; i++)
        send(waiting[i], answer, sizeof answer - 1, MSG_NOSIGNAL);
    waiting_count = 0;
    bodies_len = 0;
}

int
main(int argc, char **argv)
{
    struct epoll_event events[ROUND];
    must(argc != 2, "usage: bare FILE");
    file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(file < 0, argv[1]);
    poller = epoll_create1(0);
    start_listening();
    add(listener);
    for (;;) {
        int n = epoll_wait(poller, events, ROUND, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                take_connections();
            else
                take_request(events[i].data.fd);
        }
        answer_all();
    }
}

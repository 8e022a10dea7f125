/* SPDX-License-Identifier: MIT */
/* An endpoint of webhooks that does nothing but read each request and answer
 * 204: what a sender reaches beside it is the sender's doing.  One thread.
 *
 *   receive       listens on a free port of 127.0.0.1, which it prints; ends
 *                 with SIGTERM, and prints how many requests have come */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND 1024
#define REQUEST 4096 /* bytes, the largest that it takes */
#define FILES 20000

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

struct conn {
    size_t got;
    char bytes[REQUEST + 1];
};

static struct conn *conns[FILES];
static int poller, listener;
static unsigned long requests;
static volatile sig_atomic_t ended;

static void
must(int failed, const char *what)
{
    if (!failed)
        return;
    perror(what);
    exit(1);
}

static void
end(int number)
{
    (void) number;
    ended = 1;
}

static void
add(int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
}

static void
start_listening(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    must(bind(listener, (struct sockaddr *) &a, len) || listen(listener, 4096)
             || getsockname(listener, (struct sockaddr *) &a, &len),
         "listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    add(listener);
}

static void
take_connections(void)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        must(fd >= FILES || !(conns[fd] = calloc(1, sizeof *conns[fd])),
             "connection");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        add(fd);
    }
}

static void
leave(int fd)
{
    free(conns[fd]);
    conns[fd] = NULL;
    close(fd);
}

/* One request at a time, as senders without pipelining do it. */
static void
take_request(int fd)
{
    struct conn *c = conns[fd];
    ssize_t n = recv(fd, c->bytes + c->got, REQUEST - c->got, 0);
    if (n <= 0) {
        leave(fd);
        return;
    }
    c->got += (size_t) n;
    c->bytes[c->got] = 0;
    const char *head_end = strstr(c->bytes, "\r\n\r\n");
    const char *length = strcasestr(c->bytes, "\r\ncontent-length:");
    if (!head_end || !length)
        return;
    size_t body = strtoull(length + 17, NULL, 10);
    if (c->got < (size_t) (head_end + 4 - c->bytes) + body)
        return;
    c->got = 0;
    requests++;
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL)
        != (ssize_t) sizeof answer - 1)
        leave(fd);
}

int
main(void)
{
    struct epoll_event events[ROUND];
    /* Without SA_RESTART, so that the wait ends with it. */
    const struct sigaction on_end = { .sa_handler = end };
    sigaction(SIGTERM, &on_end, NULL);
    poller = epoll_create1(0);
    start_listening();
    while (!ended) {
        int n = epoll_wait(poller, events, ROUND, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                take_connections();
            else
                take_request(events[i].data.fd);
        }
    }
    printf("%lu\n", requests);
    return 0;
}

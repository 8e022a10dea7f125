/* SPDX-License-Identifier: MIT */
/* A client that says exactly the bytes it is told, for tests of the server. */
#ifndef HTTP_TALK_H
#define HTTP_TALK_H

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int port; /* of the server, on 127.0.0.1 */

static int
dial(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) port) };
    struct timeval limit = { .tv_sec = 10 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void
say_bytes(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0)
            return; /* the server has hung up: its answer decides */
        bytes += n;
        len -= (size_t) n;
    }
}

static void
say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* One answer; its status, 0 when the connection ends instead. */
static int
hear(int fd, char *out, size_t size)
{
    size_t len = 0;
    out[0] = 0;
    for (;;) {
        char *head = strstr(out, "\r\n\r\n");
        if (head) {
            char *cl = strcasestr(out, "content-length:");
            size_t body = cl && cl < head ? strtoul(cl + 15, NULL, 10) : 0;
            if (len >= (size_t) (head + 4 - out) + body)
                return atoi(out + 9);
        }
        ssize_t n = recv(fd, out + len, size - 1 - len, 0);
        if (n <= 0)
            return 0;
        len += (size_t) n;
        out[len] = 0;
    }
}

static char answer[200000];

static int
ask(const char *text)
{
    int fd = dial();
    say(fd, text);
    int status = hear(fd, answer, sizeof(answer));
    close(fd);
    return status;
}

#endif

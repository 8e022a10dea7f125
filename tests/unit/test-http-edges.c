/* SPDX-License-Identifier: MIT */
/* The server on the open internet: heads that two servers could read as two
 * different requests, clients behind proxies, too many connections, unix
 * sockets. */
#include "config.h"
#include "http_server.h"
#include "tempdir.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>


static void
whose(void *self, struct il_request *req)
{
    const char *peer = il_request_peer(req);
    (void) self;
    il_respond(req, 200, "text/plain", peer, strlen(peer));
}

static int
begin(struct http_options o, const char *listen)
{
    server_new(o, listen);
    route("POST", "/echo", NULL, echo, NULL);
    route("POST", "/keyed", nobody, echo, NULL);
    route("GET", "/whose", NULL, whose, NULL);
    return server_start();
}

static void
setup(void)
{
    ck_assert_int_eq(begin((struct http_options){ .max_body = 100000,
                                                  .timeout_ms = 5000 },
                           "127.0.0.1:0"),
                     0);
}

/* --- heads ---------------------------------------------------------------- */

#define H " HTTP/1.1\r\nHost: t\r\n"
#define LINE "POST /echo HTTP/1.1\r\n"
#define N3 "Content-Length: 3\r\n"
#define TE "Transfer-Encoding: chunked\r\n"
#define CHUNKS "3\r\nabc\r\n0\r\n\r\n"
#define ABC "\r\nabc"

struct shape {
    const char *name;
    const char *bytes;
    size_t len;
};
/* The array's own length: there may be NULs. */
#define SHAPE(name, bytes) { name, bytes, sizeof(bytes) - 1 }

/* What comes after each, on the same connection. */
static const char next[] = "POST /echo" H "Content-Length: 0\r\n\r\n";

static const struct shape shapes[] = {
    SHAPE("two lengths", LINE "Host: t\r\n" N3 "Content-Length: 4\r\n\r\nabcd"),
    SHAPE("the same length twice", LINE "Host: t\r\n" N3 N3 ABC),
    SHAPE("two encodings", LINE "Host: t\r\n" TE TE "\r\n" CHUNKS),
    SHAPE("chunks in 1.0", "POST /echo HTTP/1.0\r\n" TE "\r\n" CHUNKS),
    SHAPE("two hosts", LINE "Host: a\r\nHost: b\r\n" N3 ABC),
    SHAPE("a host with a path", LINE "Host: a/b\r\n" N3 ABC),
    SHAPE("an URL of something else", "POST ftp://t/echo" H N3 ABC),
    SHAPE("an URL without a host", "POST http:///echo" H N3 ABC),
    SHAPE("an URL with a user", "POST http://u@t/echo" H N3 ABC),
    SHAPE("an authority", "CONNECT t:80" H "\r\n"),
    SHAPE("a path without /", "POST echo" H N3 ABC),
    SHAPE("a control in the path", "POST /ec\001ho" H N3 ABC),
    SHAPE("an escaped NUL", "POST /echo%00" H N3 ABC),
    SHAPE("another expectation", LINE "Host: t\r\nExpect: more\r\n" N3 ABC),
    SHAPE("two keys", LINE "Host: t\r\nAuthorization: Bearer a\r\n"
                           "Authorization: Bearer b\r\n" N3 ABC),
    SHAPE("a method with (", "PO(ST /echo" H N3 ABC),
    SHAPE("a control in a name", LINE "Host: t\r\nX\001: y\r\n" N3 ABC),
    SHAPE("a control in a value", LINE "Host: t\r\nX: \001\r\n" N3 ABC),
    SHAPE("a length and chunks",
          LINE "Host: t\r\nContent-Length: 5\r\n" TE "\r\n0\r\n\r\n"),
    SHAPE("another encoding", LINE "Host: t\r\nTransfer-Encoding: gzip, "
                                   "chunked\r\n\r\n" CHUNKS),
    SHAPE("no encoding", LINE "Host: t\r\nTransfer-Encoding: identity\r\n" ABC),
    SHAPE("nearly chunked", LINE "Host: t\r\nTransfer-Encoding: xchunked\r\n"
                                 "\r\n" CHUNKS),
    SHAPE("chunked after VT", LINE "Host: t\r\nTransfer-Encoding: \013chunked"
                                   "\r\n\r\n" CHUNKS),
    SHAPE("space before :",
          LINE "Host: t\r\nTransfer-Encoding : chunked\r\n" N3 ABC),
    SHAPE("length with space before :",
          LINE "Host: t\r\nContent-Length : 3\r\n" ABC),
    SHAPE("no host", LINE N3 ABC),
    SHAPE("bare LF after a field", LINE "Host: t\r\nX: y\n" N3 ABC),
    SHAPE("bare LF after the line", "POST /echo HTTP/1.1\nHost: t\r\n" N3 ABC),
    SHAPE("bare LF at the end", LINE "Host: t\r\n" N3 "\nabc"),
    SHAPE("only bare LF", "POST /echo HTTP/1.1\nHost: t\nContent-Length: 3\n\n"
                          "abc"),
    SHAPE("bare CR", LINE "Host: t\r\nX: y\rContent-Length: 9\r\n" N3 ABC),
    SHAPE("CR CR LF", LINE "Host: t\r\nX: y\r\r\n" N3 ABC),
    SHAPE("NUL in a value", LINE "Host: t\r\nX: y\0z\r\n" N3 ABC),
    SHAPE("NUL in a length", LINE "Host: t\r\nContent-Length: 3\0 4\r\n" ABC),
    SHAPE("NULs like a field", LINE "Host: t\r\nX: a\0\0b\0c\r\n" N3 ABC),
    SHAPE("NUL at a value's end", LINE "Host: t\r\nX: y\0\r\n" N3 ABC),
    SHAPE("NUL in a name", LINE "Host: t\r\nX\0Y: z\r\n" N3 ABC),
    SHAPE("NUL in the path", "POST /echo\0x" H N3 ABC),
    SHAPE("a folded value", LINE "Host: t\r\nX: y\r\n z\r\n" N3 ABC),
    SHAPE("a folded length", LINE "Host: t\r\nContent-Length:\r\n 3\r\n" ABC),
    SHAPE("a name made by folding", LINE "Host: t\r\nContent: 1\r\n -Length: 3"
                                         "\r\n" ABC),
    SHAPE("a first line folded", LINE " X: y\r\nHost: t\r\n" N3 ABC),
    SHAPE("two spaces", "POST  /echo" H N3 ABC),
    SHAPE("space in the path", "POST /ec ho" H N3 ABC),
    SHAPE("space after the version",
          "POST /echo HTTP/1.1 \r\nHost: t\r\n" N3 ABC),
    SHAPE("tabs", "POST\t/echo\tHTTP/1.1\r\nHost: t\r\n" N3 ABC),
    SHAPE("no version", "POST /echo\r\nHost: t\r\n" N3 ABC),
    SHAPE("HTTP/2.0", "POST /echo HTTP/2.0\r\nHost: t\r\n" N3 ABC),
    SHAPE("lower case", "POST /echo http/1.1\r\nHost: t\r\n" N3 ABC),
    SHAPE("no colon", LINE "Host: t\r\nX\r\n" N3 ABC),
    SHAPE("no name", LINE "Host: t\r\n: y\r\n" N3 ABC),
    SHAPE("space in a name", LINE "Host: t\r\nX Y: z\r\n" N3 ABC),
    SHAPE("length with sign", LINE "Host: t\r\nContent-Length: +3\r\n" ABC),
    SHAPE("length below 0", LINE "Host: t\r\nContent-Length: -1\r\n" ABC),
    SHAPE("length with space", LINE "Host: t\r\nContent-Length: 3 4\r\n" ABC),
    SHAPE("lengths in a list", LINE "Host: t\r\nContent-Length: 3, 3\r\n" ABC),
    SHAPE("length in hex", LINE "Host: t\r\nContent-Length: 0x3\r\n" ABC),
    SHAPE("no length after all", LINE "Host: t\r\nContent-Length:\r\n" ABC),
    SHAPE("length without end",
          LINE "Host: t\r\n"
               "Content-Length: 99999999999999999999\r\n" ABC),
    SHAPE("chunk size in words", LINE "Host: t\r\n" TE "\r\nzz\r\nabc\r\n"),
    SHAPE("chunk size below 0", LINE "Host: t\r\n" TE "\r\n-3\r\nabc\r\n"),
    SHAPE("chunk size with 0x", LINE "Host: t\r\n" TE "\r\n0x3\r\nabc\r\n"
                                     "0\r\n\r\n"),
    SHAPE("chunk size with space", LINE "Host: t\r\n" TE "\r\n3 \r\nabc\r\n"
                                        "0\r\n\r\n"),
    SHAPE("chunk size without end",
          LINE "Host: t\r\n" TE "\r\nfffffffffffffffff\r\nabc\r\n"),
    SHAPE("chunk longer than said", LINE "Host: t\r\n" TE "\r\n3\r\nabcd\r\n"
                                         "0\r\n\r\n"),
    SHAPE("chunk without end", LINE "Host: t\r\n" TE "\r\n3\r\nabc0\r\n\r\n"),
    SHAPE("no HTTP", "\026\003\001\002\0\001\0\001\374\003\003\r\n\r\n"),
};

/* Everything until the server hangs up, which it must. */
static size_t
hear_all(int fd, const char *name)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0) {
            ck_assert_msg(n == 0 || errno == ECONNRESET,
                          "%s: the connection stays open", name);
            break;
        }
        len += (size_t) n;
    }
    answer[len] = 0;
    return len;
}

static void
refused(const struct shape *s, int in_pieces)
{
    int fd = dial();
    for (size_t at = 0; in_pieces && at < s->len; at++) {
        say_bytes(fd, s->bytes + at, 1);
        usleep(50);
    }
    if (!in_pieces)
        say_bytes(fd, s->bytes, s->len);
    say(fd, next);
    size_t len = hear_all(fd, s->name);
    close(fd);
    int status = len > 12 ? atoi(answer + 9) : 0;
    ck_assert_msg(status >= 400 && status < 506, "%s was answered %d", s->name,
                  status);
    ck_assert_msg(handled == 0, "%s: something of it was served", s->name);
    ck_assert_msg(strstr(answer, "\r\nContent-Type: application/json\r\n")
                      && strstr(answer, "Connection: close\r\n")
                      && strstr(answer, "\r\n\r\n{\"error\":{"),
                  "%s was answered\n%s", s->name, answer);
    ck_assert_msg(!strstr(answer, "\nHTTP/1.1 "), "%s was answered twice",
                  s->name);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nothing of them is served, nor what comes after them. */
START_TEST(mistakable_heads_are_refused)
{
    for (size_t i = 0; i < COUNT(shapes); i++)
        refused(&shapes[i], 0);
}
END_TEST

/* The same when every byte comes alone. */
START_TEST(mistakable_heads_are_refused_in_pieces)
{
    for (size_t i = 0; i < COUNT(shapes); i++)
        refused(&shapes[i], 1);
}
END_TEST

START_TEST(unusual_heads_are_read)
{
    static const struct shape unusual[] = {
        SHAPE("no space after :", LINE "Host:t\r\nContent-Length:3\r\n" ABC),
        SHAPE("tabs after :", LINE "Host:\tt\r\nContent-Length: \t3\r\n" ABC),
        SHAPE("zeros before", LINE "Host: t\r\nContent-Length: 003\r\n" ABC),
        SHAPE("any case", LINE "hOST: t\r\ncontent-LENGTH: 3\r\n" ABC),
        SHAPE("an empty host", LINE "Host:\r\n" N3 ABC),
        SHAPE("IPv6 host", LINE "Host: [::1]:80\r\n" N3 ABC),
        SHAPE("1.0 without host", "POST /echo HTTP/1.0\r\n" N3 ABC),
        SHAPE("a query", "POST /echo?a=b&c=%20%2F" H N3 ABC),
        SHAPE("UTF-8", LINE "Host: t\r\nX: \303\251\r\n" N3 ABC),
        SHAPE("an empty value", LINE "Host: t\r\nX:\r\nY: \r\n" N3 ABC),
        SHAPE("a cookie", LINE "Host: t\r\nCookie: a=b; c=\"d\"\r\n" N3 ABC),
        SHAPE("an empty line before", "\r\n" LINE "Host: t\r\n" N3 ABC),
        SHAPE("chunks", LINE "Host: t\r\n" TE "\r\n1\r\na\r\n02\r\nbc\r\n"
                             "0\r\n\r\n"),
        SHAPE("trailers", LINE "Host: t\r\n" TE "\r\n3\r\nabc\r\n0\r\nX: y\r\n"
                               "\r\n"),
        SHAPE("Chunked", LINE "Host: t\r\nTransfer-Encoding: Chunked\r\n\r\n"
              CHUNKS),
    };
    for (size_t i = 0; i < COUNT(unusual); i++) {
        int fd = dial();
        say_bytes(fd, unusual[i].bytes, unusual[i].len);
        int status = hear(fd, answer, sizeof(answer));
        close(fd);
        ck_assert_msg(status == 200 && strstr(answer, "\r\n\r\nabc"),
                      "%s was answered %d\n%s", unusual[i].name, status, answer);
    }
}
END_TEST

/* What comes after chunks could be part of what somebody else takes for one. */
START_TEST(after_lax_chunks_nothing_is_served)
{
    static const char *const bodies[] = {
        "3\nabc\n0\n\n", "3;x=\ny\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n", "3\r\nabc\r\n0\r\nX: y\n\r\n",
        "3;\r\nabc\r\n0\r\n\r\n", "3;x=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
        "3 ;x\r\nabc\r\n0\r\n\r\n", "3\r\r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n x: y\r\n\r\n",
        "3\r\nabc\r\n0\r\nx\r\n\r\n", "00000000000000003\r\nabc\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        int fd = dial();
        handled = 0;
        say(fd, LINE "Host: t\r\n" TE "\r\n");
        say(fd, bodies[i]);
        say(fd, next);
        hear_all(fd, bodies[i]);
        close(fd);
        ck_assert_int_eq(handled, 0);
        ck_assert_int_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
        ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"bad_framing\""));
    }
}
END_TEST

/* Right ones leave the connection as it was. */
START_TEST(after_chunks_more_is_served)
{
    static const char *const bodies[] = {
        CHUNKS, "3;x\r\nabc\r\n0\r\n\r\n",
        "1;x=y;z=\"a;\\\"b\"\r\na\r\n2\r\nbc\r\n0;end\r\n\r\n",
        "0003\r\nabc\r\n000\r\nA: b\r\nC:\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        int fd = dial();
        for (int round = 0; round < 3; round++) {
            say(fd, LINE "Host: t\r\n" TE "\r\n");
            for (const char *p = bodies[i]; *p; p++) {
                say_bytes(fd, p, 1);
                if (round)
                    usleep(100);
            }
            ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
            ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nabc"));
        }
        close(fd);
    }
}
END_TEST

/* A head with one long field, or many short ones. */
static int
ask_long(const char *path, size_t value, size_t fields)
{
    static char text[60000];
    size_t at = (size_t) sprintf(text, "POST %s" H, path);
    for (size_t i = 0; i < fields; i++)
        at += (size_t) sprintf(text + at, "X%zu: y\r\n", i);
    at += (size_t) sprintf(text + at, "Y: ");
    memset(text + at, 'y', value);
    at += value;
    sprintf(text + at, "\r\n" N3 ABC);
    return ask(text);
}

START_TEST(heads_have_a_limit)
{
    static char path[30000] = "/echo?";
    ck_assert_int_eq(ask_long("/echo", 11000, 0), 200);
    ck_assert_int_eq(ask_long("/echo", 12400, 0), 431);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"headers_too_large\""));
    ck_assert_int_eq(ask_long("/echo", 30000, 0), 431);
    ck_assert_int_eq(ask_long("/echo", 1, 90), 200);
    ck_assert_int_eq(ask_long("/echo", 1, 101), 431);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"headers_too_large\""));
    memset(path + 6, 'x', 8000);
    ck_assert_int_eq(ask_long(path, 1, 0), 200);
    memset(path + 6, 'x', 8300);
    ck_assert_int_eq(ask_long(path, 1, 0), 414);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"path_too_long\""));
    memset(path + 6, 'x', 29000);
    ck_assert_int_eq(ask_long(path, 1, 0), 414);
}
END_TEST

START_TEST(only_a_welcome_body_is_asked_for)
{
    static const char *const refusals[] = {
        "POST /keyed" H "Expect: 100-continue\r\n" N3 "\r\n",
        "POST /nowhere" H "Expect: 100-continue\r\n" N3 "\r\n",
        "POST /echo" H "Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n",
        "POST /echo" H "Expect: 100-continue\r\nContent-Encoding: br\r\n" N3
        "\r\n",
    };
    static const int status[] = { 401, 404, 413, 415 };
    for (size_t i = 0; i < COUNT(refusals); i++) {
        ck_assert_int_eq(ask(refusals[i]), status[i]);
        ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    }
    int fd = dial();
    say(fd, "POST /echo" H "Expect: 100-Continue\r\n" N3 "\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 100);
    say(fd, "abc");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    close(fd);
}
END_TEST

/* --- clients -------------------------------------------------------------- */

static const char *
asker(const char *fields)
{
    char text[1000];
    snprintf(text, sizeof(text), "GET /whose" H "%s\r\n", fields);
    ck_assert_int_eq(ask(text), 200);
    return strstr(answer, "\r\n\r\n") + 4;
}

START_TEST(strangers_cannot_say_who_they_are)
{
    ck_assert_str_eq(asker("X-Forwarded-For: 1.2.3.4\r\n"), "127.0.0.1");
    ck_assert_str_eq(asker("Forwarded: for=1.2.3.4\r\n"), "127.0.0.1");
}
END_TEST

START_TEST(proxies_are_believed_from_the_right)
{
    static const struct {
        const char *fields, *client;
    } asked[] = {
        { "", "127.0.0.1" },
        { "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1" },
        { "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n", "192.0.2.1" },
        { "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.2.3\r\n", "192.0.2.1" },
        { "X-Forwarded-For: 6.6.6.6\r\n"
          "X-Forwarded-For: 192.0.2.1 ,10.1.2.3\r\n",
          "192.0.2.1" },
        { "X-Forwarded-For: 10.9.9.9, 10.1.2.3\r\n", "10.9.9.9" },
        { "X-Forwarded-For: 192.0.2.1, unknown\r\n", "127.0.0.1" },
        { "X-Forwarded-For: 192.0.2.1, unknown, 10.1.2.3\r\n", "10.1.2.3" },
        { "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1" },
        { "X-Forwarded-For: [2001:db8::1]:443\r\n", "2001:db8::1" },
        { "X-Forwarded-For: 192.0.2.1:1234\r\n", "192.0.2.1" },
        { "X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1" },
        { "X-Forwarded-For: , ,192.0.2.1,\r\n", "192.0.2.1" },
        { "X-Forwarded-For:\r\n", "127.0.0.1" },
        { "Forwarded: for=1.2.3.4\r\n", "127.0.0.1" },
    };
    struct ip_net nets[2];
    char meant[IP_TEXT + 4];
    ck_assert_ptr_null(ip_net_parse("127.0.0.0/8", &nets[0], meant));
    ck_assert_ptr_null(ip_net_parse("10.0.0.0/8", &nets[1], meant));
    begin((struct http_options){ .trusted = nets, .trusted_count = 2,
                                 .timeout_ms = 5000 },
          "127.0.0.1:0");
    for (size_t i = 0; i < COUNT(asked); i++)
        ck_assert_str_eq(asker(asked[i].fields), asked[i].client);
    teardown();
}
END_TEST

START_TEST(one_address_has_so_many_connections)
{
    int fd[5];
    begin((struct http_options){ .max_per_address = 4, .timeout_ms = 5000 },
          "127.0.0.1:0");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            fd[i] = dial();
            say(fd[i], next);
            ck_assert_int_eq(hear(fd[i], answer, sizeof(answer)), 200);
        }
        fd[4] = dial();
        say(fd[4], next);
        ck_assert_int_eq(hear(fd[4], answer, sizeof(answer)), 0);
        for (int i = 0; i < 5; i++)
            close(fd[i]);
        /* closed ones make room */
        int tries = 0;
        while (ask(next) != 200 && tries++ < 100)
            usleep(20000);
        ck_assert_int_lt(tries, 100);
    }
    teardown();
}
END_TEST

START_TEST(a_proxy_is_not_limited)
{
    struct ip_net net;
    char meant[IP_TEXT + 4];
    int fd[10];
    ck_assert_ptr_null(ip_net_parse("127.0.0.1", &net, meant));
    begin((struct http_options){ .max_per_address = 4, .trusted = &net,
                                 .trusted_count = 1, .timeout_ms = 5000 },
          "127.0.0.1:0");
    for (int i = 0; i < 10; i++) {
        fd[i] = dial();
        say(fd[i], next);
        ck_assert_int_eq(hear(fd[i], answer, sizeof(answer)), 200);
    }
    for (int i = 0; i < 10; i++)
        close(fd[i]);
    teardown();
}
END_TEST

/* --- those who take their time ------------------------------------------- */

static int
connections(void)
{
    struct il_text all = { 0 };
    const char *name = "\ningestlayer_http_connections{server=\"test\"} ";
    ck_assert_int_eq(metric_export(&all), 0);
    const char *at = strstr(text_str(&all), name);
    int n = at ? atoi(at + strlen(name)) : -1;
    text_clear(&all);
    return n;
}

/* More of it than the kernel holds for us. */
START_TEST(an_answer_that_nobody_reads_ends)
{
    const size_t size = 12 << 20;
    char head[100], *body = calloc(1, size);
    int small = 4096;
    begin((struct http_options){ .max_body = size, .timeout_ms = 1000 },
          "127.0.0.1:0");
    int fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    snprintf(head, sizeof(head), "POST /echo" H "Content-Length: %zu\r\n\r\n",
             size);
    say(fd, head);
    say_bytes(fd, body, size);
    int64_t begun = clock_monotonic_us();
    while (connections() && clock_monotonic_us() - begun < 30000000)
        usleep(10000);
    ck_assert_int_eq(connections(), 0);
    ck_assert_int_gt(clock_monotonic_us() - begun, 900000);
    close(fd);
    free(body);
    teardown();
}
END_TEST

/* Whoever has not said anything yet makes room, whoever works stays. */
START_TEST(the_idle_make_room)
{
    int idle[20];
    begin((struct http_options){ .max_connections = 20, .timeout_ms = 60000 },
          "127.0.0.1:0");
    for (int i = 0; i < 20; i++)
        idle[i] = dial();
    say(idle[7], "POST /echo" H "Content-Length: 2\r\n\r\na");
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ask(next), 200);
    say(idle[7], "b");
    ck_assert_int_eq(hear(idle[7], answer, sizeof(answer)), 200);
    for (int i = 0; i < 20; i++)
        close(idle[i]);
    teardown();
}
END_TEST

/* --- unix sockets --------------------------------------------------------- */

static int
dial_unix(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(at.sun_path, path);
    if (!connect(fd, (struct sockaddr *) &at, sizeof(at)))
        return fd;
    close(fd);
    return -1;
}

static int
begin_unix(const char *path, struct http_options o)
{
    char listen[200];
    snprintf(listen, sizeof(listen), "unix:%s", path);
    o.timeout_ms = 5000;
    return begin(o, listen);
}

static void
served_at(const char *path, const char *client, const char *fields)
{
    int fd = dial_unix(path);
    ck_assert_int_ge(fd, 0);
    say(fd, "GET /whose" H);
    say(fd, fields);
    say(fd, "\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, client);
    close(fd);
}

START_TEST(unix_sockets_are_served)
{
    char path[150], *dir = tempdir_make();
    struct stat st;
    snprintf(path, sizeof(path), "%s/s", dir);
    ck_assert_int_eq(begin_unix(path, (struct http_options){ 0 }), 0);
    served_at(path, "unix", "X-Forwarded-For: 192.0.2.1\r\n");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0660);
    teardown();
    ck_assert_int_ne(stat(path, &st), 0);
    /* several loops share one socket */
    struct http_options o = { .socket_mode = 0600, .threads = 3,
                              .trust_unix = 1 };
    ck_assert_int_eq(begin_unix(path, o), 0);
    for (int i = 0; i < 30; i++)
        served_at(path, "192.0.2.1", "X-Forwarded-For: 192.0.2.1\r\n");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    teardown();
    tempdir_remove(dir);
}
END_TEST

START_TEST(only_a_dead_socket_is_replaced)
{
    char path[150], *dir = tempdir_make();
    struct stat st;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    log_level_set(0);
    snprintf(path, sizeof(path), "%s/s", dir);
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_lt(begin_unix(path, (struct http_options){ 0 }), 0);
    http_free(http);
    ck_assert_int_eq(stat(path, &st), 0); /* it is another's, and stays */
    close(fd);
    ck_assert_int_eq(begin_unix(path, (struct http_options){ 0 }), 0);
    served_at(path, "unix", "");
    /* somebody else's by now */
    ck_assert_int_eq(unlink(path), 0);
    fclose(fopen(path, "w"));
    teardown();
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(begin_unix(path, (struct http_options){ 0 }), 0);
    http_free(http);
    ck_assert_int_eq(stat(path, &st), 0);
    tempdir_remove(dir);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("http-edges");
    TCase *t = tcase_create("served");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, mistakable_heads_are_refused);
    tcase_add_test(t, mistakable_heads_are_refused_in_pieces);
    tcase_add_test(t, unusual_heads_are_read);
    tcase_add_test(t, after_lax_chunks_nothing_is_served);
    tcase_add_test(t, after_chunks_more_is_served);
    tcase_add_test(t, heads_have_a_limit);
    tcase_add_test(t, only_a_welcome_body_is_asked_for);
    tcase_add_test(t, strangers_cannot_say_who_they_are);
    suite_add_tcase(s, t);
    t = tcase_create("own");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, proxies_are_believed_from_the_right);
    tcase_add_test(t, one_address_has_so_many_connections);
    tcase_add_test(t, a_proxy_is_not_limited);
    tcase_add_test(t, an_answer_that_nobody_reads_ends);
    tcase_add_test(t, the_idle_make_room);
    tcase_add_test(t, unix_sockets_are_served);
    tcase_add_test(t, only_a_dead_socket_is_replaced);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* SPDX-License-Identifier: MIT */
/* An answer is read as RFC 9112 has it, the same in pieces as at once, and what
 * could be read in two ways is refused. */
#include "../response.h"
#include "outtest.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define LEN(n) "Content-Length: " #n "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define KEEP 8

enum { WHOLE = 1, KEEPS = 2, HEAD = 4, LEFT = 8, CUT = 16 };

static const struct {
    const char *text;
    int status;
    int is; /* WHOLE: before its end; CUT: by its end; LEFT: bytes are left */
    const char *body;
} cases[] = {
    /* lengths */
    { OK LEN(5) "\r\nhello", 200, HEAD | WHOLE | KEEPS, "hello" },
    { OK LEN(0) "\r\n", 200, HEAD | WHOLE | KEEPS, "" },
    { OK LEN(5) "\r\nhell", 200, HEAD, "hell" },
    { OK LEN(5) "\r\nhello there", 200, HEAD | WHOLE | KEEPS | LEFT, "hello" },
    { OK LEN(12) "\r\nhello, world", 200, HEAD | WHOLE | KEEPS, "hello, w" },
    { OK "content-length:5\r\n\r\nhello", 200, HEAD | WHOLE | KEEPS, "hello" },
    { OK "Content-Length: \t5 \t\r\n\r\nhello", 200, HEAD | WHOLE | KEEPS,
      "hello" },
    { OK LEN(5) LEN(5) "\r\nhello", 200, HEAD | WHOLE | KEEPS, "hello" },
    { OK LEN(5) LEN(6) "\r\nhello", 0, 0, "" },
    { OK "Content-Length: 5, 5\r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: \r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: +5\r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: -1\r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: 0x5\r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: 5 5\r\n\r\nhello", 0, 0, "" },
    { OK "Content-Length: 18446744073709551617\r\n\r\nx", 0, 0, "" },
    { OK "Content-Length:\r\n 5\r\n\r\nhello", 0, 0, "" },
    { OK LEN(5) " 6\r\n\r\nhello", 0, 0, "" },
    /* up to the end */
    { OK "\r\nhello", 200, HEAD | CUT, "hello" },
    { OK "\r\n", 200, HEAD | CUT, "" },
    { "HTTP/1.0 200 OK\r\n\r\nhello", 200, HEAD | CUT, "hello" },
    { "HTTP/1.0 200 OK\r\n" LEN(5) "\r\nhello", 200, HEAD | WHOLE, "hello" },
    { "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" LEN(5) "\r\nhello", 200,
      HEAD | WHOLE | KEEPS, "hello" },
    { OK "Connection: close\r\n" LEN(5) "\r\nhello", 200, HEAD | WHOLE,
      "hello" },
    { OK "Connection: x, CLOSE ,\r\n" LEN(5) "\r\nhello", 200, HEAD | WHOLE,
      "hello" },
    { OK "Connection: closed\r\n" LEN(5) "\r\nhello", 200, HEAD | WHOLE | KEEPS,
      "hello" },
    { OK "Connection: a\r\nConnection: close\r\n" LEN(0) "\r\n", 200,
      HEAD | WHOLE, "" },
    { OK "Connection: ,, ,\r\n" LEN(0) "\r\n", 200, HEAD | WHOLE | KEEPS, "" },
    /* without a body */
    { "HTTP/1.1 204 No Content\r\n\r\n", 204, HEAD | WHOLE | KEEPS, "" },
    { "HTTP/1.1 204 No Content\r\n" LEN(5) "\r\n", 204, HEAD | WHOLE | KEEPS,
      "" },
    { "HTTP/1.1 304 Same\r\n" LEN(5) "\r\n", 304, HEAD | WHOLE | KEEPS, "" },
    { "HTTP/1.1 204 No Content\r\n" CHUNKED "\r\n", 204, HEAD | WHOLE, "" },
    /* chunks */
    { OK CHUNKED "\r\n5\r\nhello\r\n0\r\n\r\n", 200, HEAD | WHOLE | KEEPS,
      "hello" },
    { OK CHUNKED "\r\n3\r\nhel\r\n02\r\nlo\r\n000\r\n\r\n", 200,
      HEAD | WHOLE | KEEPS, "hello" },
    { OK CHUNKED "\r\n0\r\n\r\nx", 200, HEAD | WHOLE | KEEPS | LEFT, "" },
    { OK CHUNKED
      "\r\na;x=\"y\"\r\n0123456789\r\n0 ;z\r\nX-T: 1\r\nY: 2\r\n\r\n",
      200, HEAD | WHOLE | KEEPS, "01234567" },
    { OK "Transfer-Encoding: gzip,\t Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200,
      HEAD | WHOLE | KEEPS, "x" },
    { OK CHUNKED "\r\n5\r\nhello\r\n0\r\n", 200, HEAD, "hello" },
    { OK CHUNKED "\r\n5\r\nhello", 200, HEAD, "hello" },
    { OK CHUNKED "\r\n5\r\nhello!\r\n0\r\n\r\n", 200, HEAD | LEFT, "hello" },
    { OK CHUNKED "\r\n5\nhello\r\n0\r\n\r\n", 200, HEAD | LEFT, "" },
    { OK CHUNKED "\r\n\r\n", 200, HEAD, "" },
    { OK CHUNKED "\r\nx\r\n", 200, HEAD, "" },
    { OK CHUNKED "\r\n-1\r\n", 200, HEAD, "" },
    { OK CHUNKED "\r\n5x\r\nhello\r\n0\r\n\r\n", 200, HEAD | LEFT, "" },
    { OK CHUNKED "\r\nfffffffffffffffff\r\nx", 200, HEAD | LEFT, "" },
    { OK CHUNKED "\r\nffffffffffffffff\r\nx", 200, HEAD | LEFT, "" },
    { OK CHUNKED "\r\nfffffffffffffff\r\nx", 200, HEAD, "x" },
    { OK CHUNKED LEN(5) "\r\n5\r\nhello\r\n0\r\n\r\n", 0, 0, "" },
    { OK LEN(5) CHUNKED "\r\nhello", 0, 0, "" },
    { OK CHUNKED CHUNKED "\r\n0\r\n\r\n", 0, 0, "" },
    { OK "Transfer-Encoding: chunked, gzip\r\n\r\nx", 0, 0, "" },
    { OK "Transfer-Encoding: xchunked\r\n\r\nx", 0, 0, "" },
    { OK "Transfer-Encoding: chunked\x0b\r\n\r\nx", 0, 0, "" },
    { OK "Transfer-Encoding: \r\n\r\nx", 0, 0, "" },
    { "HTTP/1.0 200 OK\r\n" CHUNKED "\r\n0\r\n\r\n", 0, 0, "" },
    /* before the answer */
    { "HTTP/1.1 100 Continue\r\n\r\n" OK LEN(2) "\r\nok", 200,
      HEAD | WHOLE | KEEPS, "ok" },
    { "HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n"
      "HTTP/1.1 503 No\r\n" LEN(2) "\r\nno",
      503, HEAD | WHOLE | KEEPS, "no" },
    { "HTTP/1.1 100 Continue\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 0, 0, "" },
    /* the first line */
    { "HTTP/1.1 200\r\n" LEN(0) "\r\n", 200, HEAD | WHOLE | KEEPS, "" },
    { "HTTP/1.1 200 \r\n" LEN(0) "\r\n", 200, HEAD | WHOLE | KEEPS, "" },
    { "HTTP/1.7 599 Gr\xc3\xbc\xdf"
      "e\r\n" LEN(0) "\r\n",
      599, HEAD | WHOLE | KEEPS, "" },
    { "HTTP/1.1 200 OK\n"
      "Content-Length: 2\n\nok",
      200, HEAD | WHOLE | KEEPS, "ok" },
    { "HTTP/2 200 OK\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 0 No\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 099 No\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 600 No\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 2000 OK\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1  200 OK\r\n\r\n", 0, 0, "" },
    { "HTTP/1.1 20\r\n\r\n", 0, 0, "" },
    { "HTTP/1.10 200 OK\r\n\r\n", 0, 0, "" },
    { "http/1.1 200 OK\r\n\r\n", 0, 0, "" },
    { "\r\nHTTP/1.1 200 OK\r\n\r\n", 0, 0, "" },
    { "SSH-2.0-OpenSSH_9.2\r\n", 0, 0, "" },
    { "220 mail.example.com ESMTP", 0, 0, "" },
    { "", 0, 0, "" },
    { "HTTP/1.1 200 OK", 0, 0, "" },
    { OK "X: y", 0, 0, "" },
    /* fields */
    { OK "X-Folded: a\r\n b\r\n\tc\r\n" LEN(1) "\r\nx", 200,
      HEAD | WHOLE | KEEPS, "x" },
    { OK "Retry-After: 1\r\n 2\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "X Y: a\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "Content-Length : 1\r\n\r\nx", 0, 0, "" },
    { OK ": a\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "none\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "X: a\rb\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "X: a\r\r\n" LEN(1) "\r\nx", 0, 0, "" },
    { OK "X:\r\nY: \x07\xff\r\n" LEN(1) "\r\nx", 200, HEAD | WHOLE | KEEPS,
      "x" },
};

/* In pieces of so many bytes. */
static void
read_one(size_t i, size_t piece)
{
    struct response r = { 0 };
    char kept[KEEP];
    const char *text = cases[i].text;
    const size_t len = strlen(text);
    size_t at = 0;
    response_begin(&r, kept, KEEP);
    while (at < len && r.state == RESPONSE_OPEN) {
        const size_t n = len - at < piece ? len - at : piece;
        const size_t taken = response_feed(&r, text + at, n);
        ck_assert(taken == n || r.state != RESPONSE_OPEN);
        at += taken;
    }
    ck_assert_uint_eq(r.received, at);
    const int before_end = r.state == RESPONSE_WHOLE;
    response_eof(&r);
    ck_assert(r.state != RESPONSE_OPEN);
    ck_assert((r.state == RESPONSE_ENDED) == (r.why != NULL));
    const int whole = r.state == RESPONSE_WHOLE;
    int is = (whole && before_end ? WHOLE : 0)
             | (whole && !before_end ? CUT : 0)
             | (response_keeps(&r) ? KEEPS : 0) | (r.head_done ? HEAD : 0);
    if (cases[i].is & HEAD) /* in pieces less may have been taken of a line */
        is |= at < len ? LEFT : 0;
    ck_assert_msg(is == cases[i].is, "%zu in %zu: %s: %d", i, piece, text, is);
    if (r.head_done)
        ck_assert_int_eq(r.status, cases[i].status);
    const size_t n = r.body_len < KEEP ? r.body_len : KEEP;
    ck_assert_msg(n == strlen(cases[i].body) && !memcmp(kept, cases[i].body, n),
                  "%zu: %.*s", i, (int) n, kept);
    response_free(&r);
}

START_TEST(each_answer_is_read_as_it_is_meant)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece < 12; piece++)
            read_one(i, piece < 11 ? piece : 100000);
}
END_TEST

START_TEST(a_nul_in_the_head_is_refused)
{
    static const char text[] = OK "X: a\0b\r\n" LEN(0) "\r\n";
    struct response r = { 0 };
    response_begin(&r, NULL, 0);
    response_feed(&r, text, sizeof(text) - 1);
    ck_assert_int_eq(r.state, RESPONSE_ENDED);
    ck_assert(!r.head_done);
    response_free(&r);
}
END_TEST

START_TEST(fields_that_count_are_kept)
{
    static const char text[] = "HTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\n"
                               "HTTP/1.1 307 There\r\nretry-AFTER: 12 \r\n"
                               "Retry-After: 13\r\nLocation: /a?b#c\r\n"
                               "Location: /d\r\nContent-Length: 0\r\n\r\n";
    struct response r = { 0 };
    response_begin(&r, NULL, 0);
    ck_assert_uint_eq(response_feed(&r, text, sizeof(text) - 1),
                      sizeof(text) - 1);
    ck_assert(r.has_retry_after);
    ck_assert_str_eq(r.retry_after, "12");
    ck_assert_str_eq(r.location, "/a?b#c");
    /* nothing of it is in the next */
    response_begin(&r, NULL, 0);
    response_feed(&r, OK "Location: /e\r\n" LEN(0) "\r\n", 50);
    ck_assert(!r.has_retry_after);
    ck_assert_ptr_null(r.location);
    ck_assert_int_eq(r.status, 200);
    response_free(&r);
}
END_TEST

/* As much as there is of this, again and again; how much was taken. */
static size_t
pour(struct response *r, const char *text, size_t most)
{
    size_t all = 0;
    while (all < most && r->state == RESPONSE_OPEN)
        all += response_feed(r, text, strlen(text));
    return all;
}

START_TEST(all_is_bounded)
{
    static const struct {
        const char *head, *more;
        size_t most;
        int head_done;
    } floods[] = {
        { OK, "X-More: 1\r\n", RESPONSE_HEAD_MAX, 0 },
        { OK, "X", RESPONSE_HEAD_MAX, 0 },
        { "", "HTTP/1.1 100 Continue\r\n\r\n", RESPONSE_HEAD_MAX, 0 },
        { OK "\r\n", "0123456789", RESPONSE_BODY_MAX + 10, 1 },
        { OK "Content-Length: 99999999\r\n\r\n", "0123456789",
          RESPONSE_BODY_MAX + 10, 1 },
        { OK CHUNKED "\r\n", "a\r\n0123456789\r\n", 2 * RESPONSE_BODY_MAX, 1 },
        { OK CHUNKED "\r\n", "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n",
          2 * RESPONSE_LINES_MAX, 1 },
        { OK CHUNKED "\r\n", "0", RESPONSE_LINES_MAX, 1 },
        { OK CHUNKED "\r\n0\r\n", "X: y\r\n", RESPONSE_LINES_MAX, 1 },
    };
    for (size_t i = 0; i < COUNT(floods); i++) {
        struct response r = { 0 };
        response_begin(&r, NULL, 0);
        response_feed(&r, floods[i].head, strlen(floods[i].head));
        ck_assert_int_eq(r.state, RESPONSE_OPEN);
        ck_assert_uint_le(pour(&r, floods[i].more, 10000000), floods[i].most);
        ck_assert_int_eq(r.state, RESPONSE_ENDED);
        ck_assert_int_eq(r.head_done, floods[i].head_done);
        response_free(&r);
    }
}
END_TEST

START_TEST(what_is_no_http_is_told_before_its_line_ends)
{
    struct response r = { 0 };
    response_begin(&r, NULL, 0);
    response_feed(&r, "HTTP/1", 6);
    ck_assert_int_eq(r.state, RESPONSE_OPEN);
    response_feed(&r, "-", 1);
    ck_assert_int_eq(r.state, RESPONSE_ENDED);
    response_free(&r);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        each_answer_is_read_as_it_is_meant,
        a_nul_in_the_head_is_refused,
        fields_that_count_are_kept,
        all_is_bounded,
        what_is_no_http_is_told_before_its_line_ends,
    };
    return run_cases("response", tests, COUNT(tests));
}

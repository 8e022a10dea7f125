/* SPDX-License-Identifier: MIT */
#include "smtp.h"

#include "transfer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* All that a server says until a mail is sent, and a line of it. */
#define REPLIES_MAX 65536

int
smtp_take(struct smtp *s, const struct transport_request *r)
{
    const char *to = r->to;
    if (!(s->from = strdup(r->from)))
        return -ENOMEM;
    for (size_t i = 0; i < r->to_count; i++, to += strlen(to) + 1) {
        struct curl_slist *list = curl_slist_append(s->to, to);
        if (!list)
            return -ENOMEM;
        s->to = list;
    }
    return 0;
}

void
smtp_free(struct smtp *s)
{
    free(s->from);
    curl_slist_free_all(s->to);
}

/* --- the session ---------------------------------------------------------- */

/* We say something, to which nothing was answered so far. */
static void
enter(struct smtp *s, enum transport_stage stage)
{
    s->stage = stage;
    s->code = 0;
    s->inside = 0;
}

static void
on_command(struct smtp *s, const char *line, size_t len)
{
    static const struct {
        const char *verb;
        enum transport_stage stage;
    } verbs[] = {
        { "EHLO", TRANSPORT_HELLO },        { "HELO", TRANSPORT_HELLO },
        { "STARTTLS", TRANSPORT_STARTTLS }, { "AUTH", TRANSPORT_AUTH },
        { "MAIL", TRANSPORT_FROM },         { "RCPT", TRANSPORT_TO },
        { "DATA", TRANSPORT_DATA }
    };
    if (s->over)
        return;
    if (s->stage == TRANSPORT_AUTH && s->code / 100 == 3) {
        enter(s, TRANSPORT_AUTH); /* what it asked for, of any form */
        return;
    }
    if (len >= 4 && !strncasecmp(line, "QUIT", 4))
        s->over = 1;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && !s->over; i++) {
        const size_t n = strlen(verbs[i].verb);
        if (len < n || strncasecmp(line, verbs[i].verb, n))
            continue;
        enter(s, verbs[i].stage);
        s->recipient += verbs[i].stage == TRANSPORT_TO;
    }
}

/* libcurl tells its commands to nobody else. */
static int
on_debug(CURL *easy, curl_infotype what, char *bytes, size_t len, void *arg)
{
    struct transfer *t = arg;
    (void) easy;
    if (what == CURLINFO_HEADER_OUT)
        on_command(&t->smtp, bytes, len);
    return 0;
}

static size_t
on_reply(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct smtp *s = &t->smtp;
    const size_t len = size * count;
    if (s->over)
        return len;
    t->head_len += len;
    if (s->inside)
        transfer_keep(t, "\n", 1);
    else
        t->body_len = 0;
    size_t text = len;
    while (text && (line[text - 1] == '\r' || line[text - 1] == '\n'))
        text--;
    transfer_keep(t, line, text);
    s->inside = len > 3 && line[3] == '-';
    if (len >= 3 && !s->inside && isdigit((unsigned char) line[0])
        && isdigit((unsigned char) line[1]) && isdigit((unsigned char) line[2]))
        s->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
    return t->head_len <= REPLIES_MAX ? len : 0;
}

static size_t
on_read(char *out, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct smtp *s = &t->smtp;
    const size_t room = size * count, left = t->len - s->given;
    const size_t n = left < room ? left : room;
    /* libcurl knows its length, and does not ask for what is behind the end. */
    enter(s, n == left ? TRANSPORT_END : TRANSPORT_DATA);
    memcpy(out, (const char *) t->body + s->given, n);
    s->given += n;
    return n;
}

/* Nobody waits for the answer to our goodbye, nor for any after a stop. */
static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct transfer *t = arg;
    (void) a;
    (void) b;
    (void) c;
    (void) d;
    return t->smtp.over || easy_given_up(t->options);
}

/* --- its options ---------------------------------------------------------- */

void
smtp_set(CURL *e, const struct transport_options *o)
{
    curl_easy_setopt(e, CURLOPT_USE_SSL,
                     (long) (o->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(e, CURLOPT_VERBOSE, 1L); /* to on_debug() alone */
    curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_reply);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    /* A server that has waited for long says 421 to the next mail. */
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
}

int
smtp_begin(CURL *e, struct transfer *t)
{
    const struct transport_options *o = &t->options->of;
    t->smtp.stage = TRANSPORT_GREETING;
    curl_easy_setopt(e, CURLOPT_DEBUGDATA, t);
    curl_easy_setopt(e, CURLOPT_READDATA, t);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t) t->len);
    curl_easy_setopt(e, CURLOPT_MAIL_RCPT, t->smtp.to);
    /* Its own limit for a reply is less than a mail's end may take. */
    curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                     (long) (t->timeout_ms / 1000 + 1));
    if (curl_easy_setopt(e, CURLOPT_MAIL_FROM, t->smtp.from)
        || (o->username
            && (curl_easy_setopt(e, CURLOPT_USERNAME, o->username)
                || curl_easy_setopt(e, CURLOPT_PASSWORD, o->password))))
        return -ENOMEM;
    return 0;
}

/* --- its end -------------------------------------------------------------- */

int
smtp_answered(const struct smtp *s)
{
    return (s->code >= 400 && s->code <= 599)
           || (s->stage == TRANSPORT_END && s->code / 100 == 2);
}

const char *
smtp_stage_word(enum transport_stage stage)
{
    static const char *const words[] = {
        [TRANSPORT_NO_STAGE] = "",
        [TRANSPORT_GREETING] = "the greeting",
        [TRANSPORT_HELLO] = "EHLO",
        [TRANSPORT_STARTTLS] = "STARTTLS",
        [TRANSPORT_AUTH] = "AUTH",
        [TRANSPORT_FROM] = "MAIL",
        [TRANSPORT_TO] = "RCPT",
        [TRANSPORT_DATA] = "DATA",
        [TRANSPORT_END] = "the mail's end",
    };
    return words[stage];
}

/* SPDX-License-Identifier: MIT */
/* Mails of email.out, of any text: what is made is ASCII in short lines that end
 * with CRLF, a header stays one header, and who takes it apart again, by RFC 2047
 * and 2045, has the text that it was.  What is taken for an address can end
 * nothing.  And what a mail server says, in lines of any kind. */
#include "../../plugins/email.out/mailbox.c"
#include "../../plugins/email.out/mime.c"
#include "../../plugins/webhook.out/scrub.c"
#include "../../plugins/webhook.out/smtp.c"

#include "fuzz.h"

struct il_host {
    const struct il_api *api;
};

static int
text_reserve(struct il_text *text, size_t more)
{
    text->cap = text->len + more + 1;
    text->data = realloc(text->data, text->cap);
    return text->data ? 0 : -ENOMEM;
}

static const struct il_api api = { .text_reserve = text_reserve };
static const struct il_host host = { &api };

/* --- as a reader of mail has it ------------------------------------------- */

static void
check_lines(const struct il_text *t, int header)
{
    size_t col = 0, lines = 0;
    CLAIM(!t->len || (t->len > 1 && !memcmp(t->data + t->len - 2, "\r\n", 2)));
    for (size_t i = 0; i < t->len; i++) {
        const char c = t->data[i];
        if (c == '\r') {
            CLAIM(t->data[i + 1] == '\n' && col <= 76);
            i++;
            lines++;
            col = 0;
            CLAIM(!header || i + 1 == t->len || t->data[i + 1] == ' ');
            continue;
        }
        CLAIM((c >= ' ' && c <= '~') || (!header && c == '\t'));
        CLAIM(header || col || c != '.');
        col++;
    }
    CLAIM(!col && (!header || lines));
}

static size_t
base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = strchr(digits, c);
    CLAIM(c && p);
    return (size_t) (p - digits);
}

static size_t
decode_word(const char *at, size_t len, char *out)
{
    size_t n = 0;
    CLAIM(len % 4 == 0);
    for (size_t i = 0; i < len; i += 4) {
        const size_t pad = (size_t) (at[i + 2] == '=') + (at[i + 3] == '=');
        size_t bits = base64_value(at[i]) << 18 | base64_value(at[i + 1]) << 12;
        bits |= at[i + 2] == '=' ? 0 : base64_value(at[i + 2]) << 6;
        bits |= at[i + 3] == '=' ? 0 : base64_value(at[i + 3]);
        for (size_t k = 0; k < 3 - pad; k++)
            out[n++] = (char) (bits >> (16 - 8 * k));
    }
    for (size_t i = 0; i < n;) { /* no character is in two words */
        char ch[5] = { 0 };
        memcpy(ch, out + i, n - i < 4 ? n - i : 4);
        const size_t one = scrub_utf8_len((unsigned char *) ch);
        CLAIM(one && one <= n - i);
        i += one;
    }
    return n;
}

/* The value of a header: lines put together, encoded words read. */
static size_t
decode_header(const struct il_text *t, size_t from, char *out)
{
    size_t n = 0, words = 0;
    char *flat = malloc(t->len + 1);
    CLAIM(flat);
    for (size_t i = from; i < t->len; i++)
        if (t->data[i] != '\r' && t->data[i] != '\n')
            flat[n++] = t->data[i];
    flat[n] = 0;
    size_t made = 0;
    for (char *p = flat; *p;) {
        const char *end = strncmp(p, WORD_BEGIN, strlen(WORD_BEGIN))
                              ? NULL
                              : strstr(p + strlen(WORD_BEGIN), WORD_END);
        if (!end) {
            out[made++] = *p++;
            continue;
        }
        if (words++) /* the space between two is not of the text */
            made--;
        made +=
            decode_word(p + strlen(WORD_BEGIN),
                        (size_t) (end - p) - strlen(WORD_BEGIN), out + made);
        p += end - p + (ptrdiff_t) strlen(WORD_END);
    }
    free(flat);
    return made;
}

static int
hex(char c)
{
    const char *digits = "0123456789ABCDEF", *p = strchr(digits, c);
    CLAIM(c && p);
    return (int) (p - digits);
}

static size_t
decode_body(const struct il_text *t, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len; i++) {
        const char *p = t->data + i;
        if (*p == '\r') {
            CLAIM(!i || (p[-1] != ' ' && p[-1] != '\t'));
            out[n++] = '\n';
            i++;
        } else if (*p == '=' && p[1] == '\r') {
            i += 2;
        } else if (*p == '=') {
            out[n++] = (char) (hex(p[1]) * 16 + hex(p[2]));
            i += 2;
        } else {
            out[n++] = *p;
        }
    }
    return n;
}

/* --- what is made --------------------------------------------------------- */

/* As words.c hands texts on: UTF-8, and no control characters. */
static size_t
mend(const uint8_t *data, size_t size, int lines, char *out)
{
    for (size_t i = 0; i < size;) {
        char ch[5] = { 0 };
        memcpy(ch, data + i, size - i < 4 ? size - i : 4);
        const size_t n = scrub_utf8_len((unsigned char *) ch);
        const int control = (unsigned char) *ch < ' ' || *ch == 0x7f;
        memcpy(out + i, data + i, n ? n : 1);
        if (!n || (control && !(lines && (*ch == '\n' || *ch == '\t'))))
            out[i] = n ? ' ' : '?';
        i += n ? n : 1;
    }
    return size;
}

static void
try_header(const char *name, const char *value, size_t len)
{
    struct il_text t = { 0 };
    char *back = malloc(len * 2 + 200);
    CLAIM(back && !mime_header(&host, &t, name, value, len));
    check_lines(&t, 1);
    const size_t n = decode_header(&t, strlen(name) + 2, back);
    while (len && *value == ' ') {
        value++;
        len--;
    }
    while (len && value[len - 1] == ' ')
        len--;
    CLAIM(n == len && !memcmp(back, value, len));
    free(back);
    free(t.data);
}

static void
try_body(const char *text, size_t len)
{
    struct il_text t = { 0 };
    char *back = malloc(len * 3 + 8);
    CLAIM(back && !mime_body(&host, &t, text, len));
    check_lines(&t, 0);
    const size_t n = decode_body(&t, back);
    const size_t ended = len && text[len - 1] != '\n';
    CLAIM(n == len + ended && (!len || !memcmp(back, text, len)));
    free(back);
    free(t.data);
}

static void
try_mailbox(const char *text)
{
    struct mailbox m;
    struct il_text t = { 0 };
    int err = mailbox_parse(text, &m);
    CLAIM(!err || err == -EINVAL);
    if (!err) {
        CLAIM(strpbrk(m.address, " \t\r\n<>,;:\"()[]\\") == NULL);
        CLAIM(strchr(m.address, '@') == strrchr(m.address, '@'));
        CLAIM(strlen(m.address) <= MAILBOX_ADDRESS_MAX);
        CLAIM(!mime_put(&host, &t, "To: ")
              && !mime_mailbox(&host, &t, m.name, m.address)
              && !mime_put(&host, &t, "\r\n"));
        for (size_t i = 0; i < t.len; i++)
            CLAIM((t.data[i] >= ' ' && t.data[i] <= '~') || t.data[i] == '\r'
                  || t.data[i] == '\n');
        for (char *p = t.data; (p = strchr(p, '\n')); p++)
            CLAIM(p[-1] == '\r' && (!p[1] || p[1] == ' '));
        /* The last thing there, before ">" where there is a name. */
        const size_t len = strlen(m.address), behind = m.name ? 3 : 2;
        CLAIM(!memcmp(t.data + t.len - behind - len, m.address, len));
    }
    mailbox_free(&m);
    free(t.data);
}

/* --- what a server says --------------------------------------------------- */

static size_t kept;

void
transfer_keep(struct transfer *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        kept += (size_t) bytes[i] & 1;
    t->body_len += len;
}

int
transfer_given_up(const struct transfer_options *o)
{
    (void) o;
    return 0;
}

struct curl_slist *
curl_slist_append(struct curl_slist *list, const char *text)
{
    (void) text;
    return list;
}

void
curl_slist_free_all(struct curl_slist *list)
{
    (void) list;
}

#undef curl_easy_setopt
CURLcode
curl_easy_setopt(CURL *e, CURLoption what, ...)
{
    (void) e;
    (void) what;
    return CURLE_OK;
}

/* Lines, and between them commands of ours: a byte above 0xf0 stands for one. */
static void
try_session(const uint8_t *data, size_t size)
{
    static const char *const commands[] = { "EHLO x\r\n",     "STARTTLS\r\n",
                                            "AUTH PLAIN\r\n", "AGE=\r\n",
                                            "MAIL FROM:<a>",  "RCPT TO:<b>",
                                            "DATA\r\n",       "QUIT\r\n" };
    struct transfer t = { .smtp.stage = TRANSPORT_GREETING };
    size_t recipients = 0, goodbye = 0;
    for (size_t at = 0, n; at < size; at += n) {
        n = 1;
        if (data[at] >= 0xf0) {
            char line[20];
            const size_t which = data[at] & 7;
            snprintf(line, sizeof(line), "%s", commands[which]);
            const int more =
                t.smtp.stage == TRANSPORT_AUTH && t.smtp.code / 100 == 3;
            on_debug(NULL, CURLINFO_HEADER_OUT, line, strlen(line), &t);
            recipients += !goodbye && !more && which == 5;
            goodbye |= !more && which == 7;
            continue;
        }
        while (at + n < size && data[at + n - 1] != '\n' && data[at + n] < 0xf0)
            n++;
        char *exact = malloc(n); /* of just that size, for asan */
        CLAIM(exact);
        memcpy(exact, data + at, n);
        const long before = t.smtp.code;
        CLAIM(on_reply(exact, 1, n, &t) == n || t.head_len > REPLIES_MAX);
        CLAIM(t.smtp.code >= 0 && t.smtp.code <= 999);
        CLAIM(!goodbye || t.smtp.code == before);
        free(exact);
        CLAIM(t.smtp.recipient == recipients);
        CLAIM(*smtp_stage_word(t.smtp.stage));
        CLAIM(!smtp_answered(&t.smtp) || t.smtp.code >= 400);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "Subject", "X", "To",
                                         "A-Header-With-A-Longer-Name" };
    if (!size)
        return 0;
    char *text = calloc(1, size);
    CLAIM(text);
    size_t len = mend(data + 1, size - 1, 0, text);
    if (len < 20000) {
        try_header(names[*data & 3], text, len);
        text[len] = 0;
        try_mailbox(text);
    }
    len = mend(data + 1, size - 1, 1, text);
    try_body(text, len);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    try_mailbox(text);
    CLAIM(!mailbox_is_address(text, size - 1) || !memchr(text, 0, size - 1));
    free(text);
    try_session(data + 1, size - 1);
    char date[MIME_DATE_MAX];
    int64_t us = 0;
    memcpy(&us, data, size < sizeof(us) ? size : sizeof(us));
    mime_date(us, date);
    CLAIM(strlen(date) < MIME_DATE_MAX);
    return 0;
}

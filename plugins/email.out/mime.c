/* SPDX-License-Identifier: MIT */
#include "mime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE 76
#define WORD_BEGIN "=?UTF-8?B?"
#define WORD_END "?="
#define WORD_OVERHEAD (sizeof(WORD_BEGIN) + sizeof(WORD_END) - 2)
#define WORD_LEAST 4 /* bytes of the longest character */

static int
put(const struct il_host *host, struct il_text *text, const char *bytes,
    size_t len)
{
    if (il_text_reserve(host, text, len + 1))
        return -ENOMEM;
    memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = 0;
    return 0;
}

int
mime_put(const struct il_host *host, struct il_text *text, const char *s)
{
    return put(host, text, s, strlen(s));
}

/* --- headers -------------------------------------------------------------- */

/* Can it stand there as it is, with nothing that would be taken for an encoded
 * word, and none that is longer than `most` with the spaces before it? */
static int
is_plain(const char *value, size_t len, size_t most)
{
    size_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word = value[i] == ' ' && i && value[i - 1] != ' ' ? 1 : word + 1;
        if (value[i] < ' ' || value[i] > '~' || word > most
            || (value[i] == '=' && i + 1 < len && value[i + 1] == '?'))
            return 0;
    }
    return 1;
}

/* Lines break before a space that a word follows; who puts them together again
 * has the same text. */
static int
put_folded(const struct il_host *host, struct il_text *text, size_t col,
           const char *value, size_t len)
{
    for (size_t at = 0, end; at < len; at = end) {
        for (end = at; end < len && value[end] == ' '; end++)
            ;
        while (end < len && value[end] != ' ')
            end++;
        int err = 0;
        if (at && col + (end - at) > LINE) {
            err = mime_put(host, text, "\r\n");
            col = 0;
        }
        if (!err)
            err = put(host, text, value + at, end - at);
        if (err)
            return err;
        col += end - at;
    }
    return 0;
}

static int
put_base64(const struct il_host *host, struct il_text *text, const char *bytes,
           size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *) bytes;
    int err = 0;
    for (; len && !err; len -= len < 3 ? len : 3, p += 3) {
        const unsigned bits = (unsigned) p[0] << 16
                              | (len > 1 ? (unsigned) p[1] << 8 : 0)
                              | (len > 2 ? p[2] : 0);
        const char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
                               len > 1 ? digits[bits >> 6 & 63] : '=',
                               len > 2 ? digits[bits & 63] : '=' };
        err = put(host, text, four, 4);
    }
    return err;
}

/* As many whole characters as room bytes hold. */
static size_t
characters(const char *value, size_t len, size_t room)
{
    if (len <= room)
        return len;
    while (room && ((unsigned char) value[room] & 0xc0) == 0x80)
        room--;
    return room;
}

/* Encoded words, a line each; spaces between them are not of the text. */
static int
put_encoded(const struct il_host *host, struct il_text *text, size_t col,
            const char *value, size_t len)
{
    int err = 0;
    while (len && !err) {
        const size_t room = LINE - WORD_OVERHEAD;
        size_t n = 0;
        if (col + WORD_LEAST * 2 < room)
            n = characters(value, len, (room - col) / 4 * 3);
        if (n) {
            err = mime_put(host, text, WORD_BEGIN);
            if (!err)
                err = put_base64(host, text, value, n);
            if (!err)
                err = mime_put(host, text, WORD_END);
        }
        value += n;
        len -= n;
        if (!err && len)
            err = mime_put(host, text, "\r\n ");
        col = 1;
    }
    return err;
}

int
mime_header(const struct il_host *host, struct il_text *text, const char *name,
            const char *value, size_t len)
{
    const size_t col = strlen(name) + 2;
    while (len && *value == ' ') {
        value++;
        len--;
    }
    while (len && value[len - 1] == ' ')
        len--;
    int err = mime_put(host, text, name);
    if (!err)
        err = mime_put(host, text, ": ");
    if (!err)
        err = is_plain(value, len, LINE - col)
                  ? put_folded(host, text, col, value, len)
                  : put_encoded(host, text, col, value, len);
    return err ? err : mime_put(host, text, "\r\n");
}

/* In quotes, before which and the quotes themselves a backslash stands. */
static int
put_quoted(const struct il_host *host, struct il_text *text, const char *name)
{
    int err = mime_put(host, text, "\"");
    for (; *name && !err; name++) {
        if (*name == '"' || *name == '\\')
            err = mime_put(host, text, "\\");
        if (!err)
            err = put(host, text, name, 1);
    }
    return err ? err : mime_put(host, text, "\"");
}

int
mime_mailbox(const struct il_host *host, struct il_text *text, const char *name,
             const char *address)
{
    if (!name)
        return mime_put(host, text, address);
    const size_t len = strlen(name);
    int err;
    if (is_plain(name, len, SIZE_MAX)) {
        err = put_quoted(host, text, name);
        if (!err)
            err = mime_put(host, text, " <");
    } else { /* no longer header than Reply-To comes before it */
        err = put_encoded(host, text, sizeof("Reply-To: "), name, len);
        if (!err)
            err = mime_put(host, text, "\r\n <");
    }
    if (!err)
        err = mime_put(host, text, address);
    return err ? err : mime_put(host, text, ">");
}

/* --- bodies --------------------------------------------------------------- */

/* What stands for the byte at p, of len bytes that are left; its length. */
static size_t
quoted(const char *p, size_t len, size_t col, char out[4])
{
    const unsigned char c = (unsigned char) *p;
    const int ends = len == 1 || p[1] == '\n';
    /* Blanks at a line's end are lost on the way; a lone dot would end the mail,
     * and "From " begin another in a file of many. */
    if (((c == ' ' || c == '\t') && !ends)
        || (c > ' ' && c <= '~' && c != '='
            && !(col == 0 && (c == '.' || c == 'F')))) {
        out[0] = *p;
        return 1;
    }
    snprintf(out, 4, "=%02X", c);
    return 3;
}

int
mime_body(const struct il_host *host, struct il_text *text, const char *bytes,
          size_t len)
{
    size_t col = 0;
    int err = 0;
    for (size_t i = 0; i < len && !err; i++) {
        char out[4];
        if (bytes[i] == '\n') {
            err = mime_put(host, text, "\r\n");
            col = 0;
            continue;
        }
        size_t n = quoted(bytes + i, len - i, col, out);
        if (col + n > LINE - 1) {
            err = mime_put(host, text, "=\r\n");
            col = 0;
            n = quoted(bytes + i, len - i, col, out);
        }
        if (!err)
            err = put(host, text, out, n);
        col += n;
    }
    return err || !col ? err : mime_put(host, text, "\r\n");
}

/* --- dates ---------------------------------------------------------------- */

void
mime_date(int64_t us, char out[MIME_DATE_MAX])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const time_t at = (time_t) (us / 1000000);
    struct tm tm = { 0 };
    gmtime_r(&at, &tm);
    snprintf(out, MIME_DATE_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
             days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* SPDX-License-Identifier: MIT */
#include "token.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int
is_name(char c)
{
    return isalnum((unsigned char) c) || c == '_' || c == '-' || c == '*';
}

/* Step over blanks and comments.  0, or -1: a comment has no end. */
static int
skip_blank(const char **at, const char *end, int *line)
{
    const char *p = *at;
    while (p < end) {
        if (*p == '#' || (*p == '/' && p + 1 < end && p[1] == '/')) {
            while (p < end && *p != '\n')
                p++;
        } else if (*p == '/' && p + 1 < end && p[1] == '*') {
            const char *stop = p + 2;
            int lines = 0;
            while (stop + 1 < end && !(stop[0] == '*' && stop[1] == '/'))
                lines += *stop++ == '\n';
            if (stop + 1 >= end) {
                *at = p;
                return -1;
            }
            *line += lines;
            p = stop + 2;
        } else if (isspace((unsigned char) *p)) {
            *line += *p++ == '\n';
        } else {
            break;
        }
    }
    *at = p;
    return 0;
}

static const char *
cut_string(const char *p, const char *end, int *line, struct token *t)
{
    t->type = TOKEN_OPEN_STRING;
    for (p++; p < end; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        else if (*p == '"') {
            t->type = TOKEN_STRING;
            return p + 1;
        }
        *line += *p == '\n';
    }
    return end;
}

static const char *
cut_number(const char *p, const char *end, struct token *t)
{
    t->type = TOKEN_INT;
    if (*p == '+' || *p == '-')
        p++;
    if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')
        && isxdigit((unsigned char) p[2])) {
        for (p += 2; p < end && isxdigit((unsigned char) *p);)
            p++;
    } else {
        for (; p < end; p++) {
            if (*p == '.')
                t->type = TOKEN_FLOAT;
            else if (*p == 'e' || *p == 'E') {
                const char *q = p + 1;
                if (q < end && (*q == '+' || *q == '-'))
                    q++;
                if (q == end || !isdigit((unsigned char) *q))
                    break;
                t->type = TOKEN_FLOAT;
                p = q;
            } else if (!isdigit((unsigned char) *p))
                break;
        }
    }
    if (t->type == TOKEN_INT && p < end && *p == 'L') {
        t->type = TOKEN_INT64;
        p += p + 1 < end && p[1] == 'L' ? 2 : 1;
    }
    return p;
}

static const char *
cut_name(const char *p, const char *end, struct token *t)
{
    t->type = TOKEN_NAME;
    const char *start = p;
    while (p < end && (is_name(*p) || *p == '.'))
        t->dotted |= *p++ == '.';
    if ((p - start == 4 && strncasecmp(start, "true", 4) == 0)
        || (p - start == 5 && strncasecmp(start, "false", 5) == 0))
        t->type = TOKEN_BOOL;
    return p;
}

static int
begins_number(const char *p, const char *end)
{
    if (isdigit((unsigned char) *p))
        return 1;
    return (*p == '-' || *p == '+' || *p == '.') && p + 1 < end
           && (isdigit((unsigned char) p[1])
               || (p[1] == '.' && p + 2 < end
                   && isdigit((unsigned char) p[2])));
}

void
conf_token_next(const char **at, const char *end, int *line, struct token *t)
{
    *t = (struct token){ .type = TOKEN_END };
    int open = skip_blank(at, end, line);
    const char *p = *at;
    t->start = p;
    t->line = *line;
    if (open) {
        t->type = TOKEN_OPEN_COMMENT;
        p = end;
    } else if (p == end) {
        return;
    } else if (*p == '"') {
        p = cut_string(p, end, line, t);
    } else if (end - p >= 8 && strncmp(p, "@include", 8) == 0) {
        t->type = TOKEN_INCLUDE;
        p += 8;
    } else if (begins_number(p, end)) {
        p = cut_number(p, end, t);
    } else if (isalpha((unsigned char) *p) || *p == '*') {
        p = cut_name(p, end, t);
    } else {
        t->type = *p && strchr("=:;,{}[]()", *p) ? TOKEN_PUNCT : TOKEN_BAD;
        p++;
    }
    t->len = (size_t) (p - t->start);
    *at = p;
}

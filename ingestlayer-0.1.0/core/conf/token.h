/* SPDX-License-Identifier: MIT */
/* The words of libconfig's language, as its own scanner cuts them. */
#ifndef CONF_TOKEN_H
#define CONF_TOKEN_H

#include <stddef.h>

enum token_type {
    TOKEN_END,
    TOKEN_NAME, /* also what has dots in it */
    TOKEN_BOOL,
    TOKEN_INT,   /* decimal or hexadecimal, without L */
    TOKEN_INT64, /* with L or LL */
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_PUNCT,        /* one of = : ; , { } [ ] ( ) */
    TOKEN_INCLUDE,      /* @include at the beginning of a line */
    TOKEN_OPEN_STRING,  /* no closing quote */
    TOKEN_OPEN_COMMENT, /* no closing star and slash */
    TOKEN_BAD           /* a character with no meaning */
};

struct token {
    enum token_type type;
    const char *start;
    size_t len;
    int line;
    int dotted; /* TOKEN_NAME: has a dot */
};

/* Cut the next word; *p and *line move past it. */
void conf_token_next(const char **p, const char *end, int *line,
                     struct token *);

#endif

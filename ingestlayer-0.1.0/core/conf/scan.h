/* SPDX-License-Identifier: MIT */
/* A second look at the text of a config file, for what libconfig does not
 * say: integers that it wraps without a word, and what a person most likely
 * meant where it only knows "syntax error".  Never shows a value: it may be a
 * secret. */
#ifndef CONF_SCAN_H
#define CONF_SCAN_H

#include <stddef.h>

struct scan_error {
    int line;
    const char *lacks_l; /* where an L would mend it; NULL: nothing so simple */
    char message[256];
};

struct scan {
    const char *p, *end;
    int line;
};

/* Walk a text, one finding at a time: integers that libconfig would wrap or
 * saturate, @include (include_dir takes its place), NUL bytes.  1 with *error,
 * or 0 at the end.  Start with { text, text + len, 1 }. */
int conf_scan_next(struct scan *, struct scan_error *error);

/* What is wrong with the syntax of this text?  1 with *error, or 0: nothing
 * that this sees.  Also finds nesting deeper than anybody writes by hand. */
int conf_scan_explain(const char *text, size_t len, struct scan_error *error);

#endif

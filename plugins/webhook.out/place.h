/* SPDX-License-Identifier: MIT */
/* Where a request goes: a URL taken apart, once for all that go there. */
#ifndef PLACE_H
#define PLACE_H

#include "easy.h"

struct place {
    char *url;    /* as it was given */
    char *origin; /* where to connect: scheme, host and port, and "/" */
    char *line;   /* what stands behind the method: the rest of the request's
                   * first line, Host, and what the proxy is to know */
    size_t url_len, origin_len, line_len;
};

/* As libcurl reads it, dots in its path and all.  0, -EINVAL (no URL that is
 * spoken, or one with a name or password in it) or -ENOMEM. */
int place_make(const struct easy_options *, const char *url, struct place *out);
void place_free(struct place *);

#endif

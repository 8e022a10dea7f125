/* SPDX-License-Identifier: MIT */
/* Between the files that read options:
 *
 *   options.c      the table, and all but
 *   options_url.c  where to: the URL, and which hosts and addresses it may lead to
 */
#ifndef OUT_OPTIONS_PRIVATE_H
#define OUT_OPTIONS_PRIVATE_H

#include "options.h"

struct out_reader {
    struct out_options *o;
    const struct il_host *host;
    const struct il_conf *conf;
    int err; /* the first */
};

static inline void
out_note(struct out_reader *r, int err)
{
    if (err && !r->err)
        r->err = err;
}

static inline int
out_has(const struct out_reader *r, const char *key)
{
    return il_conf_has(r->conf, key);
}

/* Where the event's part of a text begins; its length where it has none. */
size_t out_constant_part(const char *text);
/* A text of the config, as a template where it is one: 0 or a negative errno, after
 * a finding where the config is to blame. */
int out_read_text(const struct out_reader *, const struct il_conf *,
                  const char *key, struct out_text *out);
/* The texts of a list; the caller frees it.  NULL: no memory. */
const char **out_read_list(const struct il_conf *, const char *key,
                           size_t *count);

/* options_url.c; as out_read_text(). */
int out_read_literal_url(struct out_reader *, const char *key,
                         const char *text);
int out_read_url(struct out_reader *);
int out_read_addresses(struct out_reader *);

#endif

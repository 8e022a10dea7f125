/* SPDX-License-Identifier: MIT */
/* A new payload from a template. */
#ifndef BODY_H
#define BODY_H

#include <ingestlayer/plugin.h>

struct body {
    const struct il_host *host;
    struct il_template *template;
    int reference; /* it is a lone one, and no text */
    struct il_text *text, *scratch;
    char why[240]; /* of the last -EINVAL */
};

/* The template in option `body`; template is NULL where there is none.  In
 * open(); close it also after an error.  0, -EINVAL after a finding, -ENOMEM. */
int body_open(struct body *, const struct il_host *, const struct il_conf *);
void body_close(struct body *);

/* Make what it says the payload of event i: the object that a lone reference
 * names, or the JSON text that it renders.  What an event puts into the text
 * stays one value: between quotes it is escaped, elsewhere it has to be a JSON
 * value by itself, null where it is missing.  0, -EINVAL: it comes to no
 * object, and `why` says why, or -ENOMEM.  In process(). */
int body_make(struct body *, struct il_batch *, uint32_t i);

#endif

/* SPDX-License-Identifier: MIT */
/* What `ingestlayer top` shows of two samples. */
#ifndef COMMAND_TOP_H
#define COMMAND_TOP_H

#include "figures.h"

struct top_view {
    const struct command_sample *before, *now;
    double
        long_rate; /* events a second over a longer time; negative: unknown */
    int width, height; /* of the terminal; 0: as much as it takes */
};

/* For people, lines of text, none of them wider; appended.  What does not fit is
 * counted.  0 or -ENOMEM. */
int command_top_draw(struct il_text *, const struct top_view *);
/* One line of JSON. */
int command_top_json(struct il_text *, const struct top_view *);

#endif

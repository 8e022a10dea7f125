/* SPDX-License-Identifier: MIT */
/* Text made from a request: a plain word, one reference ($header.NAME,
 * $body.PATH), or text with {{ references }} in it. */
#ifndef PICK_H
#define PICK_H

#include <ingestlayer/plugin.h>

/* What comes out is a type or an idempotency key, for which the gate takes
 * 800 or 255 bytes; more than this is cut, and refused there. */
#define PICK_MAX 1024

struct pick;

/* What is wrong with a text. */
struct pick_error {
    long offset;
    const char *message;
};

/* 0, -EINVAL or -ENOMEM. */
int pick_compile(const char *text, struct pick **out, struct pick_error *);
void pick_free(struct pick *);

/* Is something of the body in it?  Nothing else? */
int pick_has_body(const struct pick *);
int pick_is_body(const struct pick *);

/* Render into buf; body is the body's object (or IL_MISSING).  The length, or
 * 0 where a reference leads to nothing that is text, a number or a boolean. */
size_t pick_render(const struct pick *, const struct il_host *,
                   struct il_request *, const struct il_value *body,
                   char buf[PICK_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
/* Texts in the form that mail has them (RFC 5322, 2045, 2047), in lines that end
 * with CRLF, of no more than 76 characters where that can be.
 *
 * A text that is handed in is UTF-8 without control characters, but for the line
 * breaks and tabs of a body.  What comes out is ASCII, whatever it was.  All: 0 or
 * -ENOMEM, and any thread. */
#ifndef MIME_H
#define MIME_H

#include <ingestlayer/plugin.h>

/* What is ASCII already and ends its own lines. */
int mime_put(const struct il_host *, struct il_text *, const char *text);
/* A header of this name whose value is any text. */
int mime_header(const struct il_host *, struct il_text *, const char *name,
                const char *value, size_t len);
/* Somebody, in a header that has begun: the name that people read, or NULL, and
 * the address. */
int mime_mailbox(const struct il_host *, struct il_text *, const char *name,
                 const char *address);
/* A body, quoted-printable. */
int mime_body(const struct il_host *, struct il_text *, const char *text,
              size_t len);

#define MIME_DATE_MAX 40
/* "Sun, 29 Nov 2026 12:41:26 +0000", of microseconds since 1970. */
void mime_date(int64_t us, char out[MIME_DATE_MAX]);

#endif

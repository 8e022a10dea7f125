/* SPDX-License-Identifier: MIT */
/* Bodies of application/x-www-form-urlencoded. */
#ifndef FORM_H
#define FORM_H

#include <ingestlayer/plugin.h>

#define FORM_FIELDS_MAX 1000

/* Append the form to out as a JSON object of strings, in the order in which
 * names first come; a name that comes again becomes an array.  Bytes that are
 * no UTF-8 become U+FFFD, as in browsers.  A form whose only field is
 * "payload" and holds a JSON object (Slack's interactions, GitHub's forms) is
 * that object.  0, -E2BIG (more than FORM_FIELDS_MAX fields) or -ENOMEM. */
int form_to_json(const struct il_host *, const char *body, size_t len,
                 struct il_text *out);

/* Append name and value of each field to out, decoded, sorted by name and then
 * by value, without any that is there twice: what Twilio signs.  0, -E2BIG or
 * -ENOMEM. */
int form_sorted(const struct il_host *, const char *body, size_t len,
                struct il_text *out);

#endif

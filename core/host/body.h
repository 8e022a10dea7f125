/* SPDX-License-Identifier: MIT */
/* What is asked for in a request's body: an object of JSON. */
#ifndef HOST_BODY_H
#define HOST_BODY_H

#include "base/text.h"

#include <ingestlayer/plugin.h>

/* *out is in *packed, which is to be cleared, whatever comes.  0, -EINVAL or
 * -ENOMEM. */
int host_body_read(struct slice json, struct il_text *packed,
                   struct il_value *out);

/* 0 and *out is not negative; or -EINVAL. */
int host_body_position(const struct il_value *, uint64_t *out);

/* A member: 0, where it is missing or null without a change to *out; -EINVAL: it is
 * of another type; -ENOMEM. */
int host_body_number(const struct il_value *object, const char *key,
                     uint64_t *out);
int host_body_bool(const struct il_value *object, const char *key, int *out);
/* To be freed. */
int host_body_text(const struct il_value *object, const char *key, char **out);
/* *out is an array of so many at most, or IL_MISSING. */
int host_body_list(const struct il_value *object, const char *key,
                   uint32_t most, struct il_value *out);

#endif

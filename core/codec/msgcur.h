/* SPDX-License-Identifier: MIT */
/* Reading msgpack without copies, and writing the few forms that events use.
 *
 * Events hold nil, booleans, integers, str, array, map, and ext type
 * MSG_EXT_DECIMAL, whose data is a JSON number as its sender wrote it (every
 * number that is not an integer in canonical form: 1.10, 1e400, -0, 2^70).
 * Strings are UTF-8, lone surrogates as three bytes (WTF-8).  Format:
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * All reads are bounds-checked and never recurse: hostile bytes give -EINVAL.
 * float, bin and other ext types are refused with -EINVAL. */
#ifndef MSGCUR_H
#define MSGCUR_H

#include "base/text.h"

#define MSG_EXT_DECIMAL 1
#define MSG_DEPTH_MAX 128 /* containers in containers, as in JSON */

/* Read one value at *p.  Scalars: *p moves past it.  Containers: *p moves to
 * the first item; out->str is that place, out->len reaches to end (an upper
 * bound).  0 or -EINVAL. */
int msgcur_head(const char **p, const char *end, struct il_value *out);

/* The same, but *p always moves past the whole value and out->len of a
 * container is exact. */
int msgcur_value(const char **p, const char *end, struct il_value *out);

/* Move past one value. */
int msgcur_skip(const char **p, const char *end);

/* Find a key in an IL_MAP value.  1 and *out (as msgcur_head fills it), or 0.
 */
int msgcur_find(const struct il_value *map, const char *key, size_t len,
                struct il_value *out);

/* Element i of an IL_ARRAY, from the end where i < 0.  1 or 0. */
int msgcur_at(const struct il_value *array, int64_t i, struct il_value *out);

/* Walk a container, as il_item() in plugin.h. */
int msgcur_item(const struct il_value *container, size_t *iter,
                struct il_value *key, struct il_value *value);

/* Is this one whole valid value, within MSG_DEPTH_MAX, all strings WTF-8?
 * For bytes from outside (a plugin, a file). */
int msgcur_check(const char *bytes, size_t len);

/* Writing.  0 or -ENOMEM. */
int msgout_nil(struct il_text *);
int msgout_bool(struct il_text *, int);
int msgout_int(struct il_text *, int64_t);
int msgout_uint(struct il_text *, uint64_t);
int msgout_decimal(struct il_text *, const char *text, size_t len);
int msgout_str(struct il_text *, const char *, size_t);
int msgout_map(struct il_text *, uint32_t pairs);
int msgout_array(struct il_text *, uint32_t items);
/* Any value, containers included (copies their bytes). IL_TIME becomes an
 * RFC 3339 string. */
int msgout_value(struct il_text *, const struct il_value *);

#endif

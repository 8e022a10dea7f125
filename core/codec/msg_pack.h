/* SPDX-License-Identifier: MIT */
/* Writing msgpack: msgpack-c's packer appends to a text that grows.
 *
 * Always the shortest form, as msgpack-c chooses it.  What may be written is
 * what msg_read.h reads.  Code of this room that has reserved room beforehand
 * writes there by msg_put_*() of private.h instead. */
#ifndef MSG_PACK_H
#define MSG_PACK_H

#include "base/text.h"

/* Each appends one value, or the head of a container whose items the caller
 * appends.  0 or -ENOMEM (also for text of 4 GiB and more), and then nothing
 * was appended. */
int msg_pack_nil(struct il_text *);
int msg_pack_bool(struct il_text *, int);
int msg_pack_int(struct il_text *, int64_t);
int msg_pack_uint(struct il_text *, uint64_t);
int msg_pack_decimal(struct il_text *, const char *text, size_t len);
int msg_pack_str(struct il_text *, const char *, size_t);
int msg_pack_map(struct il_text *, uint32_t pairs);
int msg_pack_array(struct il_text *, uint32_t items);

/* Any value, containers included (copies their bytes, which must be there:
 * else -EINVAL).  IL_TIME becomes an RFC 3339 string, IL_MISSING nil. */
int msg_pack_value(struct il_text *, const struct il_value *);

#endif

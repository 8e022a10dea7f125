/* SPDX-License-Identifier: MIT */
/* How the room works: events are JSON outside and msgpack inside.
 *
 *   json_read.c, json_value.c   JSON to msgpack; the pull reader around it
 *   json_string.c, json_number.c, json_keys.c   what these two stand on
 *   json_write.c                msgpack to JSON
 *   json_out.c                  JSON of our own: answers, status
 *   msg_read.c, msg_pack.c      msgpack: a cursor, msgpack-c's packer
 *   msg_check.c                 msgpack from outside: may an event hold it?
 *   event.c, event_retry.c      a frame's body in the spool; ids
 *   event_decided.c             what was decided of one that comes again
 *   batch.c, batch_entity.c     events on their way through a lane
 *   batch_again.c               those of them that come again by themselves
 *
 * JSON becomes msgpack in one pass and without a tree: json_value() reserves
 * room for the worst case once and writes behind a pointer; the head of a
 * container is left open and filled in when its bracket closes.  Nothing is
 * lost: a number that is no integer of 64 bits in canonical form keeps its
 * text (ext type MSG_EXT_DECIMAL), and a lone surrogate, which JSON can
 * escape and UTF-8 cannot say, stays as three bytes (WTF-8).  A key that comes
 * twice is refused: up to JSON_KEYS_FEW by comparing, above that by a hash
 * whose secret senders cannot know (base/table.h).
 *
 * Readers move a cursor over the bytes as they lie in the frame.  msgpack from
 * outside is checked once, when it comes in; what stands behind that point
 * trusts strings and keys, but never a length.
 *
 * Threads.  Readers, writers, texts and batches belong to whoever made them
 * and take no lock.  The process owns the names of kinds, under kind_lock
 * (batch_entity.c).  A crash leaves nothing: no file is touched here. */
#ifndef CODEC_PRIVATE_H
#define CODEC_PRIVATE_H

#include <errno.h>
#include <msgpack/pack_define.h>
#include <msgpack/timestamp.h>

#include "json.h"
#include "msg_read.h"

/* msgpack-c's packer, writing to memory that is known to be large enough:
 * msg_put_nil(&o), msg_put_int64(&o, v), msg_put_map(&o, pairs) and so on, as
 * msgpack_pack_*() in msgpack/pack.h.  Each moves the place after what it
 * wrote.  Only json_value.c also writes heads of its own: of one byte where it
 * copies by whole vectors, and of 16 bits where the count comes last. */

#define MSG_HEAD_MAX 6 /* the longest head: ext 32 */

/* What the packer calls with each head that it has put together; in line, the
 * compiler stores the head right where it belongs. */
static inline void
msg_put_bytes(char **place, const void *bytes, size_t len)
{
    if (len)
        memcpy(*place, bytes, len);
    *place += len;
}

/* The template defines them all, calls one of its own by its usual name, and
 * takes its parameters back when it is done. */
#define msgpack_pack_inline_func(name) static inline void msg_put##name
#define msgpack_pack_user char **
#define msgpack_pack_append_buffer(place, bytes, len)                          \
    msg_put_bytes(place, bytes, len)
#define msgpack_pack_ext msg_put_ext
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext

static inline void
msg_put_text(char **o, const char *text, size_t len)
{
    msg_put_str(o, len);
    msg_put_bytes(o, text, len);
}

static inline void
msg_put_decimal(char **o, const char *text, size_t len)
{
    msg_put_ext(o, len, MSG_EXT_DECIMAL);
    msg_put_bytes(o, text, len);
}

/* Errors of the JSON reader (json_read.c). */

/* Note the first error.  Always returns NULL, for the scanners, which return
 * the place they got to. */
const char *json_fail(struct json_reader *, enum json_code, const char *at,
                      const char *message);
/* The text ends where more was needed. */
const char *json_fail_end(struct json_reader *);
/* What *at is was not expected; or the end. */
const char *json_fail_expected(struct json_reader *, const char *at,
                               const char *expected);
/* -ENOMEM or -EINVAL after an error, else 0. */
int json_failed(const struct json_reader *);

static inline const char *
json_space(const char *p, const char *end)
{
    if (p < end && (unsigned char) *p > ' ')
        return p; /* as good as always */
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* From after the opening quote to the closing one, all checked; NULL after an
 * error.  *escaped says whether there is a backslash. (json_string.c) */
const char *json_scan_string(struct json_reader *, const char *p, int *escaped);
/* Decode a string that was scanned; never longer than it was.  Returns the
 * end in dst. */
char *json_unescape(char *dst, const char *p, const char *end);

/* Numbers (json_number.c). */

enum json_number {
    JSON_NUMBER_BAD, /* *p is where */
    JSON_NUMBER_CUT, /* the text ends in it */
    JSON_NUMBER_INT,
    JSON_NUMBER_UINT,   /* above INT64_MAX */
    JSON_NUMBER_DECIMAL /* any but a canonical integer of 64 bits */
};

/* Take a number, which begins at *p with '-' or any other byte. */
enum json_number json_scan_number(const char **p, const char *end,
                                  uint64_t *value);

/* Keys of an object (json_keys.c). */

/* A key where it was written to as msgpack. */
struct json_key {
    uint32_t tag; /* differs: so do the keys */
    uint32_t at;  /* in the output, from the start of the value */
    uint32_t len; /* with its head where each key has one head only */
    uint32_t src; /* in the text, for the error */
};

/* The keys of all objects that are open, innermost last. */
struct json_keys {
    struct json_key *list; /* few, or from the heap */
    uint32_t count, cap;
    struct json_key few[128];
};

/* Up to here each new key is compared with all, above it the object's keys
 * are hashed when it closes. */
#define JSON_KEYS_FEW 32

void json_keys_init(struct json_keys *);
void json_keys_free(struct json_keys *);
int json_keys_grow(struct json_keys *); /* 0 or -ENOMEM */
/* Is one of the keys from `from` on there twice?  1 and its index, 0, or
 * -ENOMEM. */
int json_keys_twice(const struct json_keys *, uint32_t from, const char *out,
                    uint32_t *which);

/* Differs for most pairs of different keys; depends on the key alone. */
static inline uint32_t
json_key_tag(const char *key, size_t len)
{
    const unsigned char *k = (const unsigned char *) key;
    if (len == 0)
        return 0;
    return (uint32_t) len << 16 ^ (uint32_t) k[len - 1] << 8 ^ k[len >> 1];
}

/* Add a key that is known to be another one than those before it.  0 or
 * -ENOMEM. */
static inline int
json_keys_push(struct json_keys *keys, struct json_key key)
{
    if (keys->count == keys->cap && json_keys_grow(keys))
        return -ENOMEM;
    keys->list[keys->count++] = key;
    return 0;
}

/* Add a key of an object whose keys begin at from.  0, 1 (there already) or
 * -ENOMEM. */
static inline int
json_keys_add(struct json_keys *keys, uint32_t from, const char *out,
              struct json_key key)
{
    uint32_t n = keys->count;
    const struct json_key *list = keys->list;
    if (n - from < JSON_KEYS_FEW)
        for (uint32_t i = from; i < n; i++)
            if (list[i].tag == key.tag && list[i].len == key.len
                && __builtin_memcmp(out + list[i].at, out + key.at, key.len)
                       == 0)
                return 1;
    return json_keys_push(keys, key);
}

/* A UUID: 16 bytes of bin, which no event has. */
#define MSG_UUID_HEAD "\xc4\x10"
#define MSG_UUID 18

struct arena_block;
struct il_reason;
/* A map that a plugin has, as msgpack in the batch's memory.  0, -EINVAL,
 * -ENOMEM. */
struct il_batch;
int batch_own_map(struct il_batch *, int encoding, const void *bytes, size_t len,
                  struct slice *out);
/* A copy of a plugin's reason in an arena; what can be said where it gave none,
 * or where there is no memory.  Never NULL. */
const struct il_reason *batch_reason(struct arena_block **, size_t *held,
                                     const struct il_reason *given);

#endif

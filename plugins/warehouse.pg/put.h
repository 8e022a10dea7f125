/* SPDX-License-Identifier: MIT */
/* The values of column types: one function a type.  Each appends one field to
 * encoder->out, in binary or as text by encoder->binary, or says that it does
 * not fit.  What Postgres would read as the type is read here by the same
 * rules, because a row that Postgres refuses costs a savepoint and a new COPY;
 * what only Postgres can judge is ENCODE_UNSURE. */
#ifndef PG_PUT_H
#define PG_PUT_H

#include <endian.h>
#include <string.h>

#include "encode.h"

enum {
    ENCODE_UNSURE = 1, /* only the server can tell: write the batch as text */
    ENCODE_BAD         /* it does not fit: the event becomes a dead letter;
                        * encoder->misfit says why */
};

pg_put put_int2, put_int4, put_int8, put_float4, put_float8, put_numeric,
    put_bool, put_text, put_varchar, put_name, put_uuid, put_date, put_time,
    put_timestamp, put_timestamptz, put_json, put_jsonb, put_bytea, put_inet,
    put_cidr, put_other, put_record;

/* v as text that Postgres takes: *s, which may be e->json, or buf (48 bytes).
 * 0, -ENOMEM or ENCODE_BAD. */
int put_clean(struct encoder *, const struct il_value *v, char *buf,
              const char **s, size_t *len);

/* The point in time that v is, since 1970.  0, or -EINVAL: that is for the
 * server to say. */
int put_when_us(const struct il_value *v, int64_t *us);

/* --- encode_field.c: for these functions --------------------------------- */

/* The head of a field in binary. */
static inline void
encode_length(char *p, size_t len)
{
    uint32_t be = htobe32((uint32_t) len);
    memcpy(p, &be, sizeof be);
}

int encode_binary(struct encoder *, const void *bytes, size_t len);
/* In binary: the last size bytes of n, 2, 4 or 8. */
int encode_number(struct encoder *, uint64_t n, unsigned size);
int encode_text(struct encoder *, const char *, size_t len);
/* ENCODE_BAD, with the misfit filled in. */
int encode_bad(struct encoder *, const char *code, const char *fmt, ...)
    IL_PRINTF(3, 4);
/* 22P02 and its like: "invalid input syntax for type T: "value"". */
int encode_bad_value(struct encoder *, const char *code, const struct column *,
                     const struct il_value *);
int encode_out_of_range(struct encoder *, const struct column *,
                        const struct il_value *);
/* A scalar's text: strings as they are, numbers as sent, true, false; NULL for
 * containers.  buf holds at least 48 bytes. */
const char *encode_scalar(const struct il_value *, char *buf, size_t *len);

#endif

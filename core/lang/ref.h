/* SPDX-License-Identifier: MIT */
/* References: $event.id, $event.payload.a.b[0], $entity.user.plan, and bare
 * paths into the payload (PRODUCT section 5). */
#ifndef REF_H
#define REF_H

#include "codec/batch.h"

/* Where in a text something is wrong.  Shared by references, expressions and
 * templates. */
struct lang_error {
    size_t offset; /* bytes */
    char message[240];
};

enum {
    REF_ROOTED = 0, /* must begin with $event or $entity */
    REF_BARE = 1    /* a bare path is a payload field */
};

/* Parse a whole text as one reference.  0 or -EINVAL with *error, or -ENOMEM.
 */
int ref_parse(const char *text, size_t len, int flags, struct il_field **out,
              struct lang_error *error);
/* Parse the reference at the start of text; *used gets its length. */
int ref_parse_prefix(const char *text, size_t len, int flags, size_t *used,
                     struct il_field **out, struct lang_error *error);
/* A literal name, as il_field_named(). */
int ref_named(int what, const char *name, struct il_field **out);
void ref_free(struct il_field *);

/* Does it reach into $entity.<kind>?  The kind, or NULL.  What a step found out
 * of an event, $step.<name>, is attached like an entity, under a kind that begins
 * with REF_STEP. */
#define REF_STEP "$step."
const struct il_kind *ref_kind(const struct il_field *);

/* Append its path, without the root: of the first parts alone, and a name after
 * them or NULL.  0 or -ENOMEM. */
int ref_path(struct il_text *out, const struct il_field *, uint32_t parts,
             const char *name);
/* A step of a path: into a map by a key, into an array by a number. */
struct ref_part {
    const char *key; /* NULL: an element */
    size_t len;
    int64_t index; /* below 0: from the end */
};
/* How many of them its path has; one of them, which lives as long as it. */
uint32_t ref_parts(const struct il_field *);
const struct ref_part *ref_part_at(const struct il_field *, uint32_t i);
/* Does its path lead through the payload? */
int ref_in_payload(const struct il_field *);

/* What the value will be, where that is known beforehand: IL_STRING, IL_TIME or
 * IL_MAP for the envelope and roots; else IL_MISSING. */
int ref_type(const struct il_field *);

/* Does it name a field of the payload, through objects alone? */
int ref_payload_only(const struct il_field *);

/* Read it.  1 present, 0 missing (out->type IL_MISSING).  Containers get their
 * exact length.  Allocates and remembers nothing; any number of threads. */
int ref_get(const struct il_field *, const struct batch_event *,
            struct il_value *out);

/* For readers that walk the payload themselves, for many references at a time:
 * the key of it that the reference begins with, its ptr NULL where it begins
 * with none; and what ref_get() makes of the value of that key, whose bytes
 * begin at p and reach to end at most.  1 or 0; without a value p is NULL. */
struct slice ref_first_key(const struct il_field *);
int ref_get_at(const struct il_field *, const struct batch_event *,
               const char *p, const char *end, struct il_value *out);

#endif

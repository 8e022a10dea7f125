/* SPDX-License-Identifier: MIT */
/* How the room works: what config files say about events.
 *
 *   ref_parse.c  ref.c    references: a root and a path of keys and numbers
 *   expr_lex.c  expr_condition.c  expr_parse.c   expressions: source to tree
 *   expr_eval.c  expr_set.c  expr_glob.c  expr_regex.c   evaluating the tree
 *   expr_explain.c        the same walk, for people: what decided, and why
 *   expr_pool.c           the blocks that a compiled expression lies in
 *   template.c            text with {{ operands }}, read as expressions are
 *   place.c               paths to write to: a reference's, but not any
 *   row.c                 many references, found in one walk over a payload
 *   lexis.c               what all of them read alike; complaints with a place
 *
 * Everything is compiled once, when a config is opened, by recursive descent
 * with a bounded depth, and constant from then on.  Reading walks the msgpack
 * of an event where it lies; nothing is allocated but what a template renders,
 * which lies in the batch.
 *
 * Threads.  Any number may read the same reference.  An expression and a
 * template that use a regular expression are for one thread at a time (it keeps
 * its match data), and so is a row, which remembers what the event before
 * looked like: each instance of a step compiles its own.  There are no locks. */
#ifndef LANG_PRIVATE_H
#define LANG_PRIVATE_H

#include "ref.h"

/* A reference: ref_parse.c makes it, ref.c reads with it. */

enum root {
    ROOT_PAYLOAD,
    ROOT_ENTITY,
    ROOT_ANY, /* a payload field, else a trait of any entity */
    ROOT_ID,
    ROOT_KEY,
    ROOT_TYPE,
    ROOT_SOURCE,
    ROOT_RECEIVED,
    ROOT_TIMESTAMP
};

#define REF_DEPTH_MAX 32 /* parts; deeper than any event is useful */

struct il_field {
    int root;
    const struct il_kind *kind; /* ROOT_ENTITY */
    uint32_t count;
    struct ref_part parts[]; /* then the bytes of the keys */
};

#endif

/* SPDX-License-Identifier: MIT */
/* What marks.c and marks_file.c share.
 *
 * A marking waits in the list from its append until the spool has said what
 * became of it, in the order of the spool.  Whoever looks at the table first
 * moves the decided ones there, so nobody sees a mark that is not on disk, and
 * everybody one that is.  `lock` guards the table and the list; it is taken
 * under the gate's, and nothing is taken under it.  The file is written without
 * it. */
#ifndef GATE_MARKS_PRIVATE_H
#define GATE_MARKS_PRIVATE_H

#include "marks.h"
#include "private.h"

struct mark {
    struct slice source, name, value; /* value.ptr NULL: to be forgotten */
    uint64_t position;                /* of its frame */
    int64_t written_us;
};

struct gate_marking {
    struct gate_marks *of;
    struct gate_marking *next;
    struct gate_ticket ticket; /* position and epoch */
    struct il_text body;
    size_t promised; /* places that it has in the table */
    size_t count;
    struct mark *marks[];
};

struct gate_marks {
    struct spool *spool;
    struct spool_hold *hold;
    struct gate *gate; /* once it is there, and can tell what is durable */
    char *dir;

    pthread_mutex_t lock; /* protects what follows */
    struct mark **table;  /* by source, then by name */
    size_t count, cap, promised;
    struct gate_marking *first, **tail;
    uint64_t changes;

    /* of whoever makes the copy */
    uint64_t covered; /* up to this position the copy has all */
    uint64_t copied;  /* changes that it has */
    int64_t copied_us;
    int failing; /* and said so */
};

struct mark *gate_mark_new(struct slice source, struct slice name,
                           struct slice value);
/* Room for n more.  0 or -ENOMEM. */
int gate_marks_reserve(struct gate_marks *, size_t n);
/* Takes it over, unless a later one is there.  There is room. */
void gate_marks_put(struct gate_marks *, struct mark *);
void gate_marks_take(struct gate_marks *);

#endif

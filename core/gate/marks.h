/* SPDX-License-Identifier: MIT */
/* How far sources have read: a table of marks, whose frames stand in the spool
 * behind the events that they were emitted with.
 *
 *   DIR/MARKS   all marks as they were at a position
 *
 * The frames are the truth, but segments go.  So the table is copied into a
 * file: aside, synced, renamed.  No segment goes before the copy covers it.  A
 * start takes the copy and then the frames that came after it; where there is
 * none, or none that can be believed, all frames there are. */
#ifndef GATE_MARKS_H
#define GATE_MARKS_H

#include "spool/spool.h"

#define GATE_MARK_NAME 128  /* bytes */
#define GATE_MARK_VALUE 512 /* bytes */
#define GATE_MARKS_MAX 10000 /* of a source */

struct gate_marks;

/* Read the copy in dir, the spool's own, and what came after it.  Right after
 * the spool was opened: from here on it keeps the frames that are needed.  0,
 * or a negative errno after a log line: the spool cannot be read now.  Damage
 * fails nothing and is told. */
int gate_marks_open(const char *dir, struct spool *, struct gate_marks **out);
/* Copy the table where that is due; end: where it is of any use.  Any thread,
 * one at a time. */
void gate_marks_checkpoint(struct gate_marks *, int end);
void gate_marks_close(struct gate_marks *);

/* A mark as it is on disk.  1 and *value, 0, or -ENOMEM.  Any thread. */
int gate_marks_get(struct gate_marks *, struct slice source, struct slice name,
                   struct il_text *value);
/* Those of a source, by name; see il_mark_each(). */
int gate_marks_each(struct gate_marks *, struct slice source,
                    int (*fn)(void *arg, const struct il_mark *,
                              int64_t written_us),
                    void *arg);

/* The marks of an emission, ready to be appended: nothing that comes after can
 * fail for want of memory. */
struct gate_marking;

/* 0, -ENOMEM, or -EINVAL with a text in *why. */
int gate_marking_new(struct gate_marks *, struct slice source, int64_t now_us,
                     const struct il_mark *, size_t n, size_t stride,
                     struct gate_marking **out, const char **why);
/* Its frame. */
struct slice gate_marking_body(const struct gate_marking *);
/* It was not appended, after all. */
void gate_marking_free(struct gate_marking *);

#endif

/* SPDX-License-Identifier: MIT */
/* How far a command is that takes long: one line on a terminal, nothing elsewhere;
 * and that it can be ended by Ctrl-C where it may.
 *
 *   command_progress_begin(&p, "import", "lines", total, PROGRESS_READS);
 *   while (... && !(err = command_progress_at(&p, done)))
 *       ...
 *   command_progress_end(&p);
 *
 * The first SIGINT or SIGTERM is heard at the next command_progress_at(); a second
 * one ends the process, as it does where nobody asks.  One at a time, and one
 * thread. */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include "base/text.h"

#include <signal.h>

enum {
    /* It waits for input: a signal ends that with -EINTR. */
    PROGRESS_READS = 1,
    /* Its results go to standard output meanwhile: no line where that is a
     * terminal, too. */
    PROGRESS_WRITES = 2
};

struct command_progress {
    const char *what, *unit; /* literals; "bytes" and "seconds" are shown so */
    uint64_t first, done, total; /* total 0: not known */
    int64_t begun_us, drawn_us;
    int shows, drawn;
    struct sigaction before[2]; /* what the signals did */
};

void command_progress_begin(struct command_progress *, const char *what,
                            const char *unit, uint64_t total, int flags);
/* It does not begin at 0: what is done before is no part of the rate. */
void command_progress_from(struct command_progress *, uint64_t first);
/* So far it is: 0, or -EINTR: somebody wants it to end.  Cheap: four times a
 * second there is something to write. */
int command_progress_at(struct command_progress *, uint64_t done);
/* Has somebody? */
int command_progress_interrupted(void);
/* Take the line away: something else is to be printed. */
void command_progress_clear(struct command_progress *);
/* The same, for good; the signals do what they did. */
void command_progress_end(struct command_progress *);

/* The line, not wider than that; appended. */
int command_progress_line(struct il_text *, const struct command_progress *,
                          double seconds, int width);

#endif

/* SPDX-License-Identifier: MIT */
/* A directory for as long as a program of the bench runs. */
#ifndef SCRATCH_H
#define SCRATCH_H

/* Make one below $TMPDIR (/tmp), which goes, with all that is in it, when the
 * program ends, also by exit() in the middle of something.  Once a program.
 * Ends the program where it cannot. */
const char *scratch_dir(void);

#endif

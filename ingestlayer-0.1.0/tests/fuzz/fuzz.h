/* SPDX-License-Identifier: MIT */
/* A fuzz target defines LLVMFuzzerTestOneInput(), which claims things about
 * whatever bytes it is given.  libFuzzer calls it with inputs that it makes,
 * replay.c with the seeds. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Also with NDEBUG; a failure is a crash, which libFuzzer keeps. */
#define CLAIM(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,  \
                    #what);                                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

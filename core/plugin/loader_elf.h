/* SPDX-License-Identifier: MIT */
/* A look at a shared object before the dynamic linker maps it: of a file that
 * ends too early it would take the pages that are not there for zero or die of
 * SIGBUS, and its own words for a file that is none differ between C
 * libraries. */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include "base/text.h"

/* 1, or 0 after why was appended. */
int loader_is_elf(const char *path, struct il_text *why);

#endif

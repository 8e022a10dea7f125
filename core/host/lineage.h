/* SPDX-License-Identifier: MIT */
/* Hashes of what comes before something in a lane, each made of the one before.
 * The same at every start, on every machine of one byte order. */
#ifndef LINEAGE_H
#define LINEAGE_H

#include <stddef.h>
#include <stdint.h>

struct config_setting_t;

uint64_t lineage_bytes(uint64_t before, const void *, size_t len);
uint64_t lineage_text(uint64_t before, const char *); /* NULL: as before */
/* A setting of the config, with all in it; NULL: as before. */
uint64_t lineage_setting(uint64_t before, const struct config_setting_t *);

#endif

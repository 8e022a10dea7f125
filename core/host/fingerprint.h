/* SPDX-License-Identifier: MIT */
/* What a config says of a lane, of a source: a hash to compare with that of the
 * config before.  Two that are equal do the same to every event, whatever else
 * has changed around them; where they stand in the file does not matter. */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include "plan.h"

/* All that decides how a lane works: what it takes, the declarations of that,
 * its steps, its destination.  Not `was` and `begin`, which mean nothing to one
 * that has begun. */
uint64_t fingerprint_lane(const struct plan *, const struct plan_pipeline *,
                          const struct plan_destination *);
/* The same of the i-th source, with every declaration. */
uint64_t fingerprint_source(const struct plan *, size_t i);
/* Of one key of the config's outermost group. */
uint64_t fingerprint_setting(const struct plan *, const char *group,
                             const char *key);

#endif

/* SPDX-License-Identifier: MIT */
/* The config that counts: all files together, with what they leave out, each value
 * with where it stands.  Secrets are left out. */
#ifndef EFFECTIVE_H
#define EFFECTIVE_H

#include "base/text.h"

#define EFFECTIVE_HIDDEN "(hidden)" /* in place of a secret */

struct json_out;
struct plan;

/* As a config, which says the same again where no secret is hidden: a value a
 * line, and behind it "# FILE:LINE" or "# default".  0 or -ENOMEM.  The plan is
 * only read. */
int host_effective_text(struct il_text *, const struct plan *);
/* As members of the object at hand: groups and lists are those of the config, and
 * a value is {"value":...,"at":"FILE:LINE"}, {"value":...,"default":true} or
 * {"hidden":true,"at":...}. */
void host_effective_json(struct json_out *, const struct plan *);

#endif

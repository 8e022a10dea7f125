/* SPDX-License-Identifier: MIT */
/* What the host demands of a descriptor before it calls into a plugin. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include "base/text.h"

/* Check a descriptor (NULL: the symbol was not there) and copy it.  0, or
 * -EINVAL after appending to why. */
int plugin_handshake(const void *symbol, const char *name, const char *path,
                     struct il_plugin *out, struct il_text *why);

#endif

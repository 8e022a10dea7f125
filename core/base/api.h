/* SPDX-License-Identifier: MIT */
/* The function table that the host hands to plugins. */
#ifndef HOST_API_H
#define HOST_API_H

#include "text.h"

/* The table in use; what batches and instances begin with.  NULL until
 * host_api_init() or host_api_set(). */
const struct il_api *host_api(void);

/* Fill in the complete table and put it in use.  Once, before any plugin is
 * opened.  Links all of the host. */
void host_api_init(void);

/* Put another table in use: for unit tests that link only a part. */
void host_api_set(const struct il_api *);

#endif

/* SPDX-License-Identifier: MIT */
/* The function table that plugins see, for those who make the objects that
 * begin with it.  Who fills it is host/api.c. */
#ifndef API_H
#define API_H

#include <ingestlayer/plugin.h>

/* The table in use; NULL until api_use(). */
const struct il_api *api_table(void);

/* Put a table in use, which lives on.  Once, before any object is made. */
void api_use(const struct il_api *);

#endif

/* SPDX-License-Identifier: MIT */
/* Apart from host_api.c, so that a test of batches does not link servers. */
#include "api.h"

static const struct il_api *table;

const struct il_api *
host_api(void)
{
    return table;
}

void
host_api_set(const struct il_api *api)
{
    table = api;
}

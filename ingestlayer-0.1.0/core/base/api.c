/* SPDX-License-Identifier: MIT */
#include "api.h"

static const struct il_api *table;

const struct il_api *
api_table(void)
{
    return table;
}

void
api_use(const struct il_api *api)
{
    table = api;
}

/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <errno.h>
#include <string.h>

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

static int
copy(void *own, size_t own_size, const void *theirs, size_t most,
     size_t minimum)
{
    uint32_t size, given = (uint32_t) own_size;
    memset(own, 0, own_size);
    if (most < minimum)
        return -EINVAL;
    memcpy(&size, theirs, sizeof(size));
    if (size < minimum)
        return -EINVAL;
    if (most > size)
        most = size;
    memcpy(own, theirs, most < own_size ? most : own_size);
    memcpy(own, &given, sizeof(given));
    return 0;
}

int
api_copy(void *own, size_t own_size, const void *theirs, size_t minimum)
{
    return copy(own, own_size, theirs, SIZE_MAX, minimum);
}

int
api_copy_at(void *own, size_t own_size, const void *array, size_t i,
            size_t stride, size_t minimum)
{
    return copy(own, own_size, (const char *) array + i * stride, stride,
                minimum);
}

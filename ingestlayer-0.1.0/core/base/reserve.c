/* SPDX-License-Identifier: MIT */
#include "reserve.h"

#include <errno.h>
#include <sys/mman.h>

int
reserve_check(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    munmap(map, bytes);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* `ingestlayer lane take`: of the daemon that does not run, one lane. */
#include "private.h"

#include <errno.h>

int
host_lane_look(struct host *h, const char *name, struct lane_stand *out)
{
    struct assembly_lane *l = host_find_lane(h, name);
    if (!l)
        return -ENOENT;
    int err = host_start_state(h);
    if (!err)
        err = host_start_lane(h, l);
    return err ? err : lane_look(l->lane, out);
}

int
host_lane_take(struct host *h, const char *name, int from_row,
               uint64_t *position)
{
    return lane_take(host_find_lane(h, name)->lane, from_row, position);
}

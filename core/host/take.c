/* SPDX-License-Identifier: MIT */
/* `ingestlayer lane take`: of the daemon that does not run, one lane. */
#include "private.h"

#include <errno.h>
#include <string.h>

static struct assembly_lane *
find_lane(struct host *h, const char *name)
{
    struct assembly *a = h->assembly;
    for (size_t i = 0; i < a->lane_count; i++)
        if (strcmp(a->lanes[i].plan->lane, name) == 0)
            return &a->lanes[i];
    return NULL;
}

int
host_lane_look(struct host *h, const char *name, struct lane_stand *out)
{
    struct assembly_lane *l = find_lane(h, name);
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
    return lane_take(find_lane(h, name)->lane, from_row, position);
}

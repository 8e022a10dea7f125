/* SPDX-License-Identifier: MIT */
/* What a lane decides about events, without the lane: for a replay, and for those
 * who ask what became of one. */
#define _GNU_SOURCE
#include "assembly.h"

#include "base/state_dir.h"
#include "lane/dry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int
make_folder(const char *state_dir, const char *name, char *out, size_t size)
{
    if (!state_dir) {
        const char *tmp = getenv("TMPDIR");
        int n = snprintf(out, size, "%s/ingestlayer-%s-XXXXXX",
                         tmp ? tmp : "/tmp", name);
        int err = n >= (int) size ? -ENAMETOOLONG : mkdtemp(out) ? 0 : -errno;
        if (err)
            *out = 0;
        return err;
    }
    int n = snprintf(out, size, "%s/instances/%s", state_dir, name);
    if (n >= (int) size) {
        *out = 0;
        return -ENAMETOOLONG;
    }
    int err = state_dir_remove_below(out); /* of one that was killed */
    return err ? err : state_dir_make_below(state_dir, out);
}

int
assembly_dry_new(const struct assembly_lane *l, struct entities *entities,
                 const uint8_t spool[16], const char *state_dir,
                 const char *name, struct assembly_dry *out)
{
    struct il_memory *memories[CELLS_MEMORIES_MAX];
    const struct lane_spec spec = assembly_decides(l);
    size_t count = assembly_memories(l, memories);
    int err =
        count ? make_folder(state_dir, name, out->folder, sizeof(out->folder))
              : 0;
    return err ? err
               : lane_dry_new(&spec, entities, out->folder, memories, count,
                              spool, &out->steps);
}

void
assembly_dry_free(struct assembly_dry *d)
{
    lane_dry_free(d->steps);
    if (*d->folder)
        state_dir_remove_below(d->folder);
    *d = (struct assembly_dry){ .steps = NULL };
}

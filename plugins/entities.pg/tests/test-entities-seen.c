/* SPDX-License-Identifier: MIT */
/* Which ids a run has met, in memory and in sorted files. */
#include "../seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/test-entities-seen-XXXXXX";

static int
state_dir(const struct il_host *host, const char **path)
{
    (void) host;
    *path = dir;
    return 0;
}

static const struct il_api api = { .struct_size = sizeof api,
                                   .state_dir = state_dir };
static const struct {
    const struct il_api *api;
} host = { &api };

/* So many ids, so many of them in memory at a time.  How often it was wrong. */
static int
wrong(size_t ids, size_t most)
{
    struct seen s;
    char id[32];
    int bad = 0;
    seen_open(&s, (const struct il_host *) (const void *) &host, most);
    for (size_t i = 0; i < ids; i++) {
        int n = snprintf(id, sizeof id, "u_%zu", i);
        if (seen_add(&s, id, (size_t) n))
            bad++;
    }
    seen_sort(&s);
    for (size_t i = 0; i < 2 * ids; i++) {
        int n = snprintf(id, sizeof id, "u_%zu", i);
        bad += seen_has(&s, id, (size_t) n) != (i < ids);
    }
    printf("%zu ids, %zu in memory, %zu runs: %d wrong\n", ids, most,
           s.run_count, bad);
    if (s.run_count != (ids ? (ids - 1) / most : 0))
        bad++;
    seen_close(&s);
    return bad;
}

int
main(void)
{
    if (!mkdtemp(dir))
        return 77;
    int bad = wrong(0, 10) + wrong(1000, SEEN_HASHES) + wrong(20000, 5000)
              + wrong(20001, 5000) + wrong(5000, 5000);
    if (rmdir(dir)) {
        puts("a file is left behind");
        bad++;
    }
    return bad != 0;
}

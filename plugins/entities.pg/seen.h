/* SPDX-License-Identifier: MIT */
/* Which ids a run has met, as 64-bit hashes.  32 MiB of them are in memory; beyond
 * that, sorted runs in files of the instance's own folder, which are gone as soon as
 * they are closed.  Two ids with one hash: an entity stays that is gone, which one
 * in some billions of runs does. */
#ifndef ENTITIES_PG_SEEN_H
#define ENTITIES_PG_SEEN_H

#include <ingestlayer/plugin.h>

#define SEEN_HASHES ((size_t) (32 << 20) / sizeof(uint64_t))
#define SEEN_RUNS 1024 /* four milliards of ids */

struct seen_run {
    const uint64_t *hashes;
    size_t count;
};
struct seen {
    const struct il_host *host;
    uint64_t *hashes;
    size_t count, room, most; /* most: then a run is written */
    struct seen_run *runs;
    size_t run_count;
};

void seen_open(struct seen *, const struct il_host *, size_t most);
void seen_close(struct seen *);
/* 0 or a negative errno. */
int seen_add(struct seen *, const char *id, size_t len);
/* Nothing more is added: look them up from now on. */
void seen_sort(struct seen *);
int seen_has(const struct seen *, const char *id, size_t len);

/* Of any bytes; not for hostile keys' sake, but for spreading. */
uint64_t seen_hash(uint64_t from, const char *bytes, size_t len);

#endif

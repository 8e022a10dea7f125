/* SPDX-License-Identifier: MIT */
/* What a config was read from: its files, and where values stood that are not in
 * them.  A running daemon looks whether any of that has changed. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What tells one version of a file from the next, and one file from another. */
static uint64_t
stamp(uint64_t before, const char *path, const struct stat *st)
{
    const uint64_t of[] = { (uint64_t) st->st_dev, (uint64_t) st->st_ino,
                            (uint64_t) st->st_size,
                            (uint64_t) st->st_mtim.tv_sec,
                            (uint64_t) st->st_mtim.tv_nsec };
    before = XXH3_64bits_withSeed(path, strlen(path), before);
    return XXH3_64bits_withSeed(of, sizeof(of), before);
}

void
conf_read_from(struct conf *conf, const char *path, const struct stat *st)
{
    conf->stamp = stamp(conf->stamp, path, st);
}

static void
note(struct conf *conf, struct outer **list, const char *name,
     const struct stat *st)
{
    while (*list && strcmp((*list)->name, name))
        list = &(*list)->next;
    if (*list)
        return;
    struct outer *o = conf_alloc(conf, sizeof(*o));
    o->name = conf_strndup(conf, name, strlen(name));
    o->stamp = st ? stamp(0, name, st) : 0;
    *list = o;
}

void
conf_note_fixed(struct conf *conf, const char *name)
{
    note(conf, &conf->fixed, name, NULL);
}

void
conf_note_file(struct conf *conf, const char *path, const struct stat *st)
{
    note(conf, &conf->outside, path, st);
}

const char *
conf_fixed(const struct conf *conf, size_t i)
{
    const struct outer *o = conf->fixed;
    while (o && i--)
        o = o->next;
    return o ? o->name : NULL;
}

int
conf_same_files(const struct conf *a, const struct conf *b)
{
    return a->stamp == b->stamp;
}

const char *
conf_file_changed(const struct conf *conf, uint64_t *now)
{
    const char *changed = NULL;
    struct stat st;
    *now = 0;
    for (const struct outer *o = conf->outside; o; o = o->next) {
        if (stat(o->name, &st))
            continue; /* on its way, or not: what was read counts */
        uint64_t at = stamp(0, o->name, &st);
        *now = XXH3_64bits_withSeed(&at, sizeof(at), *now);
        if (at != o->stamp)
            changed = o->name;
    }
    return changed;
}

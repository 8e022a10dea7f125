/* SPDX-License-Identifier: MIT */
/* How the room works: config files and the options in them.
 *
 *   conf.c          reads files through libconfig, joins include_dir; has all
 *                   memory of a config, which is wiped: there are secrets in it
 *   scan.c token.c  a second look at the text, for what libconfig does not say
 *   finding.c       what is wrong, from whoever finds it, printed in file order
 *   options.c       a group of a file against option tables
 *   option_item.c   one value of it; option_value.c env:, file:, units
 *   outer.c         what it was read from, and whether that has changed
 *   option_get.c    reading what was validated; option_sum.c whether two
 *                   groups say the same
 *
 * A struct conf is the memory of one reading of a config: settings, values and
 * findings point into it and live until conf_free().  Nothing wrong is replaced
 * by a default; a fault makes one finding, and the reading goes on to the next.
 *
 * Threads.  One at a time while a config is read and checked.  After that
 * nothing changes any more, and anybody may read options.  There are no locks. */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "conf.h"

#include <libconfig.h>
#include <stdio.h>
#include <sys/stat.h>

/* A value that stood elsewhere. */
struct outer {
    struct outer *next;
    const char *name; /* "env:NAME"; of a file its path */
    uint64_t stamp;
};

/* outer.c: a file of the config; a value that is the process's, and stays as it
 * is; one of another file. */
void conf_read_from(struct conf *, const char *path, const struct stat *);
void conf_note_fixed(struct conf *, const char *name);
void conf_note_file(struct conf *, const char *path, const struct stat *);

/* Open a file whose text is wanted; a folder is -EISDIR.  0 or -errno. */
int conf_file_open(const char *path, FILE **, struct stat *);

struct block {
    struct block *next;
    size_t size;
    char data[] __attribute__((aligned(16)));
};

struct conf_file {
    char *name, *dir;
    char **floats; /* the texts of its numbers with a point, in order */
    size_t float_count;
    int exposed; /* every user can read it */
    const config_setting_t *secret; /* the first in it that was told of ... */
    int more_secrets;               /* ... and it is not the only one */
    config_t cfg;
};

struct finding {
    struct conf_place place;
    int warning;
    size_t order;
    char *line; /* the message, from the file's name on */
    char *text; /* the excerpt with its caret, or NULL */
    const struct conf_file *secrets; /* it tells of all in this; or NULL */
};

struct conf {
    struct block *blocks;
    struct conf_file **files;
    size_t file_count;
    struct finding *findings;
    size_t finding_count, errors, reports, strays;
    uint64_t stamp; /* of the files */
    struct outer *fixed, *outside;
};

#endif

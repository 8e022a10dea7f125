/* SPDX-License-Identifier: MIT */
/* Shared by conf.c (files, memory) and conf_finding.c. */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "conf.h"

#include <libconfig.h>

struct block {
    struct block *next;
    size_t size;
    char data[] __attribute__((aligned(16)));
};

struct conf_file {
    char *name, *dir;
    config_t cfg;
};

struct finding {
    struct conf_place place;
    int warning;
    size_t order;
    char *line; /* the message, from the file's name on */
    char *text; /* the excerpt with its caret, or NULL */
};

struct conf {
    struct block *blocks;
    struct conf_file **files;
    size_t file_count;
    struct finding *findings;
    size_t finding_count, errors, reports, strays;
};

#endif

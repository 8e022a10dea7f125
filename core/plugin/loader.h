/* SPDX-License-Identifier: MIT */
/* Finding plugins, and the ABI handshake with them. */
#ifndef LOADER_H
#define LOADER_H

#include "conf/options.h"

#include <pthread.h>

struct loader;

/* A plugin that passed the handshake. */
struct plugin {
    struct il_plugin desc; /* the host's own copy: the only one looked at */
    struct option_table options;
    char *path;
    int stale; /* its file is another one by now: this is what was loaded */
    pthread_mutex_t *serial; /* IL_SERIAL_PLUGIN: taken around every call */
};

/* dirs: the plugin_dir of the config, in order.  Before them comes
 * INGESTLAYER_PLUGIN_PATH (parted by colons; for development), after them the
 * directory of the installation. */
struct loader *loader_new(const char *const *dirs, size_t n);
/* Unmaps the plugins: nothing of them may be in use.  Under sanitizers and
 * valgrind they stay mapped, so that traces keep their names. */
void loader_free(struct loader *);

/* Load a plugin by name, once.  kind 0: any.  NULL: *why says what is wrong,
 * for a person. */
const struct plugin *loader_get(struct loader *, const char *name, int kind,
                                struct il_text *why);

/* The names of all files that look like plugins, sorted, each once. */
size_t loader_names(struct loader *, const char *const **names);
const char *plugin_kind_name(int kind);

#endif

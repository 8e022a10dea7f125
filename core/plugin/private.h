/* SPDX-License-Identifier: MIT */
/* How the room works: plugins, from a file to a configured instance.
 *
 *   loader.c      finding the shared object by name; loader_elf.c a look at the
 *                 file before the dynamic linker maps it
 *   handshake.c   what is demanded of a descriptor before it is called into
 *   instance.c    one configured instance: open, start, stop, close
 *   api_host.c, api_conf.c, api_batch.c   the part of the function table that
 *                 needs no server and no store, by the object it is about
 *   enter.c       which callback a thread is in; exits and crashes are named
 *   serial.c      what lanes and the server call: turns, where calls would
 *                 overlap against what threads says, and entering
 *
 * A plugin is loaded once and stays mapped until the end; its descriptor is
 * copied, cleared where the plugin's is shorter, and only the copy is looked
 * at. An instance is what struct il_host is to the host; all that its plugin
 * keeps hangs from self.  The test host links this room too, so it knows no
 * servers and no stores: host/api.c adds those to the table.
 *
 * Threads.  Loading, open, start, stop and close are the main thread's.  What
 * steps and destinations log is noted under the instance's own lock (said), for
 * the status of their lane.  A plugin that is IL_SERIAL_PLUGIN has one lock
 * that all its instances take; an instance has one for sources' requests.  What
 * a thread is in is its own, without a lock; a list of the threads (enter.c)
 * lets others look at it, and keeps instances from being freed meanwhile. */
#ifndef PLUGIN_PRIVATE_H
#define PLUGIN_PRIVATE_H

#include "base/text.h"

struct il_api;
struct il_plugin;

/* Check a descriptor (NULL: the symbol was not there) and copy it.  0, or
 * -EINVAL after appending to why. */
int plugin_handshake(const void *symbol, const char *name, const char *path,
                     struct il_plugin *out, struct il_text *why);

/* A look at a shared object before the dynamic linker maps it: of a file that
 * ends too early it would take the pages that are not there for zero or die of
 * SIGBUS, and its own words for a file that is none differ between C
 * libraries.  1, or 0 after why was appended. */
int loader_is_elf(const char *path, struct il_text *why);

/* Each fills in its part of the table: see instance_fill_api(). */
void plugin_fill_host_api(struct il_api *);
void plugin_fill_conf_api(struct il_api *);
void plugin_fill_batch_api(struct il_api *);

#endif

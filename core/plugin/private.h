/* SPDX-License-Identifier: MIT */
/* How the room works: plugins, from a file to a configured instance.
 *
 *   loader.c      finding the shared object by name; loader_elf.c a look at the
 *                 file before the dynamic linker maps it
 *   handshake.c   what is demanded of a descriptor before it is called into
 *   instance.c    one configured instance: open, start, stop, close;
 *                 instance_said.c what it says, and its faults;
 *                 instance_metrics.c, instance_timers.c its counters and timers
 *   api_host.c, api_conf.c, api_batch.c, api_edit.c   the part of the function
 *                 table that needs no server and no store, by the object it is
 *                 about; what plugins do at a wrong time ends there
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
#include "codec/batch.h"

struct il_api;
struct il_host;
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

/* May a plugin do this with event i of a batch?  Asked for each event: what
 * comes of a no is kept out of the way, in the functions below. */
static inline int
plugin_reads(const struct il_batch *b, uint32_t i)
{
    return __builtin_expect(i < b->count, 1);
}
static inline int
plugin_edits(const struct il_batch *b, uint32_t i)
{
    return __builtin_expect(batch_in_step(b) & (i < b->count), 1);
}
static inline int
plugin_delivers(const struct il_batch *b, uint32_t i)
{
    return b->phase == BATCH_AT_DESTINATION && i < b->count;
}
/* It may not: reported as a fault of the plugin, under the name of the entry.
 * -EPERM where it was not its turn, else -EINVAL: past the end. */
int plugin_past_end(const struct il_batch *, uint32_t i, const char *entry);
int plugin_cannot_edit(const struct il_batch *, uint32_t i, const char *entry);
int plugin_cannot_deliver(const struct il_batch *, uint32_t i,
                          const char *entry);

/* Each fills in its part of the table: see instance_fill_api(). */
void plugin_fill_host_api(struct il_api *);
void plugin_fill_metrics_api(struct il_api *);
void plugin_fill_timers_api(struct il_api *);
void plugin_fill_conf_api(struct il_api *);
void plugin_fill_batch_api(struct il_api *);
void plugin_fill_edit_api(struct il_api *);

/* instance_said.c */
void plugin_said_begin(struct il_host *);
void plugin_said_end(struct il_host *);
void plugin_doing_set(const struct il_host *, const char *text, size_t len);

/* instance_metrics.c: append the labels of its series.  0 or -ENOMEM. */
int plugin_metric_labels(const struct il_host *, struct il_text *);

/* instance_timers.c: after its start(), before its stop(), at its end. */
int plugin_timers_begin(struct il_host *);
void plugin_timers_end(struct il_host *);
void plugin_timers_forget(struct il_host *);

#endif

/* SPDX-License-Identifier: MIT */
/* Which callback of which instance a thread is in: so that one that hangs
 * shows, and one that exits or crashes is named.  Around every call into a
 * plugin; where the call is for a batch or a request, once for all of it. */
#ifndef ENTER_H
#define ENTER_H

#include <stdint.h>

struct il_host;

/* What the thread was in before: nothing, as a rule. */
struct instance_was {
    const struct il_host *host;
    const char *callback;
    int64_t since_us;
};

/* Called right before and right after the plugin is; callback is a constant as
 * "write()".  Some ten instructions, no lock. */
struct instance_was instance_enter(const struct il_host *,
                                   const char *callback);
void instance_leave(struct instance_was);

/* A thread that waits for its turn at the lock of a plugin is in no callback,
 * but does not go on either. */
#define INSTANCE_TURN "the wait for its turn"

/* The instance and the callback that the calling thread is in; NULL: none. */
const struct il_host *instance_current(const char **callback);
/* For how long the thread that has been longest in this instance is in it, and
 * in which callback; 0: none is.  Any thread. */
int64_t instance_busy_us(const struct il_host *, const char **callback);
/* Call fn for each call that is under way, until it returns other than 0;
 * returns that, else 0.  No instance is freed meanwhile.  Any thread, but not
 * from a plugin. */
int instance_each_call(int (*fn)(void *arg, const struct il_host *,
                                 const char *callback, int64_t us),
                       void *arg);
/* After this nobody looks at the instance any more on behalf of a call that has
 * ended. */
void instance_unseen(void);

/* From now on, until plugin_guard_end(): exit() in a plugin names the instance
 * and the callback on standard error and leaves with 1; so does a fatal
 * signal, of which the process then dies.  Once, from main(). */
void plugin_guard(void);
/* main() has come to its end: that is no plugin's exit(). */
void plugin_guard_end(void);

#endif

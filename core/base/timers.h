/* SPDX-License-Identifier: MIT */
/* One thread that calls functions at intervals or once: il_timer_every() and
 * il_timer_once() of all plugins. */
#ifndef TIMERS_H
#define TIMERS_H

#include <ingestlayer/plugin.h>

struct timers;

struct timers *timers_new(void); /* NULL: no memory */
/* Before start: functions are called through this one, which is told whose they
 * are. */
void timers_call_by(struct timers *,
                    void (*call)(const void *owner, void (*fn)(void *arg),
                                 void *arg));
/* Start the thread.  0 or a negative errno. */
int timers_start(struct timers *);
/* Call fn(arg) every interval_ms (not 0) until the owner's timers are removed.
 * Any thread.  0 or -ENOMEM. */
int timers_add(struct timers *, uint32_t interval_ms, void (*fn)(void *arg),
               void *arg, const void *owner);
/* Call fn(arg) once, delay_ms from now.  A call of the same owner, fn and arg
 * that is still to come is moved instead, and with IL_NEVER taken back.  Any
 * thread, fn itself as well.  0 or -ENOMEM. */
int timers_once(struct timers *, uint32_t delay_ms, void (*fn)(void *arg),
                void *arg, const void *owner);
/* Afterwards none of the owner's functions runs or will run.  Not from a
 * timer's own function. */
void timers_remove(struct timers *, const void *owner);
void timers_free(struct timers *);

#endif

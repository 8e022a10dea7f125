/* SPDX-License-Identifier: MIT */
/* Telling systemd how the daemon is; nothing where it is not there. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <sys/types.h>

void notify_ready(void);
/* The config is read again, until the next notify_ready(). */
void notify_reloading(void);
void notify_stopping(void);
/* Another process goes on in this one's place: waits until systemd has heard it,
 * a few seconds at most, so that this one may end. */
void notify_main_process(pid_t pid);
/* The watchdog's ping: to be called about every second. */
void notify_alive(void);

#endif

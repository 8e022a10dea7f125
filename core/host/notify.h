/* SPDX-License-Identifier: MIT */
/* Telling systemd how the daemon is; nothing where it is not there. */
#ifndef NOTIFY_H
#define NOTIFY_H

void notify_ready(void);
/* The config is read again, until the next notify_ready(). */
void notify_reloading(void);
void notify_stopping(void);
/* The watchdog's ping: to be called about every second. */
void notify_alive(void);

#endif

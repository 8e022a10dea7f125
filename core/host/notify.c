/* SPDX-License-Identifier: MIT */
/* Telling systemd: ready, stopping, alive. */
#include <config.h>

#include "notify.h"

#ifdef HAVE_SYSTEMD
#include "base/clock.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void
notify_ready(void)
{
    sd_notify(0, "READY=1\nSTATUS=accepting events");
}

/* sd_notify(3): with the time, so that it is told from the READY=1 of before. */
void
notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us());
}

void
notify_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=delivering what is left");
}

void
notify_main_process(pid_t pid)
{
    sd_notifyf(0, "MAINPID=%ld", (long) pid);
    sd_notify_barrier(0, 5000000);
}

/* Called about every second; the watchdog wants to hear from us twice in its
 * time. */
void
notify_alive(void)
{
    static int64_t last_us;
    uint64_t watchdog_us;
    if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
        return;
    int64_t now = clock_monotonic_us();
    if (now - last_us < (int64_t) watchdog_us / 2 - 1000000)
        return;
    last_us = now;
    sd_notify(0, "WATCHDOG=1");
}

#else

void
notify_ready(void)
{
}

void
notify_reloading(void)
{
}

void
notify_stopping(void)
{
}

void
notify_main_process(pid_t pid)
{
    (void) pid;
}

void
notify_alive(void)
{
}

#endif

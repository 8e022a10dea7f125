/* SPDX-License-Identifier: MIT */
/* One line that takes its own place, at most four times a second.  A signal is noted
 * and heard at the next step, so that what is under way ends where it can go on. */
#include "progress.h"

#include "show.h"
#include "terminal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define DRAW_US 250000
/* What is over sooner needs no line. */
#define QUIET_US 500000
/* Rates of less time are none. */
#define RATE_S 0.2

static volatile sig_atomic_t interrupted;

static const int signals[] = { SIGINT, SIGTERM };

static void
interrupt(int signal)
{
    (void) signal;
    interrupted = 1;
}

/* --- the line ---------------------------------------------------------------- */

static int
is_unit(const struct command_progress *p, const char *unit)
{
    return strcmp(p->unit, unit) == 0;
}

static int
put_amount(struct il_text *out, const struct command_progress *p, uint64_t n)
{
    char bytes[16], digits[24];
    int len;
    if (is_unit(p, "bytes"))
        return text_puts(out, command_show_bytes(bytes, n));
    len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long) n);
    int err = 0;
    for (int i = 0; i < len && !err; i++) {
        if (i && (len - i) % 3 == 0)
            err = text_putc(out, ',');
        if (!err)
            err = text_putc(out, digits[i]);
    }
    return err;
}

static int
put_rate(struct il_text *out, const struct command_progress *p, double seconds)
{
    char left[16];
    double rate = (double) (p->done - p->first) / seconds;
    if (rate <= 0 || seconds < RATE_S)
        return 0;
    int err = 0;
    if (!is_unit(p, "seconds") && !(err = text_puts(out, "  "))
        && !(err = put_amount(out, p, (uint64_t) (rate + 0.5))))
        err = text_puts(out, "/s");
    if (err || p->total <= p->done)
        return err;
    return text_printf(
        out, "  %s left",
        command_show_seconds(left, (double) (p->total - p->done) / rate));
}

int
command_progress_line(struct il_text *out, const struct command_progress *p,
                      double seconds, int width)
{
    const size_t begin = out->len;
    int err = text_printf(out, "%s  ", p->what);
    if (!err)
        err = put_amount(out, p, p->done);
    if (!err && p->total)
        err = text_puts(out, " of ");
    if (!err && p->total)
        err = put_amount(out, p, p->total);
    if (!err && !is_unit(p, "bytes"))
        err = text_printf(out, " %s", p->unit);
    /* what is written meanwhile comes on top of it */
    if (!err && p->total && p->done <= p->total)
        err = text_printf(out, "  %d %%",
                          (int) ((double) p->done * 100 / (double) p->total));
    if (!err)
        err = put_rate(out, p, seconds);
    if (!err && width > 0 && out->len - begin > (size_t) width)
        out->len = begin + (size_t) width;
    return err;
}

static void
draw(struct command_progress *p, int64_t now_us)
{
    struct il_text line = { 0 };
    int columns, rows;
    command_terminal_size(STDERR_FILENO, &columns, &rows);
    if (!text_puts(&line, "\r")
        && !command_progress_line(
            &line, p, (double) (now_us - p->begun_us) / 1e6, columns - 1)
        && !text_puts(&line, "\033[K"))
        command_terminal_write(STDERR_FILENO, slice_of(line.data, line.len));
    text_clear(&line);
    p->drawn = 1;
    p->drawn_us = now_us;
}

/* --- from begin to end ------------------------------------------------------- */

void
command_progress_begin(struct command_progress *p, const char *what,
                       const char *unit, uint64_t total, int flags)
{
    struct sigaction act = { .sa_handler = interrupt,
                             .sa_flags = (int) SA_RESETHAND };
    if (!(flags & PROGRESS_READS))
        act.sa_flags |= SA_RESTART;
    *p =
        (struct command_progress){ .what = what, .unit = unit, .total = total };
    p->begun_us = clock_monotonic_us();
    p->drawn_us = p->begun_us + QUIET_US - DRAW_US;
    p->shows = command_terminal_is(STDERR_FILENO)
               && !((flags & PROGRESS_WRITES) && isatty(STDOUT_FILENO));
    interrupted = 0;
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &act, &p->before[i]);
}

void
command_progress_from(struct command_progress *p, uint64_t first)
{
    p->first = p->done = first;
}

int
command_progress_interrupted(void)
{
    return interrupted;
}

int
command_progress_at(struct command_progress *p, uint64_t done)
{
    p->done = done;
    if (p->shows && !interrupted) {
        int64_t now_us = clock_monotonic_us();
        if (now_us - p->drawn_us >= DRAW_US)
            draw(p, now_us);
    }
    return interrupted ? -EINTR : 0;
}

void
command_progress_clear(struct command_progress *p)
{
    if (p->drawn)
        command_terminal_write(STDERR_FILENO, SLICE("\r\033[K"));
    p->drawn = 0;
}

void
command_progress_end(struct command_progress *p)
{
    command_progress_clear(p);
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &p->before[i], NULL);
    p->shows = 0;
}

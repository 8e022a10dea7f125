/* SPDX-License-Identifier: MIT */
/* ingestlayer top: what a running daemon does, again and again.
 *
 * On a terminal one frame takes the place of the other, on a screen of its own,
 * so that what was there before is there again afterwards; elsewhere they follow
 * each other. */
#include <config.h>

#include "top.h"

#include "private.h"
#include "terminal.h"

#include "base/clock.h"
#include "base/text_plain.h"
#include "base/units.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

enum { INTERVAL_LEAST_MS = 100, INTERVAL_MOST_MS = 3600000 };
enum { ONCE = COMMAND_FLAG, JSON };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    COMMAND_STATE_DIR_OPTION,
    { 'i', "interval", "DURATION", "how long from one to the next (1s)" },
    { ONCE, "once", NULL, "one, after the first interval" },
    { JSON, "json", NULL, "as JSON, a line each" },
    { 0 }
};

const struct command_help command_top_help = {
    .text = "usage: ingestlayer top [-c FILE | --state-dir DIR] [--interval "
            "DURATION] [--once]\n"
            "                       [--json]\n"
            "Show what a running daemon does, and how fast: events of each "
            "source, and of\neach lane, how far it is behind and what it waits "
            "for.  q leaves.\n"
            "\n"
            "    ingestlayer top --interval 5s\n"
            "    ingestlayer top --once --json | jq '.lanes[] | {name, "
            "lag_seconds}'\n"
            "\n",
    .options = options,
};

struct top {
    char state_dir[4096];
    int64_t interval_ms;
    int once, json, screen;
    struct command_sample samples[2], *before, *now;
    uint64_t first_last; /* the spool's last position when first seen, ... */
    int64_t first_at_us; /* ... of this process; 0: none was */
    struct il_text frame;
};

/* --- the terminal ------------------------------------------------------------ */

static volatile sig_atomic_t leaves, resized;

static void
heard(int signal)
{
    if (signal == SIGWINCH)
        resized = 1;
    else
        leaves = 1;
}

static void
hear_signals(void)
{
    const struct sigaction act = { .sa_handler = heard };
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    sigaction(SIGWINCH, &act, NULL);
}

/* A screen of its own, without a cursor; keys come one by one. */
static void
open_screen(struct termios *was, int *keys)
{
    *keys = tcgetattr(STDIN_FILENO, was) == 0;
    if (*keys) {
        struct termios now = *was;
        now.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        *keys = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
    }
    command_terminal_write(STDOUT_FILENO, SLICE("\033[?1049h\033[?25l"));
}

static void
close_screen(const struct termios *was, int keys)
{
    command_terminal_write(STDOUT_FILENO, SLICE("\033[?25h\033[?1049l"));
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, was);
}

/* In place of the one before: each line to its end, and the rest. */
static int
print_on_screen(const struct il_text *frame)
{
    struct il_text plain = { 0 }, out = { 0 };
    int err = text_plain(&plain, slice_of(frame->data, frame->len), 1);
    const char *p = plain.data, *end = p + plain.len;
    if (!err)
        err = text_puts(&out, "\033[H");
    while (p < end && !err) {
        const char *next = memchr(p, '\n', (size_t) (end - p));
        size_t len = next ? (size_t) (next - p) : (size_t) (end - p);
        err = text_put(&out, p, len);
        p += len + 1;
        /* a newline behind the last one would scroll */
        if (!err)
            err = text_puts(&out, p < end ? "\033[K\r\n" : "\033[K");
    }
    if (!err)
        err = text_puts(&out, "\033[J");
    if (!err)
        err =
            command_terminal_write(STDOUT_FILENO, slice_of(out.data, out.len));
    text_clear(&plain);
    text_clear(&out);
    return err;
}

/* Until then, or q, or a signal.  1: go on. */
static int
wait_until(int64_t until_us, int keys)
{
    struct pollfd p = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
    while (!leaves && !resized) {
        int64_t left_us = until_us - clock_monotonic_us();
        char key;
        if (left_us <= 0)
            return 1;
        if (poll(&p, 1, (int) ((left_us + 999) / 1000)) <= 0)
            continue;
        if (read(STDIN_FILENO, &key, 1) <= 0)
            p.fd = -1; /* nobody is there any more */
        else if (key == 'q' || key == 'Q')
            return 0;
    }
    return !leaves;
}

/* --- frames ------------------------------------------------------------------ */

static void
put_absent(struct top *t)
{
    t->frame.len = 0;
    text_printf(&t->frame,
                "no daemon runs on state_dir %s; waiting for one.  q leaves.\n",
                t->state_dir);
}

/* A segment more or less, or a burst, says nothing of how long a disk lasts. */
static double
long_rate(const struct top *t)
{
    const int64_t us = t->now->at_us - t->first_at_us;
    const uint64_t last = command_sample_last(t->now);
    if (us <= 0 || last < t->first_last)
        return -1;
    return (double) (last - t->first_last) * 1e6 / (double) us;
}

static int
draw(struct top *t)
{
    struct top_view v = { .before = t->before,
                          .now = t->now,
                          .long_rate = long_rate(t) };
    if (t->screen)
        command_terminal_size(STDOUT_FILENO, &v.width, &v.height);
    t->frame.len = 0;
    return t->json ? command_top_json(&t->frame, &v)
                   : command_top_draw(&t->frame, &v);
}

/* 0, or -EIO: nobody reads it. */
static int
print(struct top *t)
{
    if (t->screen)
        return print_on_screen(&t->frame) ? -EIO : 0;
    fwrite(t->frame.data, 1, t->frame.len, stdout);
    return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

static int
take(struct top *t)
{
    struct command_sample *old = t->before;
    t->before = t->now;
    t->now = old;
    int err = command_sample_take(t->state_dir, t->screen, t->now);
    if (err || !command_sample_same(t->before, t->now))
        t->first_at_us = 0;
    if (!err && !t->first_at_us) {
        t->first_at_us = t->now->at_us;
        t->first_last = command_sample_last(t->now);
    }
    return err;
}

/* One more; *more: and others.  0 or an error. */
static int
turn(struct top *t, int *more)
{
    int err = take(t);
    const int pair = !err && command_sample_same(t->before, t->now);
    *more = 1;
    if (err && !t->screen)
        return err;
    if (err)
        put_absent(t);
    else if (t->screen || pair)
        err = draw(t);
    else
        return 0; /* how fast is not known before the next one */
    *more = !(t->once && pair);
    if (t->once && !pair)
        return 0;
    return err == -ENOMEM ? err : print(t);
}

static int
run(struct top *t, int keys)
{
    int64_t next_us = clock_monotonic_us();
    int more, err = turn(t, &more);
    while (!err && more) {
        next_us += t->interval_ms * 1000;
        if (next_us < clock_monotonic_us())
            next_us = clock_monotonic_us();
        if (!wait_until(next_us, keys))
            break;
        if (resized) { /* at once, and the pace stays */
            resized = 0;
            next_us -= t->interval_ms * 1000;
            err = t->now->at_us ? draw(t) : 0;
            err = err ? err : print(t);
            continue;
        }
        err = turn(t, &more);
    }
    return err;
}

static int
top(struct top *t)
{
    struct termios was;
    int keys = 0;
    t->screen = !t->json && !t->once && command_terminal_is(STDOUT_FILENO);
    t->before = &t->samples[0];
    t->now = &t->samples[1];
    hear_signals();
    if (t->screen)
        open_screen(&was, &keys);
    int err = run(t, keys);
    if (t->screen)
        close_screen(&was, keys);
    if (err == -EIO && errno != EPIPE)
        perror("ingestlayer top: standard output");
    else if (err == -ENOMEM)
        fputs("ingestlayer: no memory\n", stderr);
    for (int i = 0; i < 2; i++)
        command_sample_clear(&t->samples[i]);
    text_clear(&t->frame);
    return err != 0;
}

/* --- the command ------------------------------------------------------------- */

static int
read_interval(const char *text, int64_t *out)
{
    const char *why;
    if (units_parse_duration(text, out, &why)) {
        fprintf(stderr,
                "ingestlayer top: --interval: expected %s, found "
                "\"%s\"\n",
                why, text);
        return 2;
    }
    if (*out >= INTERVAL_LEAST_MS && *out <= INTERVAL_MOST_MS)
        return 0;
    fprintf(stderr,
            "ingestlayer top: --interval: expected 100ms to 1h, found "
            "\"%s\"\n",
            text);
    return 2;
}

int
command_top(int argc, char **argv)
{
    struct top t = { .interval_ms = 1000 };
    const char *config = COMMAND_CONF_DEFAULT, *state_dir = NULL;
    for (int c; (c = command_next(argc, argv, &command_top_help)) != -1;) {
        if (c == 'c')
            config = optarg;
        else if (c == 's')
            state_dir = optarg;
        else if (c == ONCE)
            t.once = 1;
        else if (c == JSON)
            t.json = 1;
        else if (c != 'i')
            return c == 'h' ? 0 : 2;
        else if (read_interval(optarg, &t.interval_ms))
            return 2;
    }
    if (optind < argc)
        return command_unexpected("top", argv[optind], &command_top_help);
    if (command_find_daemon(state_dir, config, t.state_dir,
                            sizeof(t.state_dir)))
        return 1;
    return top(&t);
}

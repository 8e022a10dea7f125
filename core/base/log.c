/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Longer messages are cut: a line goes out in one write, so that lines of
 * several threads do not mix, and a hostile sender cannot make us log much. */
#define LINE_MAX_BYTES 4096

static int log_level = IL_LOG_INFO;

static const char *const level_names[] = { "", "error", "warn", "info",
                                           "debug" };

void
log_level_set(int level)
{
    __atomic_store_n(&log_level, level, __ATOMIC_RELAXED);
}

int
log_level_parse(const char *name)
{
    for (int i = IL_LOG_ERROR; i <= IL_LOG_DEBUG; i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return 0;
}

/* $JOURNAL_STREAM holds device and inode of the stream that systemd connected;
 * stderr may have been redirected since. */
static int
stderr_is_journal(void)
{
    static int known; /* 1 no, 2 yes */
    int state = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (state)
        return state == 2;
    unsigned long long dev, ino;
    struct stat st;
    const char *stream = getenv("JOURNAL_STREAM");
    state = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2
                    && fstat(STDERR_FILENO, &st) == 0
                    && (unsigned long long) st.st_dev == dev
                    && (unsigned long long) st.st_ino == ino
                ? 2
                : 1;
    __atomic_store_n(&known, state, __ATOMIC_RELAXED);
    return state == 2;
}

/* Time and level, or journald's priority. */
static size_t
log_head(char *out, size_t size, int level)
{
    static const char priorities[] = "0346"
                                     "7";
    if (stderr_is_journal())
        return (size_t) snprintf(out, size, "<%c>", priorities[level]);
    int64_t us = clock_wall_us();
    time_t seconds = (time_t) (us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return n
           + (size_t) snprintf(out + n, size - n, ".%03dZ %-5s ",
                               (int) (us / 1000 % 1000), level_names[level]);
}

/* What senders and files put into messages must not forge lines or speak to a
 * terminal.  Works in place: a control character becomes '?'. */
static void
defuse(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
            text[i] = text[i] == '\n' || text[i] == '\t' ? ' ' : '?';
}

void
log_vline(int level, const char *prefix, const char *fmt, va_list ap)
{
    if (level < IL_LOG_ERROR)
        level = IL_LOG_ERROR;
    if (level > IL_LOG_DEBUG)
        level = IL_LOG_DEBUG;
    if (level > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
        return;

    int saved = errno;
    char line[LINE_MAX_BYTES];
    const size_t room = sizeof(line) - 1; /* for the newline */
    size_t head = log_head(line, room, level), len = head;
    int n = prefix ? snprintf(line + len, room - len, "%s: ", prefix) : 0;
    if (n > 0)
        len = len + (size_t) n < room ? len + (size_t) n : room - 1;
    n = vsnprintf(line + len, room - len, fmt, ap);
    if (n > 0)
        len = len + (size_t) n < room ? len + (size_t) n : room - 1;
    defuse(line + head, len - head);
    line[len++] = '\n';

    for (size_t done = 0; done < len;) {
        ssize_t w = write(STDERR_FILENO, line + done, len - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* nowhere to say so */
        done += (size_t) w;
    }
    errno = saved;
}

void
log_line(int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_vline(level, NULL, fmt, ap);
    va_end(ap);
}

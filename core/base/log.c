/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "clock.h"
#include "wtf8.h"

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

static int level_shown = IL_LOG_INFO;

static const char *const level_names[] = { "", "error", "warn", "info",
                                           "debug" };

void
log_level_set(int level)
{
    __atomic_store_n(&level_shown, level, __ATOMIC_RELAXED);
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

int
log_level(void)
{
    return __atomic_load_n(&level_shown, __ATOMIC_RELAXED);
}

static void
log_write(char *line, size_t len)
{
    line[len++] = '\n';
    for (size_t done = 0; done < len;) {
        ssize_t w = write(STDERR_FILENO, line + done, len - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* nowhere to say so */
        done += (size_t) w;
    }
}

void
log_text(int level, const char *prefix, const char *text, size_t text_len)
{
    char line[LINE_MAX_BYTES];
    const size_t room = sizeof(line) - 1; /* for the newline */
    if (level < IL_LOG_ERROR)
        level = IL_LOG_ERROR;
    if (level > IL_LOG_DEBUG)
        level = IL_LOG_DEBUG;
    if (level > log_level())
        return;
    int saved = errno;
    size_t len = log_head(line, room, level);
    /* What senders and files put into messages must not forge lines or speak
     * to a terminal. */
    if (prefix) {
        len += utf8_show(line + len, room - len - 2, prefix, strlen(prefix));
        line[len++] = ':';
        line[len++] = ' ';
    }
    len += utf8_show(line + len, room - len, text, text_len);
    log_write(line, len);
    errno = saved;
}

void
log_line(int level, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    if (level > log_level())
        return;
    int saved = errno;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0)
        log_text(level, NULL, text,
                 (size_t) n < sizeof(text) ? (size_t) n : sizeof(text) - 1);
    errno = saved;
}

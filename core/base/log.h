/* SPDX-License-Identifier: MIT */
/* One line a message, on stderr: time, level, message; with journald's level
 * prefix instead of the time where stderr is the journal.  Any thread.  Never
 * pass a secret. */
#ifndef LOG_H
#define LOG_H

#include <ingestlayer/plugin.h>

void log_level_set(int level); /* IL_LOG_*; IL_LOG_INFO at first */
int log_level(void);
int log_level_parse(const char *name); /* "error" ... "debug"; 0: unknown */
void log_line(int level, const char *fmt, ...) IL_PRINTF(2, 3);
/* The same of a text, with "prefix: " before it (NULL: nothing).  What is no
 * character of a line is written as utf8_show() does it. */
void log_text(int level, const char *prefix, const char *text, size_t len);

#define log_error(...) log_line(IL_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(IL_LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(IL_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(IL_LOG_DEBUG, __VA_ARGS__)

#endif

/* SPDX-License-Identifier: MIT */
/* Written whole with write(2): a frame that stdio cuts in two flickers. */
#include <config.h>

#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
command_terminal_is(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

void
command_terminal_size(int fd, int *columns, int *rows)
{
    struct winsize size;
    *columns = 80;
    *rows = 24;
    if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        return;
    *columns = size.ws_col;
    *rows = size.ws_row;
}

int
command_terminal_write(int fd, struct slice s)
{
    while (s.len) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        s.ptr += n;
        s.len -= (size_t) n;
    }
    return 0;
}

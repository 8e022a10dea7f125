/* SPDX-License-Identifier: MIT */
#include "sockets.h"

#include "plan.h"
#include "base/log.h"
#include "http/address.h"
#include "http/inherited.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first descriptor that is passed. */
#define FIRST 3

/* A number up to max, or -1. */
static long
number(const char *text, long max)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long n = strtol(text, &end, 10);
    return *end || errno || n > max ? -1 : n;
}

/* The i-th of names between colons; of a socket unit it is that of the unit. */
static void
name_of(const char *names, long i, char *out, size_t size)
{
    while (names && i--)
        names = strchr(names, ':') ? strchr(names, ':') + 1 : NULL;
    snprintf(out, size, "%.*s", names ? (int) strcspn(names, ":") : 0,
             names ? names : "");
    if (!*out)
        snprintf(out, size, "a socket unit");
}

static int
take_all(struct http_inherited *in, long count, const char *names)
{
    int err = 0;
    /* Each is taken over, also after one that is none: else they would be open
     * and nobody's. */
    for (long i = 0; i < count; i++) {
        char name[256];
        name_of(names, i, name, sizeof(name));
        int one = http_inherited_add(in, FIRST + (int) i, name, NULL, 0);
        err = err ? err : one;
    }
    return err;
}

int
sockets_take(struct http_inherited *in)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int err = 0;
    /* They may be meant for who started this one. */
    if (pid && fds && number(pid, LONG_MAX) == (long) getpid()) {
        long count = number(fds, INT_MAX - FIRST);
        if (count < 0) {
            log_error("LISTEN_FDS is \"%s\", which is no number of sockets",
                      fds);
            return -EINVAL;
        }
        err = take_all(in, count, getenv("LISTEN_FDNAMES"));
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err;
}

static int
is_listened_on(const struct il_conf *g, const struct http_inherited *in,
               size_t i)
{
    for (size_t k = 0; k < option_count(g, "listen"); k++) {
        struct http_address at;
        if (!http_address_parse(option_str(g, "listen", k), &at)
            && http_inherited_is_at(in, i, &at))
            return 1;
    }
    return 0;
}

void
sockets_check(const struct plan *plan, const struct http_inherited *in)
{
    const struct il_conf *http = option_group(plan->root, "http", 0);
    const struct il_conf *admin = option_group(plan->root, "admin", 0);
    for (size_t i = 0; i < http_inherited_count(in); i++) {
        struct il_text at = { 0 };
        if (is_listened_on(http, in, i) || is_listened_on(admin, in, i))
            continue;
        http_inherited_address(in, i, &at);
        option_error(http, "listen", 0,
                     "does not have \"%s\", where %s listens, and neither "
                     "has admin.listen; write it there, or take it out of the "
                     "unit",
                     text_str(&at), http_inherited_from(in, i));
        text_clear(&at);
    }
}

int
sockets_may_be_kept(void)
{
    return number(getenv("SYSTEMD_EXEC_PID"), LONG_MAX) == (long) getpid();
}

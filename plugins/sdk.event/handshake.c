/* SPDX-License-Identifier: MIT */
/* CloudEvents' webhook handshake: before it sends, a system asks with OPTIONS
 * whether it may, and how often.
 *
 * It protects others from being flooded, not us: no key is asked for, since
 * most have none to show then, and each delivery has to show one. */
#include "event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 253 /* of a host in DNS */

static int
check_origin(const struct il_conf *conf, const char *text)
{
    const char *name = strncmp(text, "*.", 2) ? text : text + 2;
    size_t len = strlen(name);
    if (!strcmp(text, "*"))
        return 0;
    if (len && len <= NAME_MAX_LEN
        && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:"
                        "abcdefghijklmnopqrstuvwxyz")
               == len)
        return 0;
    return il_conf_error(conf, "origins", -1,
                         "\"%s\" is no name of a sender; write it as in "
                         "\"eventgrid.azure.net\", \"*.example.com\" or \"*\"",
                         text);
}

int
handshake_open(struct event *s, const struct il_conf *conf)
{
    const struct il_conf *group = il_conf_group(conf, "handshake", 0);
    int err = 0;
    if (!group)
        return 0;
    size_t n = il_conf_count(group, "origins");
    if (!(s->origins = calloc(n + 1, sizeof(*s->origins))))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        s->origins[i] = il_conf_str_at(group, "origins", i);
        int bad = check_origin(group, s->origins[i]);
        err = err ? err : bad;
    }
    s->origin_count = n;
    s->per_minute = il_conf_int(group, "per_minute");
    return err;
}

static int
allows(const struct event *s, const char *origin)
{
    size_t len = strlen(origin);
    for (size_t i = 0; i < s->origin_count; i++) {
        const char *known = s->origins[i];
        size_t below = strlen(known) - 1; /* of "*.example.com", from the dot */
        if (!strcmp(known, "*") || !strcasecmp(known, origin))
            return 1;
        if (!strncmp(known, "*.", 2) && len > below
            && !strcasecmp(origin + len - below, known + 1))
            return 1;
    }
    return 0;
}

int
handshake_admit(void *self, struct il_request *req)
{
    const char *origin = il_request_header(req, "WebHook-Request-Origin");
    return origin && allows(self, origin) ? 0 : IL_NOT_HERE;
}

void
handshake_answer(void *self, struct il_request *req)
{
    const struct event *s = self;
    char rate[24] = "*";
    if (s->per_minute)
        snprintf(rate, sizeof(rate), "%lld", (long long) s->per_minute);
    il_respond_header(req, "Allow", "OPTIONS, POST");
    il_respond_header(req, "WebHook-Allowed-Origin",
                      il_request_header(req, "WebHook-Request-Origin"));
    il_respond_header(req, "WebHook-Allowed-Rate", rate);
    il_respond(req, 200, NULL, "", 0);
}

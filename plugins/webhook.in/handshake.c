/* SPDX-License-Identifier: MIT */
/* CloudEvents' webhook handshake: before it sends, a system asks with OPTIONS
 * whether it may, and how often.
 *
 * It protects others from being flooded, not us: who knows the URL and is
 * named in the config gets a yes, and has to show its key or signature all the
 * same when it sends.  Whoever is told no gets the answer that OPTIONS has
 * anyway, which is what the specification wants. */
#include "hook.h"

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
handshake_open(struct hook *h, const struct il_conf *conf)
{
    const struct il_conf *group = il_conf_group(conf, "handshake", 0);
    int err = 0;
    if (!group)
        return 0;
    size_t n = il_conf_count(group, "origins");
    if (!(h->origins = calloc(n + 1, sizeof(*h->origins))))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        h->origins[i] = il_conf_str_at(group, "origins", i);
        int bad = check_origin(group, h->origins[i]);
        err = err ? err : bad;
    }
    h->origin_count = n;
    h->per_minute = il_conf_int(group, "per_minute");
    return err;
}

int
handshake_allows(const struct hook *h, const char *origin)
{
    size_t len = strlen(origin);
    for (size_t i = 0; i < h->origin_count; i++) {
        const char *known = h->origins[i];
        size_t below = strlen(known) - 1; /* of "*.example.com", from the dot */
        if (!strcmp(known, "*") || !strcasecmp(known, origin))
            return 1;
        if (!strncmp(known, "*.", 2) && len > below
            && !strcasecmp(origin + len - below, known + 1))
            return 1;
    }
    return 0;
}

void
handshake_answer(const struct hook *h, struct il_request *req)
{
    char rate[24] = "*";
    if (h->per_minute)
        snprintf(rate, sizeof(rate), "%lld", (long long) h->per_minute);
    il_respond_header(req, "Allow", "OPTIONS, POST");
    il_respond_header(req, "WebHook-Allowed-Origin",
                      il_request_header(req, "WebHook-Request-Origin"));
    il_respond_header(req, "WebHook-Allowed-Rate", rate);
    il_respond(req, 200, NULL, "", 0);
}

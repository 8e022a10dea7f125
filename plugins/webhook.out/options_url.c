/* SPDX-License-Identifier: MIT */
#include "options_private.h"

#include "kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum transport_speech
out_speech(const struct out_options *o)
{
    return o->kind ? o->kind->speech : TRANSPORT_HTTP;
}

int
out_read_literal_url(struct out_reader *r, const char *key, const char *text)
{
    char target[TRANSPORT_TARGET_MAX];
    const char *rest = strstr(text, "://");
    const int mail = out_speech(r->o) == TRANSPORT_MAIL;
    if (rest && !transport_target(out_speech(r->o), text, target)) {
        const size_t host = (size_t) (rest - text) + 3;
        r->o->literal_url = text;
        r->o->origin = strndup(text, host + strcspn(text + host, "/?#"));
        return r->o->origin ? 0 : -ENOMEM;
    }
    if (rest && memchr(rest, '@', strcspn(rest + 3, "/?#") + 3))
        return il_conf_error(
            r->conf, key, -1, "has a name or password in it; write %s instead",
            mail ? "username and password" : "basic = \"NAME:PASSWORD\"");
    return il_conf_error(r->conf, key, -1,
                         mail ? "is no URL of smtp or smtps; write it as in "
                                "\"smtp://mail.example.com:587\""
                              : "is no URL of http or https; write it as in "
                                "\"https://hooks.example.com/in\"");
}

/* A template: does the event decide the host, too? */
static int
read_url_template(struct out_reader *r, const char *text)
{
    const size_t constant = out_constant_part(text);
    const char *slashes = strstr(text, "://");
    size_t host = slashes ? (size_t) (slashes - text) + 3 : 0;
    if (slashes && host <= constant && strncmp(text, "http://", 7)
        && strncmp(text, "https://", 8))
        return il_conf_error(r->conf, "url", -1,
                             "is no URL of http or https; write it as in "
                             "\"https://{{ host }}/in\"");
    const size_t end = host + strcspn(text + host, "/?#");
    char target[TRANSPORT_TARGET_MAX];
    r->o->host_varies = !slashes || host > constant || end >= constant;
    if (r->o->host_varies)
        return 0;
    r->o->origin = strndup(text, end);
    if (!r->o->origin)
        return -ENOMEM;
    return transport_target(TRANSPORT_HTTP, r->o->origin, target)
               ? il_conf_error(r->conf, "url", -1,
                               "has no host that can be used before its first "
                               "\"/\", or a name or password")
               : 0;
}

static int
read_hosts(struct out_reader *r)
{
    struct out_options *o = r->o;
    if (!o->host_varies)
        return out_has(r, "hosts")
                   ? il_conf_error(r->conf, "hosts", -1,
                                   "is of no use: the host of url is always "
                                   "the same")
                   : 0;
    if (!il_conf_count(r->conf, "hosts"))
        return il_conf_error(r->conf, NULL, -1,
                             "hosts: is required, because the event decides "
                             "the host of url; write hosts = ( "
                             "\"*.example.com\" )");
    if (!(o->hosts = out_read_list(r->conf, "hosts", &o->host_count)))
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < o->host_count; i++)
        if (o->hosts[i][strspn(o->hosts[i], "abcdefghijklmnopqrstuvwxyz"
                                            "0123456789.-_:*")])
            err = il_conf_error_at(r->conf, "hosts", i, -1,
                                   "\"%s\" is no host; write it in lower case, "
                                   "without scheme, port and brackets",
                                   o->hosts[i]);
    return err;
}

int
out_read_url(struct out_reader *r)
{
    const char *text = il_conf_str(r->conf, "url");
    int err = out_read_text(r, r->conf, "url", &r->o->url);
    if (!err && !r->o->url.is_template)
        err = out_read_literal_url(r, "url", text);
    else if (!err)
        err = read_url_template(r, text);
    if (err)
        return err;
    out_note(r, out_read_text(r, r->conf, "target", &r->o->target));
    return read_hosts(r);
}

static int
read_net(struct out_reader *r, size_t i)
{
    const char *text = il_conf_str_at(r->conf, "allow_to", i);
    char meant[ADDRESS_NET_TEXT];
    const char *why =
        address_net_parse(text, &r->o->nets[r->o->addresses.count], meant);
    if (!why) {
        r->o->addresses.count++;
        return 0;
    }
    if (*meant)
        return il_conf_error_at(r->conf, "allow_to", i, -1,
                                "\"%s\" is %s; write \"%s\"", text, why, meant);
    return il_conf_error_at(r->conf, "allow_to", i, -1, "\"%s\" is %s", text,
                            why);
}

int
out_read_addresses(struct out_reader *r)
{
    struct out_options *o = r->o;
    const char *private = il_conf_str(r->conf, "private");
    size_t n = il_conf_count(r->conf, "allow_to");
    o->addresses.refuse_private =
        private ? !strcmp(private, "refuse") : o->host_varies;
    if (o->proxy && (private || n))
        return il_conf_error(r->conf, private ? "private" : "allow_to", -1,
                             "is of no use with proxy, for it is the proxy "
                             "that connects");
    if (!(o->nets = calloc(n ? n : 1, sizeof(*o->nets))))
        return -ENOMEM;
    o->addresses.nets = o->nets;
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        int bad = read_net(r, i);
        err = err ? err : bad;
    }
    return err;
}

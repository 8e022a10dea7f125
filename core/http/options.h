/* SPDX-License-Identifier: MIT */
/* The groups http and admin of a config: checked, and made into options of a
 * server. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "tls.h"
#include "base/ip.h"
#include "conf/conf.h"

/* Findings about the addresses. */
void http_options_check(const struct il_conf *server);
/* A finding for each address of the first that cannot be had beside those of
 * the other, or beside those before it (the same group twice). */
void http_options_check_apart(const struct il_conf *,
                              const struct il_conf *other);
/* A warning, which ends with why, for each that is every address of the machine
 * and not encrypted. */
void http_options_check_open(const struct il_conf *server, const char *why);
/* A finding for each address that somebody has already, but for those that are
 * inherited (NULL: none); tries them. */
struct http_inherited;
void http_options_check_free(const struct il_conf *server,
                             const struct http_inherited *);
/* Findings about trusted_proxies, where the server has them. */
void http_options_check_proxies(const struct il_conf *server);
/* Findings about the certificate and key; reads them. */
void http_options_check_tls(struct conf *, const struct il_conf *server);

/* What tls = { } asks for.  1, 0: there is none.  Strings live as long as
 * conf. */
int http_options_tls(struct conf *, const struct il_conf *server,
                     struct tls_options *out);
/* Permissions of unix sockets. */
uint32_t http_options_socket_mode(const struct il_conf *server);
/* trusted_proxies; *unix_too: "unix" is among them. */
const struct ip_net *http_options_proxies(struct conf *,
                                          const struct il_conf *server,
                                          size_t *count, int *unix_too);

#endif

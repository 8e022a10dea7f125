/* SPDX-License-Identifier: MIT */
/* Sockets that systemd has opened (sd_listen_fds(3), ingestlayer.socket).  The
 * protocol is three variables, so it takes no library. */
#ifndef HOST_SOCKETS_H
#define HOST_SOCKETS_H

struct http_inherited;
struct plan;

/* Add those that were passed to this process, and take the variables away, so
 * that no child takes them for its own.  0 or a negative errno after a log
 * line. */
int sockets_take(struct http_inherited *);
/* A finding for each that is no address of http.listen or admin.listen. */
void sockets_check(const struct plan *, const struct http_inherited *);
/* Has systemd started this process itself, as ExecStartPre= for example?  What
 * is to listen may be with systemd then, and only ExecStart= gets to see it. */
int sockets_may_be_kept(void);

#endif

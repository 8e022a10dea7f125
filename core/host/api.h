/* SPDX-License-Identifier: MIT */
/* The function table that the host hands to plugins. */
#ifndef HOST_API_H
#define HOST_API_H

/* Fill in the complete table and put it in use.  Once, before any plugin is
 * opened.  Links all of the host. */
void host_api_init(void);

struct il_api;
/* mirrors.c */
void host_fill_mirrors(struct il_api *);

#endif

/* SPDX-License-Identifier: MIT */
/* What the operator wrote of a connection, for whoever makes one: constant once it
 * is read. */
#ifndef PG_CONNECTION_H
#define PG_CONNECTION_H

#include "fault.h"

#define PG_NAME_MAX 63 /* bytes of a name that Postgres keeps */

struct connection {
    const char
        *string; /* libpq's: it may hold a password, and is never shown */
    const char *application_name; /* NULL: as the string says, or ours */
    struct pg_rule *rules; /* what the operator says of an SQLSTATE; or NULL */
    size_t rule_count;
    uint32_t connect_timeout_ms, statement_timeout_ms;
};

/* 0, or a negative errno after a finding that shows nothing of the string. */
int connection_check(const struct connection *, const struct il_conf *,
                     const char *key);

#endif

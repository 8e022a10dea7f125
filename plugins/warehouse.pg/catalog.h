/* SPDX-License-Identifier: MIT */
/* What the catalog of a server says of a table, as JSON, so that it can be told
 * again where no server is: an object with a list for each question, of an
 * object for each row, whose members are texts; empty ones are left out.
 *
 * A plan is read by questions that have names.  A link with a catalog either
 * asks the server and keeps the answers, or gets the answers of the catalog: the
 * plan is made by the same code.  It belongs to the link's thread. */
#ifndef PG_CATALOG_H
#define PG_CATALOG_H

#include "link.h"
#include "options.h"

struct catalog {
    struct sql kept;       /* what the server has said so far, or */
    struct il_text *known; /* what is told: packed, and as a value */
    struct il_value value;
    uint32_t told; /* rows */
};

/* Run the statement in l->sql, or look up what is known: what names it, keys
 * (NULL at the end) its columns.  0 or -1 with l->fault; *res as of
 * link_exec(). */
int catalog_ask(struct link *, const char *what, const char *const *keys,
                PGresult **res);

/* Keep from now on.  0 or -ENOMEM. */
int catalog_keep(struct catalog *, const struct il_host *);
/* The JSON of what was kept; NULL after an error. */
const char *catalog_kept(struct catalog *);
/* Tell what this JSON says.  0, -ENOMEM, or -EINVAL: it is no such object. */
int catalog_tell(struct catalog *, const struct il_host *, const char *json,
                 size_t len);
/* Tell of the table that `ingestlayer ddl` would make.  0 or -ENOMEM. */
int catalog_declared(struct catalog *, const struct il_host *,
                     const struct options *);
void catalog_close(struct catalog *);

#endif

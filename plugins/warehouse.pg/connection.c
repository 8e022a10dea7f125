/* SPDX-License-Identifier: MIT */
/* Is it a connection string?  What is wrong with it is said in general terms. */
#include "connection.h"

#include <libpq-fe.h>
#include <string.h>

/* Of a password with an '@' or '/' in it libpq takes the rest for the host or
 * the database, and errors about these would print it. */
static int
password_is_cut(const PQconninfoOption *parts)
{
    for (const PQconninfoOption *o = parts; o->keyword; o++)
        if ((strcmp(o->keyword, "host") == 0
             || strcmp(o->keyword, "dbname") == 0)
            && o->val && strchr(o->val, '@'))
            return 1;
    return 0;
}

/* libpq's own message would repeat parts of the string, which may be the
 * password, so the answer here is in general terms. */
int
connection_check(const struct connection *c, const struct il_conf *conf,
                 const char *key)
{
    char *message = NULL;
    PQconninfoOption *parts = PQconninfoParse(c->string, &message);
    PQfreemem(message);
    if (!parts)
        return il_conf_error(conf, key, -1,
                             "is no libpq connection string; expected "
                             "postgresql://user@host:port/database or "
                             "host=... dbname=... user=... (a value with "
                             "blanks needs 'quotes'; in a URI, %%40 %%3A %%2F "
                             "%%25 stand for @ : / %% in a password)");
    int err = 0;
    if (strstr(c->string, "://") && password_is_cut(parts))
        err = il_conf_error(conf, key, -1,
                            "the host or database has an '@' in it; write %%40 "
                            "%%3A %%2F %%25 for @ : / %% in a password");
    PQconninfoFree(parts);
    return err;
}

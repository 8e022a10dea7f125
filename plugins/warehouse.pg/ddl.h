/* SPDX-License-Identifier: MIT */
/* The DDL that a warehouse needs: run by `create = true`, printed by
 * `ingestlayer ddl` and by the error about a missing table. */
#ifndef PG_DDL_H
#define PG_DDL_H

#include "link.h"

/* Statements with `if not exists`, each with its semicolon.  Without the
 * schema where it exists: making it needs a right that using it does not. */
typedef void ddl_statements(const struct options *, struct sql *,
                            int with_schema);
ddl_statements ddl_lanes, ddl_table;
/* The columns of the table but for the unique one, which is a text. */
typedef void ddl_column(void *arg, const char *name, const char *type,
                        int not_null);
void ddl_columns(const struct options *, const struct il_host *, ddl_column *,
                 void *arg);
/* Of those, the ones that a table which is there has to have: that `columns`
 * name, or that are declared.  Instead of not_null: its type is declared, and no
 * guess. */
void ddl_declared(const struct options *, const struct il_host *, ddl_column *,
                  void *arg);
/* Run one of the two.  0 or -1 with link->fault. */
int ddl_run(struct link *, const char *schema, ddl_statements *);
/* The descriptor's `ddl`; self is a struct pg. */
int ddl_print(void *self, struct il_text *);

/* Does every event have a value for the column, as far as is declared? */
int ddl_is_required(const struct options *, const struct il_host *,
                    const char *column);

#endif

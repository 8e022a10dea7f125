/* SPDX-License-Identifier: MIT */
/* Whose fault is it that a row was refused?
 *
 * Rows that fail alone are marked as they are found, and at the end it is seen
 * whether they are dead letters.  They are where another row of the job went
 * in, in this transaction: then table, rights, triggers and disk are in order,
 * and nothing is left but the row.  Where none went in it is an outage until
 * one does, for a missing partition, a sequence without a grant or a trigger
 * that raises fails one row as well as all, with the same SQLSTATE.
 *
 * A row that has no neighbours is judged by the batch behind it, which is tried
 * and rolled back (worker.c), and, where the fault names a value or a
 * constraint, by rows that went into this very table before: no value becomes
 * right by waiting. */
#include "copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More rows than this that all name a value, with none that goes in, are rather
 * a constraint that somebody has just added. */
#define NAMED_MAX 50

uint32_t
copy_context_line(const struct copy_txn *t, const char **rest)
{
    const char *copy = t->link->fault.context,
               *table =
                   t->staged ? "ingestlayer_stage" : t->link->opt->table.table;
    while ((copy = strstr(copy, "COPY ")) != NULL) {
        copy += 5;
        if (strncmp(copy, table, strlen(table)) != 0)
            continue;
        const char *p = copy + strlen(table);
        p += strcspn(p, "0123456789\n");
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        *rest = end;
        return end > p && n <= UINT32_MAX ? (uint32_t) n : 0;
    }
    return 0;
}

/* The column that "..., column NAME: ..." after the line number speaks of. */
static const char *
context_column(const struct plan *plan, const char *rest)
{
    const char *best = NULL;
    if (*rest != ',' || (rest = strchr(rest + 2, ' ')) == NULL)
        return NULL;
    rest++;
    for (uint32_t k = 0; k < plan->count; k++) {
        const char *name = plan->columns[k].name;
        size_t n = strlen(name);
        if (strncmp(rest, name, n) == 0
            && (!rest[n] || rest[n] == ':' || rest[n] == '\n')
            && (!best || n > strlen(best)))
            best = name;
    }
    return best;
}

void
copy_refuse(struct copy_txn *t, uint32_t row)
{
    struct link *l = t->link;
    const struct fault *f = &l->fault;
    const char *rest = "", *column = *f->column ? f->column : NULL;
    copy_context_line(t, &rest);
    if (!column)
        column = context_column(t->job->plan, rest);
    struct il_reason why = { IL_SIZED(struct il_reason),
                             .code = fault_no_partition(f) ? "no_partition"
                                                           : f->code,
                             .message = f->message, .field = column,
                             .rule = *f->constraint ? f->constraint : NULL };
    pthread_mutex_lock(&t->job->of->lock);
    il_reject(t->job->batch, t->job->rows[row].event, &why);
    pthread_mutex_unlock(&t->job->of->lock);
    t->rejected++;
    if (f->row == FAULT_ROW_RULED)
        return;
    if (!t->asked++)
        t->first = *f;
    t->named += (uint32_t) (fault_names_value(f) != 0);
}

void
copy_refuse_other(struct copy_txn *t, uint32_t row)
{
    const struct plan *plan = t->job->plan;
    struct il_reason why = {
        IL_SIZED(struct il_reason), .code = "23505",
        .message = "another row of the table has this value, of another event",
        .field = plan->columns[plan->unique].name
    };
    pthread_mutex_lock(&t->job->of->lock);
    il_reject(t->job->batch, t->job->rows[row].event, &why);
    pthread_mutex_unlock(&t->job->of->lock);
    t->rejected++;
}

/* The first fault, in words that say why nothing became of it. */
static int
outage(struct copy_txn *t)
{
    struct fault *f = &t->link->fault;
    const struct fault *first = &t->first;
    *f = *first;
    f->action = PG_ACT_PAUSE;
    f->row = FAULT_ROW_NO;
    if (t->asked == 1)
        snprintf(f->why, sizeof f->why,
                 "a row is refused, and as long as no other goes in nothing "
                 "tells whether it is the row: %.1500s",
                 first->why);
    else
        snprintf(f->why, sizeof f->why,
                 "none of %u rows goes in, so it is not the rows: %.1500s",
                 t->asked, first->why);
    t->conn->outage = il_batch_id(t->job->batch);
    pthread_mutex_lock(&t->job->of->lock);
    for (uint32_t i = 0; i < t->job->row_count; i++)
        il_unreject(t->job->batch, t->job->rows[i].event);
    pthread_mutex_unlock(&t->job->of->lock);
    return -1;
}

int
copy_verdict(struct copy_txn *t)
{
    const struct conn *c = t->conn;
    if (!t->asked || t->good || c->witness)
        return 0;
    int same = strcmp(c->good_for, t->job->plan->signature) == 0;
    if (same && t->named == t->asked && t->asked <= NAMED_MAX)
        return 0;
    return outage(t);
}

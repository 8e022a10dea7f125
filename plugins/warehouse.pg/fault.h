/* SPDX-License-Identifier: MIT */
/* What went wrong, and what that means for the lane.
 *
 * A fault is made where it is discovered, in words for a person; whoever gets
 * it acts by `action` and `lost` alone and passes it on.  What a server's
 * SQLSTATE means stands in the one table of fault.c, which the option
 * `sqlstate` may put rules before.
 *
 * A struct fault lives in its link and belongs to the thread of that. */
#ifndef PG_FAULT_H
#define PG_FAULT_H

#include <ingestlayer/plugin.h>

#define FAULT_WHY 2048    /* bytes of a cause, cut beyond */
#define FAULT_BLOCKER 400 /* and of who it waits for */

/* What is worse comes later: of the parts of a batch the worst counts. */
enum pg_action {
    PG_ACT_RETRY = 1, /* transient: the same batch again, for ever */
    PG_ACT_REJECT,    /* a row is wrong: in rules only, see fault.row */
    PG_ACT_PAUSE,     /* a person must mend something */
    /* Not from an SQLSTATE: */
    PG_ACT_SET_BACK, /* rows that were committed are gone */
    PG_ACT_FENCED    /* another process has the lane */
};

/* May it be the fault of a row that was on its way? */
enum fault_row {
    FAULT_ROW_NO,   /* the server's, the connection's */
    FAULT_ROW_ASK,  /* yes, if it fails alone and others go in */
    FAULT_ROW_RULED /* yes: the operator says so */
};

struct fault {
    char code[6]; /* SQLSTATE, or "" */
    enum pg_action action;
    int row;             /* enum fault_row */
    int lost;            /* the connection is gone */
    char why[FAULT_WHY]; /* for a person */
    char message[512];   /* the server's words alone */
    char context[256];
    char column[64], constraint[64];
};

/* Make one line of a text, as a log and `ingestlayer status` show it. */
void fault_fold(char *text);
/* A fault of our own, without an SQLSTATE. */
void fault_set(struct fault *, enum pg_action, const char *fmt, ...)
    IL_PRINTF(3, 4);

struct pg_rule {
    char code[6]; /* an SQLSTATE or its first characters */
    enum pg_action action;
};

/* "23505", "23" or "23*" into code; 0 or -EINVAL. */
int fault_parse_code(const char *text, char code[6]);
/* Fill in action and row by the code: the longest match, the operator's rules
 * first. */
void fault_judge(struct fault *, const struct pg_rule *own, size_t count);
/* Does it name a value of the row that does not fit, or the constraint that
 * forbids it?  Then nothing but the row can be wrong as long as the table is
 * the one that other rows went into. */
int fault_names_value(const struct fault *);
/* No partition takes the row. */
int fault_no_partition(const struct fault *);

#endif

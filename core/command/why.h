/* SPDX-License-Identifier: MIT */
/* Shared by command_why*.c. */
#ifndef COMMAND_WHY_H
#define COMMAND_WHY_H

#include "dead.h"
#include "host/history.h"

struct assembly;
struct assembly_lane;
struct batch_event;
struct entities;
struct il_expr;

/* How sure one may be of what is said. */
enum why_mark {
    WHY_RECORDED,   /* it was written down when it happened */
    WHY_RECOMPUTED, /* it follows from what was written down, exactly */
    WHY_UNKNOWN,    /* it cannot be known; this is how it is now */
};

/* What became of an event in a lane. */
enum why_fate {
    WHY_NO_MATCH,  /* the pipeline does not take it */
    WHY_BEFORE,    /* the lane began behind it */
    WHY_NOT_YET,   /* the lane has not come to it */
    WHY_PARKED,    /* it comes again by itself */
    WHY_LETTER,    /* it waits for help */
    WHY_DROPPED,   /* by a step */
    WHY_ELSEWHERE, /* by `when` */
    WHY_GONE,      /* it was a letter, and is none any more */
    WHY_PASSED,    /* the lane has passed it on; more is not known */
    WHY_ROW,       /* the destination has it */
    WHY_MISSING,   /* ... has it not */
    WHY_UNDECIDED, /* nobody can tell */
};

struct why_line {
    enum why_mark mark;
    int depth; /* 1: it belongs to the one before */
    struct il_text text;
};

/* One event in one lane. */
struct why_answer {
    enum why_fate fate;
    enum why_mark mark;
    struct il_text head; /* in one sentence */
    struct why_line *lines;
    size_t count;
    /* What scripts look at; NULL or 0: there is none. */
    char *step, *plugin;  /* that ended it */
    struct il_text place; /* FILE:LINE of what decided */
    const struct why_kept *kept;
    char *code, *message;      /* of a letter that a step would make */
    struct il_text row;        /* what the destination has, a line each */
    uint64_t before;           /* not yet: frames that come first, at most */
    struct il_text conditions; /* objects of JSON, a comma behind each */
    const struct history_entry *config; /* NULL: that of the command */
};

/* An event that was asked for. */
struct why_event {
    uint64_t position;
    int gone; /* the spool has let go of it: this is what a store has */
    struct il_text body;
    struct event ev; /* points into it */
};

/* What the stores have of such events. */
struct why_kept {
    char *lane;
    uint64_t position;
    size_t event; /* which; SIZE_MAX: a refusal of the gate */
    enum dead_kind kind;
    int waits; /* it comes again by itself */
    char *code, *message, *field, *rule, *target;
    uint32_t attempts;
    int64_t at_us, first_us, due_us;
    uint64_t behind, retry;
    struct il_text text; /* of a refusal: as it came */
};

/* A lane, as far as it matters here. */
struct why_lane {
    char *name;
    struct assembly_lane *now; /* of the config; NULL: it is in none */
    struct history history;
    uint64_t position;            /* it has passed this */
    int known;                    /* there is such a position */
    char state[32], trouble[512]; /* as the daemon says; "" */
    uint64_t per_s; /* frames that it passes, lately; 0: none, or not known */
};

struct why {
    /* as given */
    const char *config, *state_dir, *id, *where, *only;
    int64_t since_us;
    int json, online;
    uint64_t most;

    char dir[4096], spool[4200], spool_id[40];
    uint8_t uuid[16];
    struct assembly *assembly; /* of the config; or NULL */
    struct entities *entities; /* or NULL */
    struct dead_job dead;
    struct il_expr *expr;
    int daemon;           /* one runs */
    uint64_t first, last; /* positions of the spool */

    struct why_event *events;
    size_t event_count;
    int more;    /* there were more than `most` */
    int spooled; /* the spool had some */
    struct why_kept *kept;
    size_t kept_count;
    struct why_lane *lanes;
    size_t lane_count;
    struct why_answer *answers; /* event_count times lane_count */
};

/* Say something on standard error, after "ingestlayer why: "; 1. */
int command_why_failed(const char *fmt, ...) IL_PRINTF(1, 2);

/* --- why_answer.c --- */
/* A line more; its text, or one that goes nowhere where there is no memory. */
struct il_text *command_why_line(struct why_answer *, enum why_mark, int depth);
void command_why_head(struct why_answer *, enum why_fate, enum why_mark,
                      const char *fmt, ...) IL_PRINTF(4, 5);
const char *command_why_fate(enum why_fate);
const char *command_why_mark(enum why_mark);
void command_why_forget(struct why_answer *);
/* All of them, on standard output.  0 or -EIO. */
int command_why_print(struct why *);

/* --- why_find.c --- */
/* In the spool.  0, or 1 after a message. */
int command_why_find(struct why *);
int command_why_is_asked_for(const struct why *, uint64_t position,
                             const struct event *);
/* 0; 1: there are as many as may be; or a negative errno. */
int command_why_add(struct why *, uint64_t position, const char *body,
                    size_t len);

/* --- why_kept.c: in the stores.  0, or 1 after a message --- */
int command_why_kept(struct why *);

/* --- why_stand.c: where the lanes are.  0, or 1 after a message --- */
int command_why_lanes(struct why *);

/* --- why_lane.c: what became of the events in one lane.  0, or 1 after a
 * message --- */
int command_why_lane(struct why *, size_t lane);

/* --- why_online.c: ask the destination --- */
void command_why_online(const struct why_lane *, const struct why_event *,
                        struct why_answer *);

/* --- why_tell.c --- */

/* Who hears what the steps ask. */
struct why_telling {
    struct why_answer *answer;
    const struct assembly_lane *lane;
    const struct history_entry *entry;
    struct il_text asked_text; /* scratch */
    int remembered;            /* a step has looked at what it remembers */
};
/* From now on, until host_explain(NULL). */
void command_why_tell(struct why_telling *, struct why_answer *,
                      const struct assembly_lane *,
                      const struct history_entry *);
/* `when` has ended the event. */
void command_why_tell_when(struct why_telling *, const struct batch_event *);

/* --- why_trial.c: the steps again --- */

/* A lane by one of its configs. */
struct why_trial;
/* entry NULL: by the config of the command.  0; 1: it cannot be run, and *why
 * gets what is in the way; or a negative errno.  *out is to be freed in any
 * case. */
int command_why_trial_new(struct why *, struct why_lane *,
                          const struct history_entry *, struct why_trial **,
                          struct il_text *why);
void command_why_trial_free(struct why_trial *);
/* Run events through it, in the order of the spool: what is found goes into the
 * answers.  0 or a negative errno. */
int command_why_trial_run(struct why *, size_t lane, struct why_trial *,
                          const size_t *events, size_t n);

#endif

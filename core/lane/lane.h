/* SPDX-License-Identifier: MIT */
/* A lane: one pipeline times one destination.  One thread reads batches from
 * the spool, matches, runs its own instances of the steps, and hands what is
 * left to the destination; it settles, then moves its cursor.
 *
 * STATE_DIR/lanes/PIPELINE/DESTINATION.cursor keeps the position; it is
 * derived: without it the destination is asked (resume), and without an answer
 * from there somebody has to say where the lane begins (place.c). */
#ifndef LANE_H
#define LANE_H

#include "codec/batch.h"
#include "gate/gate.h"
#include "lang/expr.h"
#include "spool/cursor.h"
#include "spool/spool.h"
#include "store/dead.h"
#include "store/entity.h"
#include "store/retry.h"

struct lane;

/* Which events a pipeline takes. */
struct lane_match {
    struct slice source; /* name of the source */
    struct slice type;   /* glob over the event type */
    int ticks;           /* its events only say that time passes */
};

/* Where events go that its steps make. */
struct lane_derived {
    struct gate_source *source;
    _Atomic int open;   /* it takes what comes */
    _Atomic int wanted; /* else nobody would see them */
};
/* The settled() of such a source. */
void lane_derived_settled(void *unused, uint64_t token, int outcome);

/* Does a pipeline with these take it?  0: no. */
int lane_matches_take(const struct lane_match *, size_t n,
                      const struct event *);

struct lane_step {
    const char *name;               /* as the config names it, or its number */
    const struct il_plugin *plugin; /* the host's copy of the descriptor */
    void *self;                     /* this lane's own instance */
    const char *instance;           /* as logs name it */
    const struct il_host *host;     /* for faults of its plugin */
};

/* Where a lane begins that has never begun, where nothing else says so. */
enum lane_begin_at { LANE_BEGIN_OLDEST, LANE_BEGIN_NOW, LANE_BEGIN_UNSAID };

struct lane_spec {
    const char *name;     /* "feature-usage/warehouse.pg" */
    const char *was;      /* its name before; or NULL */
    enum lane_begin_at begin;
    const char *instance; /* the destination as logs name it */
    const struct lane_match *matches;
    size_t match_count;
    const struct lane_step *steps;
    size_t step_count;
    size_t own_count;     /* the last of them, which come after `when` */
    int remembers;        /* some of them do: lane_remembers() follows */
    struct lane_derived *derived; /* NULL: they make none */
    struct il_expr *when; /* or NULL; owned by the caller */
    const struct il_plugin *destination;
    void *self;
    /* Where 0, the value named here counts. */
    uint32_t batch_events;  /* most events in one batch: 10000 */
    uint64_t batch_bytes;   /* most bytes: 4 MiB */
    uint32_t batch_wait_ms; /* wait so long for a batch to fill */
    uint32_t retry_min_ms;  /* after a first failure; then doubled: 100 */
    uint32_t retry_max_ms;  /* at most: 30000 */
    struct il_intake intake; /* of the destination; where 0, as it declares */
    /* IL_PER_EVENT: where the spool is full it goes on without what this lane has
     * not read. */
    int soft;
    int64_t max_age_us; /* an older event is a letter; 0: none is too old */
    int max_age_drops;  /* ... or let go */
    int paused;         /* by the config: keeps its place, delivers nothing */
    /* What the destination has logged last as its trouble; or NULL. */
    void (*said)(const struct il_host *, int64_t since_us, char *out,
                 size_t size);
    /* A plugin of it did what it must not; or NULL. */
    void (*fault)(const struct il_host *, const char *fmt, ...) IL_PRINTF(2, 3);
    /* Before it reads its first frame behind a position of a spool (its UUID as
     * text), each time; or NULL. */
    void (*begins)(const struct il_host *, const char *spool,
                   uint64_t position);
    const struct il_host *host; /* for said, fault and begins */
};

/* Do steps from the i-th on take something out of events before people see them? */
int lane_redacts(const struct lane_spec *, size_t from);
/* What they would take out of those of a batch, is taken out.  1: nobody knows what that would be. */
int lane_redact(const struct lane_spec *, size_t from, struct il_batch *);

/* What lanes share; outlives them. */
struct lane_context {
    struct spool *spool;
    struct dead *dead;
    struct retry *retry;   /* brings back what steps have deferred; or NULL */
    struct parked *parked; /* NULL: no lane's destination is IL_PER_EVENT */
    struct entities *entities;
    const char *state_dir;
};

/* Reads the cursor, and from then on keeps the segments that the lane has not
 * passed.  0 or a negative errno after a log line.  What spec points to must
 * outlive the lane. */
int lane_new(const struct lane_spec *, const struct lane_context *,
             struct lane **out);
/* The name whose plugins' files it is to have, before they start; or NULL. */
const char *lane_takes_over(const struct lane *);
/* Start the thread.  The destination's start() has been called. */
int lane_start(struct lane *);
/* Ask it to deliver what the spool holds by now, then stop.  Once all of that
 * is with the destination, its flush() gets the time until deadline
 * (clock_monotonic_us).  Any thread. */
void lane_drain(struct lane *, int64_t deadline_us);
/* Ask it to read and write nothing more, and to end once what the destination has
 * is settled: then its state is LANE_STOPPED, or LANE_FENCED.  lane_stop() is
 * still to follow.  Any thread. */
void lane_halt(struct lane *);
/* Drain, wait for it until deadline, then stop it after the batch at hand;
 * returns 1 if everything was delivered, or is not to be, as the lane is
 * paused.  What is not settled by then is read
 * again at the next start.  The lane's thread calls the destination's flush,
 * nobody its stop. */
int lane_stop(struct lane *, int64_t deadline_us);
/* Read and write nothing from now on, until lane_resume(), also after restarts:
 * when this returns it is on the disk, and no write() begins.  Batches that are
 * with the destination come back as ever.  why: what the destination says, for
 * people, cut at CURSOR_WHY - 1 bytes; NULL: a person wants it.  1: it is
 * paused now; 0: it was, and since when and why stay what they were; or a
 * negative errno after a log line, and it goes on as before.
 *
 * Any thread that may write to the disk, the lane's own in write() too, from
 * lane_new() to lane_free(). */
int lane_pause(struct lane *, const char *why);
/* End that: 1; 0: it was not paused so.  What the config pauses stays paused.
 * As lane_pause() in all else. */
int lane_resume(struct lane *);
/* After the destination's stop(): what it settled meanwhile still counts. */
void lane_free(struct lane *);

/* Where a lane that was not started stands, and where its destination. */
struct lane_stand {
    int fenced;           /* 0: it is ours; nothing else counts then */
    uint64_t cursor, row; /* as this state_dir says, and as the destination */
    uint64_t given;       /* see struct il_position */
    uint64_t first, last; /* what the spool has */
};
/* In place of lane_start(), by the caller's own thread: ask the destination.
 * 0, -ENOTSUP where it never says, or what resume() answered for as long as one
 * waits for it. */
int lane_look(struct lane *, struct lane_stand *);
/* Then: whatever has the lane, it is ours from now on, and begins where its
 * cursor is or its row, as far as that was given out when the two last talked;
 * the spool counts a set-back there.  *position gets where the lane begins.  0
 * or a negative errno. */
int lane_take(struct lane *, int from_row, uint64_t *position);

enum lane_state {
    LANE_STARTING, /* asks the destination how far it is */
    LANE_RUNNING,
    LANE_WAITING, /* a delivery failed; it will be tried again */
    LANE_PAUSED,  /* by config, by lane_pause(), or by an error that only a
                   * person can mend */
    LANE_FENCED,  /* another process owns it, or did */
    LANE_STOPPED
};

struct lane_status {
    const char *name;
    enum lane_state state;
    uint64_t position; /* settled up to here */
    uint64_t lag_events;
    uint64_t lag_bytes;
    int64_t lag_us; /* age of the oldest event not settled; 0: none */
    uint64_t delivered, dropped, rejected, retries;
    uint64_t dead;      /* letters waiting for help */
    uint64_t retrying;  /* of them, those that are tried again now */
    int64_t last_ok_us; /* 0: never */
    int64_t last_error_us;
    char last_error[512]; /* "" : none since the last delivery */
    /* Put aside by the destination, where it takes events one by one, or by
     * steps. */
    int per_event;
    uint64_t parked, parked_bytes;
    int64_t next_due_us; /* since 1970; INT64_MAX: nothing waits */
    uint32_t hold_count;
    struct lane_held {
        int64_t until_us; /* since 1970 */
        char target[256]; /* "": all of it */
        char why[256];
    } holds[8];
    uint32_t in_flight; /* batches that the destination has */
    int recalling; /* percent of what its steps are to remember again; 0: all */
    /* Why it is paused, beside errors: the config wants it; lane_pause() was
     * called (0: no) by the destination, and why, or ("") by a person. */
    int paused_by_config;
    int64_t paused_us;
    char paused_why[CURSOR_WHY];
};
/* Any thread. */
void lane_status(struct lane *, struct lane_status *);
/* Settled up to here.  Any thread, at the price of a load. */
uint64_t lane_passed(const struct lane *);
/* Another process has it, or had it.  Any thread. */
int lane_is_fenced(struct lane *);
const char *lane_state_name(enum lane_state);
/* Who paused it, since when, and how it goes on, in one line; "": nobody. */
#define LANE_PAUSED_TEXT 1024
void lane_paused_text(const struct lane_status *, char *out, size_t size);

/* As il_hold_off(). */
void lane_hold_off(struct lane *, const char *target, int64_t until_us,
                   const char *why);
/* Somebody else has changed what is parked, or the clock: look at what is due.
 * Any thread. */
void lane_due_changed(struct lane *);

/* Before lane_start(): what its steps remember is in this folder.  0 or a negative
 * errno after a log line. */
struct il_memory;
int lane_remembers(struct lane *, const char *dir,
                   struct il_memory *const *memories, size_t count);

/* What that takes.  0; -ENOENT: they remember nothing.  Any thread. */
struct cells_stats;
int lane_memory(struct lane *, struct cells_stats *);

/* For il_prepare(), il_settle(): the host's table points here. */
int lane_prepare(struct il_batch *);
void lane_settle(struct il_ack *, int outcome, const char *why);

#endif

/* SPDX-License-Identifier: MIT */
/* A config that takes the place of the one that runs: a transaction.
 *
 *   reload_read.c   the new config, and whether it may be taken at all
 *   reload_compare.c  what differs of lanes and sources; up to here nothing outside
 *                   is touched
 *   reload_lanes.c  the lanes that differ, one after the other; and back again
 *   reload_gate.c   sources, the servers, limits; from there on nothing goes back
 *   reload.c        the order of it, who asks, and what is answered
 *
 * All of it is the main thread's, which sends the watchdog's pings meanwhile.
 * What goes on unchanged is taken over by the new assembly; the old one is kept
 * until the last request that began with it has its answer. */
#ifndef RELOAD_H
#define RELOAD_H

#include "private.h"

enum reload_what {
    RELOAD_SAME,
    RELOAD_CHANGED,
    RELOAD_RENAMED, /* `was` names one that runs */
    RELOAD_NEW,
    RELOAD_REMOVED
};

/* What became of a lane that was started. */
enum reload_verdict {
    RELOAD_UNTRIED, /* nothing came for it */
    RELOAD_WORKS,   /* something has arrived at its destination */
    RELOAD_RESTS,   /* it is to deliver nothing */
    RELOAD_AWAY,    /* its far side is, and that is no fault of the config */
    RELOAD_BROKEN
};

struct reload_lane {
    enum reload_what what;
    size_t to, from;       /* its places in the assemblies that it is in */
    char name[DEAD_LANE_MAX + 1], was[DEAD_LANE_MAX + 1];
    int stopped;                  /* the old one */
    int was_paused, was_fenced;   /* the old one; not by the config */
    int started, runs;            /* the new one: made; with its thread */
    int reopened;                 /* the old one, again */
    uint64_t delivered, rejected; /* of that name, before */
    uint64_t count, refused;      /* by the new one */
    enum reload_verdict verdict;
    char why[512];
};

struct reload_source {
    enum reload_what what;
    char name[256];
    size_t to, from;
    int started, stopped;
};

/* What is asked for. */
struct job;
struct reload_ask {
    struct job *job; /* NULL: by a signal */
    int by_file;     /* a secret's: only that may have changed */
    int remove; /* lanes with undelivered events, all of include_dir */
    int64_t wait_us; /* how long lanes may take to deliver something */
};

struct reload {
    struct host *h;
    struct reload_ask ask;
    struct assembly *from, *to; /* to: NULL until it is opened */
    struct reload_lane *lanes;
    size_t lane_count;
    struct reload_source *sources;
    size_t source_count;
    struct spool_hold *hold; /* what lanes may need to go back to */
    struct il_text findings; /* of the config, as `check` prints them */
    struct il_text why;      /* it is not taken, or not all of it; lines */
    struct il_text unread;   /* values that are those of the start; lines */
    struct il_text stale;    /* plugins of which the file has changed; lines */
};

/* reload_read.c, reload_compare.c: 0, or -EINVAL: refused, and r->why or r->findings say why. */
int reload_read(struct reload *);
int reload_compare(struct reload *);
void reload_free(struct reload *);
/* A line more in r->why, and in the log. */
void reload_say(struct reload *, const char *fmt, ...) IL_PRINTF(2, 3);

/* reload_lanes.c: stop what differs, start it anew, and see whether it works.
 * 0, or -EINVAL: it does not, and reload_lanes_back() is to be called. */
int reload_lanes(struct reload *);
void reload_lanes_back(struct reload *);
/* Those that are not there any more; last. */
void reload_lanes_end(struct reload *);

/* reload_gate.c: start what differs of the sources: 0, or -EINVAL, and then
 * reload_sources_back(), before the lanes. */
int reload_sources(struct reload *);
void reload_sources_back(struct reload *);
/* Serve them, from the next request on.  0, or -EINVAL as above: nothing has
 * changed.  Then the old config's assembly is not the caller's any more. */
int reload_serve(struct reload *);
/* Those that fetch, and are not there any more. */
void reload_sources_end(struct reload *);

#endif

/* SPDX-License-Identifier: MIT */
/* A lane that somebody pauses: what its destination has comes back as ever, and
 * nothing else is read or written until somebody has it go on.  The cursor keeps
 * that, so neither a kill nor a new name ends it.
 *
 * A lane that the config pauses does the same; either is enough. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/time.h"
#include "base/wtf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REST_US                                                                \
    10000000 /* how often a lane at rest looks how far behind it is */
#define REST_BUSY_US 1000000 /* while something is away, or is to be saved */

/* --- the lane's thread --- */

int
lane_is_paused(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    int paused = lane_paused(l);
    pthread_mutex_unlock(&l->lock);
    return paused;
}

void
lane_paused_say(struct lane *l)
{
    char text[LANE_PAUSED_TEXT];
    struct lane_status s;
    lane_status(l, &s);
    lane_paused_text(&s, text, sizeof text);
    if (*text)
        log_info("lane %s: %s", l->spec.name, text);
}

/* What there is to see comes before the look whether it is still paused: one
 * who has it go on in between is not waited for. */
int
lane_rest(struct lane *l)
{
    while (lane_goes_on(l)) {
        if (!lane_is_paused(l))
            return 0;
        lane_peek(l);
        lane_wait_until(l, clock_monotonic_us() + REST_US);
    }
    return -ECANCELED;
}

/* Is the newest flight one that was read and never written? */
static int
newest_is_here(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    const struct flight *f = l->used ? lane_flight(l, l->used - 1) : NULL;
    int here = f
               && (f->stage == FLIGHT_READ
                   || (f->stage == FLIGHT_READY && !f->attempts));
    pthread_mutex_unlock(&l->lock);
    return here;
}

/* Those that were written before stay, as the destination knows them. */
void
lane_give_back(struct lane *l)
{
    while (newest_is_here(l))
        lane_unread(l, lane_flight(l, l->used - 1));
    /* Whoever has it go on has mended something: no back-off then. */
    l->not_before_us = 0;
    l->failures = 0;
}

void
lane_stay(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    int busy = l->unsettled > 0;
    pthread_mutex_unlock(&l->lock);
    busy |=
        l->saved_position != l->status.position || (!l->used && !l->trimmed);
    lane_idle(l);
    lane_peek(l);
    lane_wait_until(l, clock_monotonic_us() + (busy ? REST_BUSY_US : REST_US));
}

/* --- the cursor, which others write as well --- */

int
lane_cursor_save(struct lane *l, uint64_t position, int sync)
{
    pthread_mutex_lock(&l->cursor_lock);
    int err = spool_cursor_save(&l->cursor, position, sync);
    pthread_mutex_unlock(&l->cursor_lock);
    return err;
}

int
lane_cursor_sync(void *lane)
{
    struct lane *l = lane;
    pthread_mutex_lock(&l->cursor_lock);
    int err = spool_cursor_again(&l->cursor);
    pthread_mutex_unlock(&l->cursor_lock);
    return err ? err : spool_cursor_sync(&l->cursor);
}

int
lane_cursor_rename(struct lane *l)
{
    pthread_mutex_lock(&l->cursor_lock);
    int err = spool_cursor_rename(&l->cursor, l->ctx.state_dir, l->spec.name);
    pthread_mutex_unlock(&l->cursor_lock);
    return err;
}

/* --- whoever pauses --- */

void
lane_paused_note(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    l->status.paused_us = l->cursor.paused_us;
    memcpy(l->status.paused_why, l->cursor.why, sizeof l->cursor.why);
    /* Nobody waits for what it has not come to. */
    if (l->draining && l->status.paused_us)
        l->drain_to = 0;
    lane_signal(l);
    pthread_mutex_unlock(&l->lock);
}

static int
pause_change(struct lane *l, int64_t paused_us, const char *why)
{
    pthread_mutex_lock(&l->cursor_lock);
    int differs = !l->cursor.paused_us != !paused_us;
    int err = differs ? spool_cursor_pause(&l->cursor, paused_us, why) : 0;
    if (err)
        log_error("lane %s: cannot %s: writing the cursor %s: %s", l->spec.name,
                  paused_us ? "pause" : "go on", l->cursor.path,
                  strerror(-err));
    else if (differs)
        lane_paused_note(l);
    pthread_mutex_unlock(&l->cursor_lock);
    return err ? err : differs;
}

int
lane_pause(struct lane *l, const char *why)
{
    char text[CURSOR_WHY] = "";
    snprintf(text, sizeof text, "%s", why ? why : "");
    utf8_mend(text,
              strlen(text)); /* also where it was cut; it goes into JSON */
    if (why && !*text)
        strcpy(text, "it has not said why");
    int rc = pause_change(l, clock_wall_us(), text);
    if (rc > 0 && why)
        log_warn("lane %s: paused by its destination: %s; `ingestlayer lane "
                 "resume %s` goes on",
                 l->spec.name, text, l->spec.name);
    else if (rc > 0)
        log_info("lane %s: paused by `ingestlayer lane pause`", l->spec.name);
    return rc;
}

int
lane_resume(struct lane *l)
{
    int rc = pause_change(l, 0, NULL);
    if (rc > 0)
        log_info("lane %s: `ingestlayer lane resume` ends its pause%s",
                 l->spec.name,
                 l->spec.paused ? "; the config pauses it as well" : "");
    return rc;
}

/* --- status --- */

void
lane_paused_text(const struct lane_status *s, char *out, size_t size)
{
    static const char by_config[] =
        "paused by the configuration (status = \"paused\")";
    char since[TIME_TEXT];
    *out = 0;
    if (!s->paused_us) {
        snprintf(out, size, "%s", s->paused_by_config ? by_config : "");
        return;
    }
    time_format(since, s->paused_us - s->paused_us % 1000000);
    snprintf(out, size, "%s%s %s since %s%s%s; `ingestlayer lane resume %s` %s",
             s->paused_by_config ? by_config : "",
             s->paused_by_config ? ", and" : "paused",
             *s->paused_why ? "by its destination"
                            : "by `ingestlayer lane pause`",
             since, *s->paused_why ? ": " : "", s->paused_why, s->name,
             s->paused_by_config ? "ends the latter" : "goes on");
}

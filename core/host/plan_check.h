/* SPDX-License-Identifier: MIT */
/* Checks between the parts of a plan: names that must be unique, names that
 * must exist. */
#ifndef PLAN_CHECK_H
#define PLAN_CHECK_H

#include "plan.h"

/* Does the source that a pipeline names exist?  0, or -EINVAL after a finding
 * with the nearest name. */
int plan_check_source(struct plan *, const struct il_conf *from,
                      const char *name);
/* Does the source of this name only say that time passes? */
int plan_source_ticks(const struct plan *, const char *name);
/* Can only declared fields arrive at this pipeline?  Where so, a match that
 * fits no declared event type is a finding. */
int plan_check_closed(struct plan *, const struct plan_pipeline *);
void plan_check_sources(struct plan *);

/* plan_derived.c: "derived/PIPELINE" as the name of a source. */
#define PLAN_DERIVED "derived/"
int plan_source_derived(const char *name);
/* Does a pipeline take what the steps of this one make? */
int plan_is_derived_from(const struct plan *, const struct plan_pipeline *);
/* Those that are named are there, and no event comes back to whose it is. */
void plan_check_derived(struct plan *);
/* Where a match of it, by its source, was read from. */
const struct il_conf *plan_match_option(const struct plan_pipeline *,
                                        struct slice source);
void plan_check_pipelines(struct plan *);

/* What lanes and sources were called before: none that there is, and each by
 * one. */
void plan_check_was(const struct plan *);

#endif

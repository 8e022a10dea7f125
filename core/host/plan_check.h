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
void plan_check_pipelines(struct plan *);

/* What lanes and sources were called before: none that there is, and each by
 * one. */
void plan_check_was(const struct plan *);

#endif

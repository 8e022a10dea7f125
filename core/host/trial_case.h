/* SPDX-License-Identifier: MIT */
/* Shared by trial_case.c and trial_expect.c, which read what tests say. */
#ifndef TRIAL_CASE_H
#define TRIAL_CASE_H

#include "plan.h"
#include "trial.h"

struct trial_reading {
    struct conf *conf;
    const struct plan *plan; /* or NULL */
};

/* Is the option one of these names?  Else a finding with the nearest. */
int trial_is_one_of(const struct il_conf *, const char *key, const char *what,
                    const char *const *names, size_t n);
void trial_read_expect(const struct trial_reading *, const struct trial_case *,
                       const struct il_conf *, struct trial_expect *out);

#endif

/* SPDX-License-Identifier: MIT */
/* The keys of a config file that are the host's own, as option tables:
 * validated, printed and documented like those of plugins. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "conf/options.h"

extern const struct il_option settings_root[];
/* What every source, step and destination has beside its plugin's options; name
 * and plugin come first. */
extern const struct il_option settings_source[];
extern const struct il_option settings_step[];
extern const struct il_option settings_destination[];
extern const struct il_option settings_event[];
extern const struct il_option settings_pipeline[];
extern const struct il_option settings_test[];
/* Of a file of tests that names its config. */
extern const struct il_option settings_tests[];

#endif

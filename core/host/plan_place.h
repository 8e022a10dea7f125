/* SPDX-License-Identifier: MIT */
/* Options of the host beside those of a plugin. */
#ifndef PLAN_PLACE_H
#define PLAN_PLACE_H

#include "plan.h"

/* Read the options of one source, step or destination: part->options becomes
 * those of its plugin, part->place those of the host, which common describes.
 * Where both have a name it is the plugin's, and the host's is read from the
 * group `host`. */
void plan_read_place(struct plan *, struct plan_part *,
                     struct config_setting_t *, const struct il_option *common);

#endif

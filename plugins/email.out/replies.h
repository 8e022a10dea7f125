/* SPDX-License-Identifier: MIT */
/* What a mail server's replies mean. */
#ifndef REPLIES_H
#define REPLIES_H

#include "../webhook.out/codes.h"

/* By the reply's number, and by where in the session it came; NULL: it is tried
 * again once the server has had time, as all of 4xx.  A recipient that is refused
 * is OUT_DEAD here, and so for one that the event has chosen. */
const struct code *reply_code(enum transport_stage, long status);

#endif

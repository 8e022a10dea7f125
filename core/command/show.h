/* SPDX-License-Identifier: MIT */
/* Amounts as people read them, in one of the caller's buffers, which is
 * returned. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include <stdint.h>

/* "1.5 GiB" */
const char *command_show_bytes(char out[16], uint64_t bytes);
/* "999999", "1.2M" */
const char *command_show_number(char out[16], uint64_t n);
/* "0.3", "1200", "34k"; "-" for one that is not known, which is negative */
const char *command_show_rate(char out[16], double n);
/* "1 event", "2 events" */
const char *command_show_count(char out[48], uint64_t n, const char *noun);
/* "4.2s", "3h"; "-" for none */
const char *command_show_seconds(char out[16], double s);
/* How long until then, or "now". */
const char *command_show_until(char out[16], int64_t at_us, int64_t now_us);

#endif

/* SPDX-License-Identifier: MIT */
/* Workload W1: events of about 181 bytes with time-ordered ids, of 100,000
 * users and 10 features, the same for the same number on every machine. */
#ifndef W1_H
#define W1_H

#include <stddef.h>
#include <stdint.h>

#define W1_TEXT_MAX 320 /* bytes, more than any event or row */

struct w1 {
    uint64_t number;
    int64_t time_us;   /* of `timestamp` */
    char id[31];       /* "evt_" and 26 characters */
    char timestamp[32];
    char user_id[16];
    char account[16];
    const char *feature, *plan;
    int count;
};

void w1_make(struct w1 *, uint64_t number);
/* The event as JSON; returns its length. */
size_t w1_json(char *out, const struct w1 *);
/* Its payload alone. */
size_t w1_payload(char *out, const struct w1 *);

#endif

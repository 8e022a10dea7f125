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
    char user_id[16]; /* "u_" and at least 6 digits */
    char account[16];
    const char *feature, *plan;
    int count;
};

/* How many users there are, 100,000; and whether nine events in ten come from a
 * hundredth of them.  Set before the first event. */
extern uint32_t w1_users;
extern int w1_skewed;

void w1_make(struct w1 *, uint64_t number);
/* The event as JSON; returns its length. */
size_t w1_json(char *out, const struct w1 *);
/* Its payload alone. */
size_t w1_payload(char *out, const struct w1 *);
/* The same event at another size: JSON of that many bytes, W1_SIZE_MIN or more,
 * of which a text that compresses badly fills what is left.  No NUL. */
#define W1_SIZE_MIN 100
size_t w1_sized(char *out, const struct w1 *, size_t bytes);

#endif

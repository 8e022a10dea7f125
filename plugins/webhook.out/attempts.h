/* SPDX-License-Identifier: MIT */
/* What was tried lately, and what was answered: a file that is written round and
 * round.  webhook.out(5) describes it, for whoever reads it.
 *
 * It is of use to a person alone: what is in it is lost in a crash up to a
 * second, and a record that was torn or damaged is passed over by its sum. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

#define ATTEMPTS_FILE "attempts"
#define ATTEMPTS_SIZE (64u << 20)
#define ATTEMPTS_RECORD 512
#define ATTEMPTS_EVENT_MAX 128
#define ATTEMPTS_ID_MAX 64
#define ATTEMPTS_TEXT_MAX 200
#define ATTEMPTS_TARGET_MAX 72

enum attempts_end {
    ATTEMPTS_DELIVERED,
    ATTEMPTS_AGAIN,     /* it counts, and the event comes again */
    ATTEMPTS_UNCOUNTED, /* it comes again, and keeps its attempts */
    ATTEMPTS_GIVEN_UP   /* a dead letter */
};

/* Texts are cut to what there is room for, and need not end with NUL. */
struct attempts_record {
    int64_t at_us; /* when it came to its end, since 1970 */
    uint64_t position;
    uint32_t attempt; /* the first is 1 */
    uint32_t ms;
    uint16_t status; /* 0: there was no answer */
    uint8_t end;
    const char *event, *id, *target, *text; /* the sender's id, webhook-id */
    size_t event_len, id_len, target_len, text_len;
};

struct attempts;

/* In a folder, which has it from an earlier run or not; size is a multiple of
 * ATTEMPTS_RECORD.  0 or a negative errno.  Reads all that is there. */
int attempts_open(const char *folder, size_t size, struct attempts **out);
/* Writes what is left.  Accepts NULL. */
void attempts_close(struct attempts *);
/* Any thread; never waits for the disk.  1: much is to be written; else 0. */
int attempts_add(struct attempts *, const struct attempts_record *);
/* To the file.  Any thread.  0 or a negative errno; then that is lost. */
int attempts_write(struct attempts *);

#endif

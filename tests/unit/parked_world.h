/* SPDX-License-Identifier: MIT */
/* What the tests of the store of lanes by event share: a store in a folder of
 * its own, the standard error of a while, and whether what must be true of the
 * store's tables is. */
#ifndef PARKED_WORLD_H
#define PARKED_WORLD_H

#include "store/parked_store.h"

#define LANE "alerts/slack"
#define SPOOL ((const uint8_t *) "0123456789abcdef")
#define OTHER_SPOOL ((const uint8_t *) "fedcba9876543210")
#define NOW INT64_C(1700000000000000)
#define SECOND INT64_C(1000000)

extern char *world_root;         /* state_dir */
extern char world_data[4200];    /* the store's file */
extern struct parked *world;     /* opened by world_setup() */
extern struct parked_lane *lane; /* LANE */

void world_setup(void);
void world_teardown(void);
void world_close(void);
void world_reopen(void);
void world_reopen_with(uint64_t file_bytes);

/* An event of "event <position>", parked at NOW, due at once. */
struct parked_event world_event(uint64_t position, uint64_t order_hash);
struct parked_letter world_letter(uint64_t position);
/* parked_settle() in SPOOL. */
int world_settle(uint64_t before, uint64_t last, const struct parked_event *,
                 size_t n, const struct parked_letter *, size_t m);
/* The same from nothing but events, which must work. */
void world_put(uint64_t before, uint64_t last, const struct parked_event *,
               size_t n);
/* The parked event, which must be there; valid until the next look. */
struct parked_event world_get(uint64_t position);
extern struct il_text world_buffer;
int world_is_parked(uint64_t position);
int world_is_letter(uint64_t position);
/* What became of it, one attempt more, at NOW + 10 s. */
struct parked_result world_result(uint64_t position, enum parked_outcome);
/* And say so; did it stand? */
int world_retried(uint64_t position, enum parked_outcome);
/* Each is due when it must be and nothing else is, the chains are whole, and
 * the lanes' records count what there is.  Not for damaged records. */
void world_verify(void);
/* The positions that are due, joined by spaces. */
const char *world_due(int64_t now_us);

/* What is logged meanwhile is in world_said then. */
extern char world_said[16384];
void world_listen(void);
void world_heard(void);
/* How often it was. */
int world_says(const char *text);

/* Overwrite a byte of a record. */
void world_damage(enum parked_kind, uint64_t position, size_t at);

#endif

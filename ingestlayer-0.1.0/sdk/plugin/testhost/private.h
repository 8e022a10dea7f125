/* SPDX-License-Identifier: MIT */
/* Shared by the files of the test host. */
#ifndef TESTHOST_PRIVATE_H
#define TESTHOST_PRIVATE_H

#include "testhost.h"
#include "codec/batch.h"
#include "plugin/instance.h"

#include <pthread.h>

struct known_entity {
    struct known_entity *next;
    char *kind, *id;
    struct il_text traits; /* msgpack */
};

struct emitted {
    struct emitted *next;
    char *json;
    uint64_t token;
    int settled;
    int last; /* of its il_emit() call: settle once per call */
};

struct il_ack {
    const struct il_api *api; /* first, as in every object of the host */
    struct testhost *t;
};

struct letter {
    uint64_t position;
    char code[32];
};

struct testhost {
    struct il_host host; /* first: what the plugin holds leads back to us */
    struct il_api api;
    struct conf *conf;
    struct loader *loader;
    char *dir, *lane, *findings, *instance;
    struct schema *schema;

    struct il_batch *batch;
    struct il_ack ack;
    uint64_t next_position;

    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t changed;
    int settled, outcome, prepared, prepare_error, emit_result;
    char why[512];
    int64_t clock_us; /* 0: the real one */
    struct il_text log;
    struct known_entity *entities;
    struct emitted *emitted;
    struct letter *letters; /* in order */
    size_t letter_count;

    struct il_text answer, answer_headers, ingested;
    int status, has_ingested, refused;
    const char *sender;

    struct il_text shown[7]; /* what the accessors return */
};

enum {
    SHOW_PAYLOAD,
    SHOW_ATTACHED,
    SHOW_ENTITY,
    SHOW_DDL,
    SHOW_PROBE,
    SHOW_LOG,
    SHOW_LETTERS
};

/* A value as JSON in one of t->shown. */
const char *testhost_show(struct testhost *, int slot, const struct il_value *);
/* Pack a JSON event as a frame.  0 or -EINVAL. */
int testhost_pack(struct testhost *, const char *json, struct il_text *body);
/* The parts of the function table. */
void testhost_fill_batch_api(struct il_api *);
void testhost_fill_source_api(struct il_api *);
void testhost_free_batches(struct testhost *);
void testhost_free_sources(struct testhost *);

#endif

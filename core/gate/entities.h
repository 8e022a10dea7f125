/* SPDX-License-Identifier: MIT */
/* /v1/entities: the entity store over HTTP.  ingestlayer-entities(7) is the
 * manual. */
#ifndef ENTITY_API_H
#define ENTITY_API_H

#include "store/entity.h"

#include <stddef.h>

#define ENTITY_API_PATH "/v1/entities"
#define ENTITY_API_MAX 10000 /* entities of one request */
#define ENTITY_API_PAGE 100  /* of a list, where limit is not given */
#define ENTITY_API_PAGE_MAX 1000

/* Answer one request whose path is ENTITY_API_PATH or below it, and whose
 * sender has been admitted.  Uses the request through the accessors of
 * plugin.h alone.  Waits for the disk on writes. */
void gate_entities(struct entities *, struct il_request *);

/* What a sender may have of them, beside writing. */
struct entity_use {
    int reads; /* else answers say nothing of what is stored */
    /* So many more entities come than the one that a request is taken for, or
     * so many bytes of an answer have to be kept: 0, or negative after an
     * answer. */
    int (*comes)(struct il_request *, size_t more);
    int (*keeps)(struct il_request *, size_t bytes);
};
/* The same for one who may not have all. */
void gate_entities_for(struct entities *, struct il_request *,
                       const struct entity_use *);

/* --- between entities.c and entities_write.c --- */

/* The store's errors as answers.  The cause is the operator's and is logged;
 * the sender learns whether to come again. */
void gate_entities_error(struct il_request *, int err);
struct entity_call {
    struct entities *store;
    struct il_request *req;
    const struct entity_use *use;
};
/* Answer with body, or with err where it is not 0. */
void gate_entities_respond(const struct entity_call *, int status,
                           struct il_text *body, int err);
/* Answer with one entity as it is now, 404 where there is none. */
void gate_entities_show(const struct entity_call *, struct slice kind,
                        struct slice id, int status);
/* Answer that one is as was asked: as it is now, for who may read it. */
void gate_entities_wrote(const struct entity_call *, struct slice kind,
                         struct slice id, int status);
void gate_entities_post(const struct entity_call *);
void gate_entities_patch(const struct entity_call *, struct slice kind,
                         struct slice id);

#endif

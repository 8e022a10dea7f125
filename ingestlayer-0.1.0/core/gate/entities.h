/* SPDX-License-Identifier: MIT */
/* /v1/entities: the entity store over HTTP.  ingestlayer-entities(7) is the
 * manual. */
#ifndef ENTITY_API_H
#define ENTITY_API_H

#include "store/entity.h"

#define ENTITY_API_PATH "/v1/entities"
#define ENTITY_API_MAX 10000 /* entities of one request */
#define ENTITY_API_PAGE 100  /* of a list, where limit is not given */
#define ENTITY_API_PAGE_MAX 1000

/* Answer one request whose path is ENTITY_API_PATH or below it, and whose
 * sender has been admitted.  Uses the request through the accessors of
 * plugin.h alone.  Waits for the disk on writes. */
void gate_entities(struct entities *, struct il_request *);

/* --- between entities.c and entities_write.c --- */

/* The store's errors as answers.  The cause is the operator's and is logged;
 * the sender learns whether to come again. */
void gate_entities_error(struct il_request *, int err);
/* Answer with body, or with err where it is not 0. */
void gate_entities_respond(struct il_request *, int status,
                           struct il_text *body, int err);
/* Answer with one entity as it is now, 404 where there is none. */
void gate_entities_show(struct entities *, struct il_request *,
                        struct slice kind, struct slice id, int status);
void gate_entities_post(struct entities *, struct il_request *);
void gate_entities_patch(struct entities *, struct il_request *,
                         struct slice kind, struct slice id);

#endif

/* SPDX-License-Identifier: MIT */
/* An event as the request that it becomes. */
#ifndef RENDER_H
#define RENDER_H

#include "id.h"
#include "options.h"
#include "transport.h"

/* Fields of the envelope, resolved once. */
struct render {
    const struct il_host *host;
    const struct out_options *options;
    struct il_field *id, *type, *received_at, *timestamp, *payload, *source;
    char target[TRANSPORT_TARGET_MAX]; /* of a literal url; else "" */
};

#define RENDER_HEADERS (64 + 4)
#define RENDER_WHY_MAX 200

/* Texts are parts of `text`.  Made for one event, and used for others after. */
struct rendered {
    struct il_text *text;
    size_t url_at, body_at, body_len, order_at, order_len; /* in it */
    struct transport_header headers[RENDER_HEADERS]; /* but for signatures */
    size_t header_at[RENDER_HEADERS];
    size_t header_count;
    size_t to_at, to_count; /* of mail: addresses in text, ended by NULs */
    char id[ID_MAX];
    char target[TRANSPORT_TARGET_MAX];
    int ordered;              /* order is there */
    char why[RENDER_WHY_MAX]; /* -EINVAL: for a dead letter; no secret */
};

/* In open().  0 or -ENOMEM; then render_close() is still to be called. */
int render_open(struct render *, const struct il_host *,
                const struct out_options *);
void render_close(struct render *);

/* The request for event i.  made_by_gate and space: of its id, see id.h.
 * rendered->text is made by the caller and emptied here.  0; -EINVAL and why:
 * this event can never be sent (an empty URL, another host, a line break in a
 * header); or -ENOMEM.  One thread at a time for each batch. */
int render_event(const struct render *, struct il_batch *, uint32_t i,
                 int made_by_gate, const char *space, struct rendered *);

/* Where it goes alone: url and target.  As render_event(). */
int render_place(const struct render *, struct il_batch *, uint32_t i,
                 struct rendered *);

/* A JSON object that is put together at the end of a text. */
struct render_object {
    const struct il_host *host;
    struct il_text *text; /* no value that is put in may be a view of it */
    int count;            /* 0 at first */
};
/* IL_MISSING is left out.  0 or -ENOMEM. */
int render_member(struct render_object *, const char *name,
                  const struct il_value *);
/* A constant that is JSON already. */
int render_member_json(struct render_object *, const char *name,
                       const char *json);
int render_object_end(struct render_object *);

static inline const char *
rendered_url(const struct rendered *r)
{
    return r->text->data + r->url_at;
}
static inline const char *
rendered_to(const struct rendered *r)
{
    return r->text->data + r->to_at;
}
static inline const char *
rendered_body(const struct rendered *r)
{
    return r->text->data + r->body_at;
}

#endif

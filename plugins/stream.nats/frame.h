/* SPDX-License-Identifier: MIT */
/* An event as it stands in a bundle, and the partition it is of. */
#ifndef FRAME_H
#define FRAME_H

#include <ingestlayer/plugin.h>

struct frame {
    const struct il_host *host;
    struct il_template *by; /* what decides the partition */
    struct il_field *id, *type, *source, *received, *timestamp, *key, *payload;
    struct il_text *text; /* the event that was put last */
};

/* In open().  0 or a negative errno; frame_close() follows either way. */
int frame_open(struct frame *, const struct il_host *, const struct il_conf *);
void frame_close(struct frame *);
/* Make f->text event i.  0 or a negative errno. */
int frame_put(struct frame *f, struct il_batch *, uint32_t i);
/* The partition of event i; f->text is used up.  0 or a negative errno. */
int frame_partition(struct frame *f, struct il_batch *, uint32_t i,
                    uint32_t partitions, uint32_t *out);

#endif

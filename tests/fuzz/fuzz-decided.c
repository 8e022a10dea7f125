/* SPDX-License-Identifier: MIT */
/* Events as they were kept while they waited to come again.  All of what is read
 * lies within the bytes, and packed once more it says the same. */
#include "fuzz.h"

#include "codec/batch.h"
#include "codec/json.h"

#include <errno.h>
#include <string.h>

static void
claim_inside(const char *p, size_t len, const uint8_t *data, size_t size)
{
    uintptr_t at = (uintptr_t) p, begin = (uintptr_t) data;
    CLAIM(!len || (at >= begin && at + len <= begin + size));
}

static void
claim_walkable(struct il_value *v)
{
    struct il_text out = { 0 };
    json_write(&out, v, 0); /* whatever it says: within bounds */
    text_clear(&out);
}

static void
claim_same(const struct batch_event *a, const struct batch_event *b)
{
    const struct entity_link *x = a->entities, *y = b->entities;
    CLAIM(slice_equal(a->ev.id, b->ev.id) && slice_equal(a->ev.type, b->ev.type)
          && slice_equal(a->ev.source_id, b->ev.source_id)
          && slice_equal(a->ev.payload, b->ev.payload)
          && a->ev.received_us == b->ev.received_us
          && a->ev.timestamp_us == b->ev.timestamp_us);
    for (; x && y; x = x->next, y = y->next)
        CLAIM(x->kind == y->kind
              && slice_equal(slice_of(x->traits.str, x->traits.len),
                             slice_of(y->traits.str, y->traits.len)));
    CLAIM(!x && !y);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct batch_again again = { .attempts = 2, .code = "503" };
    struct il_batch *b = batch_new(), *c = batch_new();
    struct il_text packed = { 0 };
    CLAIM(b && c);
    int err = batch_add_decided(b, 7, (const char *) data, size, &again);
    CLAIM(!err || err == -EINVAL);
    CLAIM(b->count == (err ? 0 : 1));
    if (!err) {
        const struct batch_event *e = &b->events[0];
        claim_inside(e->body, e->body_len, data, size);
        claim_inside(e->ev.payload.ptr, e->ev.payload.len, data, size);
        CLAIM(e->again->attempts == 2 && !strcmp(e->again->code, "503"));
        for (struct entity_link *l = e->entities; l; l = l->next) {
            claim_inside(l->traits.str, l->traits.len, data, size);
            claim_walkable(&l->traits);
        }
        CLAIM(!batch_decided(b, 0, &packed));
        CLAIM(!batch_add_decided(c, 7, packed.data, packed.len, &again));
        claim_same(e, &c->events[0]);
    }
    batch_free(b);
    batch_free(c);
    text_clear(&packed);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* An answer that webhook.out gets.  The first byte says in what pieces the rest
 * comes.  Whatever it is, it comes to an end, is the same in pieces as at once,
 * keeps its bounds, and only one that says itself where it ends leaves a
 * connection that is used again. */
#include "../../plugins/webhook.out/response.c"

#include "fuzz.h"

#define KEEP 1024

struct outcome {
    struct response r;
    char kept[KEEP];
    size_t taken;
};

/* seed 0: at once. */
static void
read_all(struct outcome *o, const uint8_t *data, size_t size, unsigned seed)
{
    const char *bytes = (const char *) data;
    memset(o, 0, sizeof *o);
    response_begin(&o->r, o->kept, KEEP);
    while (o->taken < size && o->r.state == RESPONSE_OPEN) {
        size_t piece = size - o->taken;
        if (seed) {
            seed = seed * 1103515245 + 12345;
            size_t n = 1 + (seed >> 16) % (seed & 1 << 28 ? 200 : 3);
            piece = n < piece ? n : piece;
        }
        /* a copy of its own, so that nothing beyond it is looked at */
        char *copy = malloc(piece);
        CLAIM(copy);
        memcpy(copy, bytes + o->taken, piece);
        size_t n = response_feed(&o->r, copy, piece);
        free(copy);
        CLAIM(n == piece || (n < piece && o->r.state != RESPONSE_OPEN));
        o->taken += n;
    }
    CLAIM(o->r.received == o->taken);
    response_eof(&o->r);
}

static void
claim_sound(const struct outcome *o)
{
    const struct response *r = &o->r;
    CLAIM(r->state != RESPONSE_OPEN);
    CLAIM((r->state == RESPONSE_ENDED) == (r->why != NULL));
    CLAIM(r->head_len <= RESPONSE_HEAD_MAX && r->head_len <= o->taken);
    CLAIM(r->lines_len <= RESPONSE_LINES_MAX);
    CLAIM(r->body_len <= o->taken);
    CLAIM(r->state != RESPONSE_WHOLE || r->head_done);
    if (!r->head_done)
        return;
    CLAIM(r->status >= 200 && r->status <= 599);
    CLAIM(r->status / 100 == 3 || !r->location);
    CLAIM(!(r->has_length && r->chunked));
    CLAIM(!r->has_retry_after || strlen(r->retry_after) < RESPONSE_FIELD_MAX);
    if (r->state == RESPONSE_WHOLE && r->has_length && r->status != 204
        && r->status != 304)
        CLAIM(r->body_len == r->length);
    if (response_keeps(r))
        CLAIM(r->has_length || r->chunked || r->status == 204
              || r->status == 304);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;
    if (!size)
        return 0;
    read_all(&whole, data + 1, size - 1, 0);
    read_all(&pieces, data + 1, size - 1, data[0] + 1u);
    claim_sound(&whole);
    claim_sound(&pieces);
    const struct response *a = &whole.r, *b = &pieces.r;
    CLAIM(a->state == b->state && a->head_done == b->head_done);
    CLAIM(response_keeps(a) == response_keeps(b));
    if (a->head_done) {
        CLAIM(whole.taken == pieces.taken || a->state == RESPONSE_ENDED);
        CLAIM(a->status == b->status && a->why == b->why);
        CLAIM(a->has_retry_after == b->has_retry_after);
        CLAIM(!strcmp(a->retry_after, b->retry_after));
        CLAIM(!a->location == !b->location);
        CLAIM(!a->location || !strcmp(a->location, b->location));
        if (a->state == RESPONSE_WHOLE)
            CLAIM(a->body_len == b->body_len);
        CLAIM(!memcmp(whole.kept, pieces.kept, KEEP));
    }
    response_free(&whole.r);
    response_free(&pieces.r);
    return 0;
}

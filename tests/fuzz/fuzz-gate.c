/* SPDX-License-Identifier: MIT */
/* Bodies of POST /v1/ingest.  The first byte chooses lines or JSON, declared
 * events or none, and the most events.  What passes is a frame that can be
 * read; what does not is answered in JSON and lies inside the body. */
#include "fuzz.h"
#include "idem/private.h"
#include "gate/private.h"

#include <errno.h>
#include <string.h>

static struct gate *
make_gate(struct gate_source **source)
{
    static struct gate gate;
    static struct gate_source app;
    static char name[] = "app";
    struct schema *schema = schema_new();
    struct schema_event *event;
    CLAIM(schema && schema_add_event(schema, "t.x", 0, &event) == 0);
    CLAIM(schema_add_field(&event->object, "s", SCHEMA_STRING, 1, NULL) == 0);
    CLAIM(schema_add_field(&event->object, "n", SCHEMA_NUMBER, 0, NULL) == 0);
    CLAIM(schema_add_field(&event->object, "at", SCHEMA_TIMESTAMP, 0, NULL) == 0);
    static struct idem idem; /* keys are hashed, and not looked up */
    gate.options.idem = &idem;
    gate.options.max_event_bytes = 4096;
    pthread_mutex_init(&gate.pool_lock, NULL);
    app.gate = &gate;
    app.name = name;
    app.schema = schema;
    app.id = SLICE("app");
    *source = &app;
    return &gate;
}

static void
claim_frame(struct gate_batch *b, const struct gate_item *item)
{
    struct event ev;
    const char *frame = b->frames.data + item->frame;
    CLAIM(item->frame + (size_t) item->len <= b->frames.len);
    CLAIM(event_unpack(frame, item->len, &ev) == 0);
    CLAIM(slice_equal(ev.id, gate_item_id(b, item)));
    CLAIM(ev.id.len >= 1 && ev.id.len <= EVENT_ID_MAX);
    CLAIM(ev.type.len >= 1 && ev.type.len <= EVENT_TYPE_MAX);
    CLAIM(ev.received_us == b->now_us);
    /* behind it stand flags alone, in one byte, where there are any */
    CLAIM(ev.payload.ptr + ev.payload.len + (ev.flags != 0)
          == frame + item->len);
    CLAIM(msg_check(ev.payload.ptr, ev.payload.len) == 0);
    CLAIM(item->keyed || item->made);
}

static void
claim_answer(struct gate_batch *b)
{
    static struct il_text answer, packed;
    struct json_error error;
    int status = 0;
    answer.len = packed.len = 0;
    CLAIM(gate_answer(&answer, b, &status) == 0);
    CLAIM(status == 202 || (status >= 400 && status < 500));
    CLAIM(json_to_msgpack(answer.data, answer.len, &packed, &error) == 0);
}

static void
claim_items(struct gate_batch *b, size_t size)
{
    uint32_t refused = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct gate_item *item = &b->items[i];
        CLAIM((size_t) item->json + item->json_len <= size);
        CLAIM(item->problem + item->problems <= b->problem_count);
        if (item->state == ITEM_REFUSED) {
            refused++;
            CLAIM(item->code != GATE_OK);
            continue;
        }
        claim_frame(b, item);
        if (item->twin != GATE_NO_TWIN) {
            CLAIM(item->twin < i);
            CLAIM(b->items[item->twin].state == ITEM_NEW);
        }
    }
    CLAIM(refused == b->refused);
    b->accepted = b->count - refused;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gate *gate;
    static struct gate_source *source;
    if (!gate)
        gate = make_gate(&source);
    if (!size)
        return 0;
    /* of exactly this size, so that a checker sees a read beyond it */
    char *body = malloc(size > 1 ? size - 1 : 1);
    CLAIM(body != NULL);
    memcpy(body, data + 1, size - 1);
    source->undeclared = data[0] & 2;
    struct gate_batch *b = gate_batch_take(gate, source);
    CLAIM(b != NULL);
    int err = gate_parse(b, slice_of(body, size - 1), data[0] & 1,
                         data[0] & 4 ? 3 : 500);
    CLAIM(err == 0 || err == -EINVAL);
    CLAIM((err == 0) == (b->code == GATE_OK));
    if (!err) {
        CLAIM(b->count > 0);
        claim_items(b, size - 1);
    }
    claim_answer(b);
    gate_batch_give(b);
    free(body);
    return 0;
}

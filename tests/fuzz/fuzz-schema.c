/* SPDX-License-Identifier: MIT */
/* Declarations and payloads: up to the first 0xff the input is a declaration,
 * a byte for each thing that is declared; what follows is a payload in JSON, or
 * where it is none, in bytes that claim to be msgpack.  Problems are bounded,
 * what is told of them is short, and text where the payload is, and the same
 * when it is asked again. */
#include "fuzz.h"
#include "base/wtf8.h"
#include "codec/json.h"
#include "schema/schema.h"

#include <string.h>

struct input {
    const uint8_t *p, *end;
    int nodes; /* what is left to declare */
};

static int
next(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

/* Few names, so that payloads meet them. */
static const char *const names[]
    = { "a", "b", "c", "a.b", "", "\xc3\xa4", "long_name_of_a_field", "d" };
static const char *const numbers[]
    = { "0", "-1", "1.5", "1e400", "18446744073709551616", "-0", "7", "1e-9" };

static void make_object(struct input *, struct schema_object *, int depth);

static struct il_value
number(int i)
{
    static struct il_text packed[8];
    struct il_text *t = &packed[i & 7];
    struct json_error error;
    struct il_value v;
    t->len = 0;
    CLAIM(!json_to_msgpack(numbers[i & 7], strlen(numbers[i & 7]), t, &error));
    const char *p = t->data;
    CLAIM(!msg_head(&p, p + t->len, &v));
    return v;
}

static void
make_rules(struct input *in, struct schema_node *node)
{
    const int rules = next(in);
    struct il_value v = number(rules >> 4);
    node->nullable = rules & 1;
    if (node->type == SCHEMA_STRING) {
        node->format = rules >> 6;
        node->least = rules >> 1 & 1;
        node->most = rules & 4 ? 3 : UINT64_MAX;
        node->rules = 1;
        for (int i = 0; i < 8 && rules & 8; i++)
            CLAIM(!schema_add_text(node, names[i], strlen(names[i])));
    } else if (node->type == SCHEMA_ARRAY) {
        node->most = rules & 4 ? 3 : UINT64_MAX;
        node->rules = 1;
    } else if (node->type == SCHEMA_NUMBER || node->type == SCHEMA_INTEGER) {
        CLAIM(!(rules & 2) || !schema_set_min(node, &v));
        v = number(rules >> 5);
        CLAIM(!(rules & 4) || !schema_set_max(node, &v));
        for (int i = 0; i < 8 && rules & 8; i++) {
            v = number(i);
            schema_add_number(node, &v); /* -0 is 0 */
        }
    }
}

static void
make_node(struct input *in, struct schema_node *node, int depth)
{
    make_rules(in, node);
    if (depth == SCHEMA_DEPTH_MAX || in->nodes <= 0)
        return;
    if (node->type == SCHEMA_OBJECT && next(in) & 1) {
        struct schema_object *o = schema_add_object(node, next(in) & 1);
        CLAIM(o);
        make_object(in, o, depth + 1);
    } else if (node->type == SCHEMA_ARRAY && next(in) & 1) {
        CLAIM(schema_add_items(node, 1 + next(in) % SCHEMA_TIMESTAMP));
        make_node(in, node->items, depth + 1);
    }
}

static void
make_object(struct input *in, struct schema_object *object, int depth)
{
    for (int n = next(in) % 9; n > 0 && in->nodes-- > 0; n--) {
        const int what = next(in);
        struct schema_node *node;
        if (!schema_add_field(object, names[what & 7],
                              1 + (what >> 3) % SCHEMA_TIMESTAMP, what >> 7,
                              &node))
            make_node(in, node, depth);
    }
}

static int told;
static int checked; /* texts of the payload are text */

static void
tell(void *arg, const char *path, const char *rule, const char *message)
{
    (void) arg;
    told++;
    CLAIM(!strncmp(path, "payload", 7) && strlen(path) < 600);
    CLAIM(!checked || wtf8_valid(path, strlen(path)));
    CLAIM(*rule && strlen(rule) < 12);
    CLAIM(*message && strlen(message) < 400);
}

static void
try_payload(const struct schema_event *event, struct slice payload)
{
    told = 0;
    checked = msg_check(payload.ptr, payload.len) == 0;
    int n = schema_check(event, payload, tell, NULL);
    CLAIM(n >= 0 && n <= SCHEMA_PROBLEMS_MAX);
    CLAIM(told == n || (told == n + 1 && n == SCHEMA_PROBLEMS_MAX));
    CLAIM(schema_check(event, payload, tell, NULL) == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *stop = memchr(data, 0xff, size);
    if (!stop)
        return 0;
    struct input in = { data, stop, 200 };
    struct schema *schema = schema_new();
    struct schema_event *event;
    struct il_text packed = { 0 };
    struct json_error error;
    CLAIM(schema && !schema_add_event(schema, "t", next(&in) & 1, &event));
    make_object(&in, &event->object, 1);
    const char *text = (const char *) stop + 1;
    size_t len = size - (size_t) (stop + 1 - data);
    if (!json_to_msgpack(text, len, &packed, &error))
        try_payload(event, slice_of(packed.data, packed.len));
    else
        try_payload(event, slice_of(text, len));
    for (int format = SCHEMA_UUID; format <= SCHEMA_URI; format++)
        schema_format_fits(format, text, len);
    text_clear(&packed);
    schema_free(schema);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* References and templates, against payloads that are the input's, too: the
 * text before the first NUL is read as both, what follows is a payload.  The
 * first byte says whether bare paths are references. */
#include "../unit/event_fixture.h"
#include "fuzz.h"
#include "lang/row.h"
#include "lang/template.h"

#include <errno.h>

static const char default_payload[]
    = "{\"a\":1.50,\"b\":\"\\ud800 \xc3\xa4\",\"c\":[1,\"x\",null,[true]],"
      "\"d\":{\"e\":{\"f\":-7}},\"a.b\":9007199254740993,\"n\":1e400,"
      "\"email\":\"ada@acme.com\",\"user\":\"other\"}";

static void
claim_inside(const struct lang_error *error, int err, size_t len)
{
    CLAIM(err == -EINVAL && error->offset <= len && error->message[0]);
}

static void
claim_kind(const struct il_field *field)
{
    const struct il_kind *kind = ref_kind(field);
    struct il_text path = { 0 };
    CLAIM(!kind || (kind->len && strlen(kind->name) == kind->len));
    CLAIM(!(ref_payload_only(field) && kind));
    CLAIM(ref_path(&path, field, ref_parts(field), NULL) == 0);
    CLAIM((path.len > 0) == (ref_parts(field) > 0));
    text_clear(&path);
    CLAIM(ref_type(field) >= 0);
}

static void
try_reference(const char *text, size_t len, int flags,
              const struct batch_event *e)
{
    struct il_field *field = NULL, *prefix = NULL;
    struct lang_error error;
    struct il_value v, again;
    size_t used = 0;
    int whole = ref_parse(text, len, flags, &field, &error);
    if (whole)
        claim_inside(&error, whole, len);
    int err = ref_parse_prefix(text, len, flags, &used, &prefix, &error);
    if (err)
        claim_inside(&error, err, len);
    CLAIM(err || (used > 0 && used <= len));
    CLAIM(!(whole == 0 && (err || used != len)));
    if (!err) {
        claim_kind(prefix);
        CLAIM(ref_get(prefix, e, &v) == (v.type != IL_MISSING));
        /* what was used is a reference by itself, and the same one */
        ref_free(field);
        CLAIM(ref_parse(text, used, flags, &field, &error) == 0);
        CLAIM(ref_get(field, e, &again) == (v.type != IL_MISSING));
        CLAIM(v.type == again.type);
    }
    ref_free(field);
    ref_free(prefix);
}

/* In a row with others it is what it is alone, whatever the event before it
 * was like. */
static void
try_row(const struct il_template *t, struct il_batch *batch,
        const struct event_fixture *usual)
{
    struct il_field *plan;
    struct il_row *row;
    struct il_value one, any;
    const struct il_value *values;
    CLAIM(ref_named(IL_FIELD_ANY, "plan", &plan) == 0);
    struct il_cell cells[] = { { IL_SIZED(struct il_cell), .value = t },
                               { IL_SIZED(struct il_cell), .field = plan },
                               { IL_SIZED(struct il_cell), .value = t } };
    CLAIM(row_new(NULL, cells, 3, sizeof(*cells), &row) == 0);
    struct slice mine = batch->events[0].ev.payload;
    for (int round = 0; round < 4; round++) {
        batch->events[0].ev.payload =
            round % 2 ? mine
                      : slice_of(usual->payload.data, usual->payload.len);
        CLAIM(row_read(row, batch, 0, &values) == 0);
        CLAIM(template_render(t, batch, 0, &one) == 0);
        ref_get(plan, &batch->events[0], &any);
        CLAIM(values[0].type == one.type && values[2].type == one.type);
        CLAIM(values[1].type == any.type);
        CLAIM(one.type != IL_STRING || (values[2].len == one.len
              && memcmp(values[2].str, one.str, one.len) == 0));
    }
    row_free(row);
    ref_free(plan);
}

static int
each_field(void *arg, const struct il_field *field, size_t offset)
{
    CLAIM(offset <= *(size_t *) arg);
    claim_kind(field);
    return 0;
}

static void
try_template(const char *text, size_t len, struct il_batch *batch,
             const struct event_fixture *usual)
{
    struct il_template *t = NULL;
    struct lang_error error;
    struct il_value v;
    int err = template_compile(text, len, &t, &error);
    if (err) {
        claim_inside(&error, err, len);
        return;
    }
    CLAIM(template_fields(t, each_field, &len) == 0);
    CLAIM(template_render(t, batch, 0, &v) == 0);
    struct il_text json = { 0 };
    if (v.type != IL_MISSING)
        CLAIM(json_write(&json, &v, IL_JSON_FOR_POSTGRES) >= 0);
    text_clear(&json);
    try_row(t, batch, usual);
    template_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_fixture f;
    struct il_text own = { 0 };
    if (!size)
        return 0;
    const char *text = (const char *) data + 1;
    const char *nul = memchr(text, 0, size - 1);
    size_t len = nul ? (size_t) (nul - text) : size - 1;
    struct il_batch *batch = batch_new();
    CLAIM(batch);
    fixture_open(&f, default_payload);
    if (nul
        && !json_to_msgpack(nul + 1, size - 2 - len, &own, NULL)
        && own.len && ((own.data[0] & 0xf0) == 0x80
                       || (own.data[0] & 0xfe) == 0xde))
        f.event.ev.payload = slice_of(own.data, own.len);
    struct batch_event *mine = batch->events;
    batch->events = &f.event;
    batch->count = 1;
    try_reference(text, len, data[0] & 1 ? REF_BARE : REF_ROOTED, &f.event);
    try_template(text, len, batch, &f);
    batch->events = mine;
    batch->count = 0;
    batch_free(batch);
    fixture_close(&f);
    text_clear(&own);
    return 0;
}

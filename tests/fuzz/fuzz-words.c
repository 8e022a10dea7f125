/* SPDX-License-Identifier: MIT */
/* Messages of slack, discord and telegram, and texts of email.out: pieces that the operator wrote and
 * pieces of an event, by turns, of any bytes.  What comes out is UTF-8 and no longer
 * than it may be, nothing of an event is left that the service would read as
 * markup, and what fits is not cut.  And numbers of seconds in answers. */
#include "../../plugins/webhook.out/codes.c"
#include "../../plugins/webhook.out/scrub.c"
#include "../../plugins/webhook.out/words.c"

#include "fuzz.h"

struct il_host {
    const struct il_api *api;
};

struct il_batch {
    const struct il_api *api;
    const uint8_t *data;
    size_t size;
    char *copy;
};

static int
text_reserve(struct il_text *text, size_t more)
{
    text->cap = text->len + more;
    text->data = realloc(text->data, text->cap);
    return text->data ? 0 : -ENOMEM;
}

static void *
batch_alloc(struct il_batch *batch, size_t size)
{
    return batch->copy = malloc(size);
}

/* Parts end with 0xff; the second, fourth and so on are the event's. */
static int
template_pieces(const struct il_template *t, struct il_batch *batch, uint32_t i,
                int (*fn)(void *arg, const char *text, size_t len,
                          int of_event),
                void *arg)
{
    size_t at = 0;
    (void) t;
    (void) i;
    for (int of_event = 0; at < batch->size; of_event = !of_event) {
        const uint8_t *from = batch->data + at;
        const uint8_t *end = memchr(from, 0xff, batch->size - at);
        const size_t len = end ? (size_t) (end - from) : batch->size - at;
        char *exact = malloc(len ? len : 1); /* of just that size, for asan */
        CLAIM(exact);
        memcpy(exact, from, len);
        int rc = fn(arg, exact, len, of_event);
        free(exact);
        if (rc)
            return rc;
        at += len + 1;
    }
    return 0;
}

static const struct il_api api = { .text_reserve = text_reserve,
                                   .batch_alloc = batch_alloc,
                                   .template_pieces = template_pieces };

static size_t
escape_two(unsigned char before, const char *ch, size_t n,
           char out[WORDS_ESCAPED])
{
    (void) before;
    return words_escape_set("\\*", ch, n, out);
}

static void
check(const char *text, size_t len, size_t most, int alone, words_escape *by)
{
    char *copy = calloc(1, len + 1);
    CLAIM(copy);
    memcpy(copy, text, len);
    CLAIM(!memchr(copy, 0, len) && units_of(copy, len) <= most);
    for (size_t at = 0, n; at < len; at += n) {
        n = scrub_utf8_len((unsigned char *) copy + at);
        CLAIM(n);
        if (!alone)
            continue;
        if (by == words_escape_entities)
            CLAIM(copy[at] != '<' && copy[at] != '>'
                  && (copy[at] != '&' || !strncmp(copy + at, "&amp;", 5)
                      || !strncmp(copy + at, "&lt;", 4)
                      || !strncmp(copy + at, "&gt;", 4)));
        else if (by == escape_two && copy[at] == '\\')
            CLAIM(strchr("\\*", copy[at + 1]) && copy[at + 1] && ++n);
        else if (by == escape_two)
            CLAIM(copy[at] != '*');
    }
    free(copy);
}

static void
make(const uint8_t *data, size_t size, size_t most, words_escape *by, int line)
{
    const struct il_host host = { &api };
    struct il_batch batch = { &api, data, size, NULL };
    struct il_text text = { 0 };
    struct rendered out = { .text = &text };
    struct il_value made;
    const struct words w = { .host = &host,
                             .text = (struct il_template *) &batch,
                             .most = most,
                             .escape = by,
                             .line = line };
    int err = words_make(&w, &batch, 0, &out, &made);
    CLAIM(!err || (err == -EINVAL && *out.why));
    if (!err) {
        CLAIM(made.type == IL_STRING && made.len && !text.len);
        /* Nothing but one piece of the event? */
        const int alone =
            size && *data == 0xff && !memchr(data + 1, 0xff, size - 1);
        check(made.str, made.len, most, alone, by);
        for (size_t k = 0; k < made.len && line; k++)
            CLAIM((unsigned char) made.str[k] >= ' ' && made.str[k] != 0x7f);
    }
    free(batch.copy);
    free(text.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static words_escape *const all[] = { words_as_it_is, words_escape_entities,
                                         escape_two };
    if (size < 2)
        return 0;
    for (size_t k = 0; k < 3; k++)
        make(data + 2, size - 2, 1 + data[0] + 256u * (data[1] & 15), all[k],
             data[1] >> 7);
    struct il_value v = { .type = data[0] & 1 ? IL_DECIMAL : IL_STRING,
                          .str = (const char *) data + 2,
                          .len = size - 2 };
    const int64_t ms = code_seconds_ms(&v);
    CLAIM(ms >= 0 && ms <= MOST_S * INT64_C(1000) + 1000);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* What `ingestlayer emit` sends, and nobody should: a line "json SOURCE" or
 * "lines SOURCE" stands for type and path of the request, and its body follows.
 * Every one is answered, in lines of JSON or by an error with a code, and what
 * was accepted is in the spool. */
#include <config.h>

#include "folder.h"

#include "base/log.h"

#include "gate/gate.h"

static char dir[64];
static struct spool *spool;
static struct idem *idem;
static struct dead *dead;
static struct schema *schema;
static struct gate *gate;

static const char *
at(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", dir, name);
    return path;
}

static void
open_all(void)
{
    char path[128];
    struct gate_source *source;
    struct schema_event *event;
    struct spool_recovery found;
    folder_make(dir, "control");
    struct spool_options so = { .dir = at(path, "spool"),
                                .segment_bytes = 8 << 20,
                                .buffer_bytes = 1 << 20 };
    CLAIM(!spool_open(&so, &spool, &found));
    struct idem_options io = { .dir = at(path, "idem"),
                               .window_us = INT64_C(86400000000),
                               .max_keys = 100000 };
    CLAIM(!idem_open(&io, spool, &idem));
    CLAIM(!dead_open(at(path, "dead"), 0, &dead));
    schema = schema_new();
    CLAIM(schema && !schema_add_event(schema, "t.x", 0, &event));
    CLAIM(!schema_add_field(&event->object, "n", SCHEMA_NUMBER, 1, NULL));
    struct gate_options go = { .spool = spool, .idem = idem, .dead = dead,
                               .max_event_bytes = 4096 };
    CLAIM(!gate_new(&go, &gate));
    CLAIM(!gate_source_new(gate, "app", 1, NULL, NULL, &source));
    gate_source_declare(source, schema);
    CLAIM(!gate_source_new(gate, "web", 0, NULL, NULL, &source));
    gate_source_declare(source, schema);
}

static void
close_all(void)
{
    gate_stop(gate);
    idem_close(idem);
    spool_close(spool);
    gate_free(gate);
    dead_close(dead);
    schema_free(schema);
    folder_remove(dir);
}

/* How many lines of a reply begin so. */
static uint64_t
lines(const struct il_text *reply, const char *begin)
{
    uint64_t n = 0;
    const char *end = reply->data + reply->len, *p = reply->data;
    while (p < end) {
        n += (size_t) (end - p) > strlen(begin)
             && !strncmp(p, begin, strlen(begin));
        p = memchr(p, '\n', (size_t) (end - p));
        CLAIM(p++);
    }
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int used;
    struct il_text line = { 0 }, reply = { 0 };
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    const char *code = NULL;
    if (!end)
        return 0;
    if (used++ % 5000 == 0) {
        log_level_set(0);
        if (gate)
            close_all();
        open_all();
    }
    CLAIM(!text_put(&line, data, (size_t) (end - data)));
    const char *space = strchr(text_str(&line), ' ');
    struct slice body =
        slice_of((const char *) end + 1, size - (size_t) (end + 1 - data));
    uint64_t before = spool_durable(spool);
    int status = gate_control(gate, space ? space + 1 : "",
                              !strncmp(text_str(&line), "lines", 5), body,
                              &reply, &code);
    uint64_t accepted = spool_durable(spool) - before;
    if (status == 200)
        CLAIM(accepted == lines(&reply, "{\"status\":\"accepted\","));
    else
        CLAIM(status >= 400 && code && reply.len && !accepted);
    text_clear(&line);
    text_clear(&reply);
    return 0;
}

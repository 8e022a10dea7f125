/* SPDX-License-Identifier: MIT */
#include "catalog.h"

#include "codec/json.h"
#include "codec/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 << 20) /* bytes; a table has some thousand */

struct catalog {
    struct il_text packed;
    struct il_value value;
};

/* --- read ------------------------------------------------------------------- */

static int
read_file(const char *path, struct il_text *text, struct il_text *why)
{
    FILE *f = fopen(path, "re");
    size_t n = 1;
    int err = f ? 0 : -errno;
    while (!err && n) {
        if (text_reserve(text, 65536))
            err = -ENOMEM;
        else if ((n = fread(text->data + text->len, 1, 65536, f)) == 0)
            err = ferror(f) ? -errno : 0;
        else if ((text->len += n) > FILE_MAX)
            err = -EFBIG;
    }
    if (f)
        fclose(f);
    if (err)
        text_printf(why, "cannot read %s: %s", path, strerror(-err));
    return err;
}

static int
line_of(const struct il_text *text, size_t offset)
{
    int line = 1;
    for (size_t i = 0; i < offset && i < text->len; i++)
        line += text->data[i] == '\n';
    return line;
}

static int
unpack(struct catalog *c, const struct il_text *json, const char *path,
       struct il_text *why)
{
    struct json_error error;
    if (json_to_msgpack(json->data, json->len, &c->packed, &error)) {
        text_printf(why,
                    "%s:%d: %s; expected what `ingestlayer ddl --save` "
                    "or `plan --save` writes",
                    path, line_of(json, error.offset), error.message);
        return -EINVAL;
    }
    const char *p = c->packed.data;
    if (!msg_value(&p, c->packed.data + c->packed.len, &c->value)
        && c->value.type == IL_MAP)
        return 0;
    text_printf(why,
                "%s:1: expected an object with a member for each lane, as "
                "`ingestlayer ddl --save` and `plan --save` write it",
                path);
    return -EINVAL;
}

struct catalog *
catalog_read(const char *path, struct il_text *why)
{
    struct il_text json = { 0 };
    struct catalog *c = calloc(1, sizeof(*c));
    if (!c)
        text_puts(why, "no memory");
    if (c && (read_file(path, &json, why) || unpack(c, &json, path, why))) {
        catalog_free(c);
        c = NULL;
    }
    text_clear(&json);
    return c;
}

void
catalog_free(struct catalog *c)
{
    if (c)
        text_clear(&c->packed);
    free(c);
}

int
catalog_says(const struct catalog *c, const char *lane, struct il_text *json)
{
    struct il_value v;
    struct json_out o;
    if (!msg_find(&c->value, lane, strlen(lane), &v))
        return 0;
    json_out_begin(&o, json);
    json_out_value(&o, NULL, &v);
    return json_out_done(&o);
}

int
catalog_add(struct il_text *json, const char *lane, const struct il_text *said)
{
    int err = text_puts(json, json->len > 1 ? ",\n" : "\n");
    if (err)
        return err;
    return json_write_str(json, lane, strlen(lane), 0) < 0
               ? -ENOMEM
               : text_printf(json, ": %.*s", (int) said->len, said->data);
}

int
catalog_assume(const struct catalog *c, const struct assembly_lane *l,
               struct il_text *why)
{
    const char *lane = l->plan->lane;
    struct il_text json = { 0 };
    if (!l->destination.plugin->desc.assume)
        return 0;
    int err = c ? catalog_says(c, lane, &json) : 0;
    if (!err)
        err = instance_assume(&l->destination, json.len ? json.data : NULL,
                              json.len, why);
    text_clear(&json);
    return err;
}

/* --- written ---------------------------------------------------------------- */

int
catalog_begin(struct il_text *json)
{
    return text_puts(json, "{");
}

int
catalog_ask(struct il_text *json, const struct assembly_lane *l,
            struct il_text *why)
{
    struct il_text said = { 0 };
    if (!l->destination.plugin->desc.describe)
        return 1;
    int err = instance_describe(&l->destination, &said);
    if (err) {
        text_puts(why, said.len ? text_str(&said) : strerror(-err));
    } else if (!said.len) {
        err = 1;
    } else {
        err = catalog_add(json, l->plan->lane, &said);
    }
    text_clear(&said);
    return err;
}

int
catalog_end(struct il_text *json)
{
    return text_puts(json, "\n}\n");
}

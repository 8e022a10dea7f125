/* SPDX-License-Identifier: MIT */
/* upsert.entity: tell the store what an event says of an entity.
 *
 * The step only gathers; the host writes what all events of a batch tell, once,
 * before the batch settles.  So nothing here waits for a disk, and neither a crash
 * nor a second lane of the pipeline writes anything twice. */
#include <ingestlayer/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../enrich.entity/named.h"

#define TRAITS_MAX 256
#define MAP_HEAD 3 /* bytes of msgpack: a map of up to 65535 pairs */

struct trait {
    const char *name;
    struct il_template *value;
};

struct upsert {
    const struct il_host *host;
    struct il_kind *kind;
    struct il_field *id;
    struct trait *traits;
    size_t trait_count;
    struct il_text *map;
    struct il_counter *told, *no_id;
};

static const struct il_option trait_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Name of the trait." },
    { .name = "value",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Template; a lone reference keeps its type, and where it finds "
              "nothing the trait stays as it is." },
    IL_OPTIONS_END
};

static const struct il_option entity_options[] = {
    { .name = "kind",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Kind of the entity, as in \"user\"." },
    { .name = "id",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Reference to the entity's external_id in the event." },
    { .name = "traits",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = trait_options,
      .help = "Traits that the entity gets; it keeps the others." },
    IL_OPTIONS_END
};

static void
entity_close(void *self)
{
    struct upsert *u = self;
    for (size_t i = 0; u->traits && i < u->trait_count; i++)
        il_template_free(u->host, u->traits[i].value);
    il_field_free(u->host, u->id);
    il_text_free(u->host, u->map);
    free(u->traits);
    free(u);
}

/* One of the traits; each name once. */
static int
open_trait(struct upsert *u, const struct il_conf *conf, size_t i)
{
    const struct il_conf *group = il_conf_group(conf, "traits", i);
    struct trait *t = &u->traits[i];
    t->name = il_conf_str(group, "name");
    if (!*t->name)
        return il_conf_error(group, "name", -1, "a trait has a name");
    for (size_t k = 0; k < i; k++)
        if (!strcmp(u->traits[k].name, t->name))
            return il_conf_error(group, "name", -1,
                                 "the trait \"%.64s\" is there twice", t->name);
    return il_template_from(u->host, group, "value", &t->value);
}

static int
open_traits(struct upsert *u, const struct il_conf *conf)
{
    const size_t count = il_conf_count(conf, "traits");
    int err = 0, each;
    if (count > TRAITS_MAX)
        return il_conf_error(conf, "traits", -1,
                             "an event tells of %d traits at most", TRAITS_MAX);
    if (!(u->traits = calloc(count, sizeof *u->traits)))
        return -ENOMEM;
    u->trait_count = count;
    for (size_t i = 0; i < count; i++)
        if ((each = open_trait(u, conf, i)))
            err = each;
    return err;
}

static int
entity_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct upsert *u = calloc(1, sizeof *u);
    if (!u)
        return il_conf_error(conf, NULL, -1, "out of memory");
    u->host = host;
    u->told = il_counter_new(host, "upserts", IL_UNIT_NONE,
                             "Events that told of an entity.");
    u->no_id = il_counter_new(host, "no_id", IL_UNIT_NONE,
                              "Events that told of none, as their id is "
                              "missing or none that an entity can have.");
    int err = named_kind(conf), each;
    if ((each = il_field_from(host, conf, "id", &u->id)))
        err = each;
    if ((each = open_traits(u, conf)))
        err = each;
    if (!err && !(u->map = il_text_new(host)))
        err = -ENOMEM;
    if (!err)
        err = il_kind_named(host, il_conf_str(conf, "kind"), &u->kind);
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        entity_close(u);
        return err;
    }
    *self = u;
    return 0;
}

/* The traits that event i has something for, as a map.  Their number, or a
 * negative errno. */
static int
write_traits(const struct upsert *u, struct il_batch *batch, uint32_t i)
{
    struct il_value key = { .type = IL_STRING }, v;
    struct il_text *map = u->map;
    int n = 0;
    map->len = 0;
    if (il_text_reserve(u->host, map, MAP_HEAD))
        return -ENOMEM;
    map->len = MAP_HEAD;
    for (size_t k = 0; k < u->trait_count; k++) {
        const struct trait *t = &u->traits[k];
        int err = il_template_render(t->value, batch, i, &v);
        if (err)
            return err;
        if (v.type == IL_MISSING)
            continue;
        key.str = t->name;
        key.len = strlen(t->name);
        if ((err = il_write_msgpack(u->host, map, &key))
            || (err = il_write_msgpack(u->host, map, &v)))
            return err;
        n++;
    }
    map->data[0] = (char) 0xde; /* map 16 */
    map->data[1] = (char) (n >> 8);
    map->data[2] = (char) n;
    return n;
}

/* 1: told; 0: there is nothing to tell; -EINVAL: it names no entity; or another
 * negative errno. */
static int
tell(const struct upsert *u, struct il_batch *batch, uint32_t i)
{
    struct named_id id;
    struct il_value v;
    if (!il_get(batch, i, u->id, &v))
        return -EINVAL;
    named_id(&v, &id);
    if (!id.id || !id.len)
        return -EINVAL;
    int n = write_traits(u, batch, i);
    if (n <= 0)
        return n;
    const struct il_upsert upsert = { IL_SIZED(struct il_upsert),
                                      .encoding = IL_MSGPACK,
                                      .kind = u->kind,
                                      .id = id.id,
                                      .id_len = id.len,
                                      .traits = u->map->data,
                                      .traits_len = u->map->len };
    int err = il_entity_upsert(batch, i, &upsert);
    return err ? err : 1;
}

static int
entity_process(void *self, struct il_batch *batch)
{
    const struct upsert *u = self;
    const uint32_t count = il_batch_count(batch);
    uint64_t told = 0, no_id = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!il_live(batch, i))
            continue;
        int rc = tell(u, batch, i);
        if (rc < 0 && rc != -EINVAL)
            return rc; /* the same events come again; count them then */
        told += rc == 1;
        no_id += rc == -EINVAL;
    }
    il_counter_add(u->host, u->told, told);
    il_counter_add(u->host, u->no_id, no_id);
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "upsert.entity",
    .version = "1.0",
    .summary = "Write what an event tells of an entity.",
    .options = entity_options,
    .open = entity_open,
    .process = entity_process,
    .close = entity_close,
};

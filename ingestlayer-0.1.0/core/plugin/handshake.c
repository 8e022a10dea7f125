/* SPDX-License-Identifier: MIT */

#include "private.h"

#include "loader.h"

#include <errno.h>
#include <string.h>

/* What ABI 1.0 had: no plugin can be shorter. */
#define PLUGIN_SIZE_1_0 sizeof(struct il_plugin)
#define OPTION_SIZE_1_0 sizeof(struct il_option)
/* A table without an end, or bytes that are no table. */
#define STRIDE_MAX 4096
#define OPTIONS_MAX 255
#define DEPTH_MAX 8

const char *
plugin_kind_name(int kind)
{
    static const char *const names[] = { "?", "source", "step", "destination" };
    return kind >= IL_SOURCE && kind <= IL_DESTINATION ? names[kind] : "?";
}

static int
check_options(const struct option_table *table, int depth, const char *path,
              struct il_text *why)
{
    struct il_option o;
    if (depth > DEPTH_MAX)
        return text_printf(why, "%s: its option table nests too deep", path),
               -EINVAL;
    for (size_t i = 0; option_at(table, i, &o); i++) {
        const char *wrong = NULL;
        if (i >= OPTIONS_MAX)
            wrong = "the table has no end";
        else if (o.type < IL_OPT_STRING || o.type > IL_OPT_NUMBER)
            wrong = "an option type that this host does not know";
        else if (!*o.name
                 || strspn(o.name, "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789_")
                        != strlen(o.name))
            wrong = "a name is [a-z0-9_]+";
        else if (!o.help)
            wrong = "it has no help";
        else if (o.type == IL_OPT_GROUP && !o.children)
            wrong = "a group without children";
        else if (o.choices && o.type != IL_OPT_STRING)
            wrong = "only strings have choices";
        if (wrong) {
            text_printf(why, "%s: option \"%s\": %s", path, o.name, wrong);
            return -EINVAL;
        }
        struct option_table below = option_children(table, &o);
        if (o.type == IL_OPT_GROUP
            && check_options(&below, depth + 1, path, why))
            return -EINVAL;
    }
    return 0;
}

static const char *
missing_callback(const struct il_plugin *p)
{
    if (!p->open)
        return "open";
    if (p->kind == IL_STEP && !p->process)
        return "process";
    if (p->kind == IL_DESTINATION && !p->write)
        return "write";
    return NULL;
}

static int
check_desc(const struct il_plugin *p, const char *name, const char *path,
           struct il_text *why)
{
    if (p->kind < IL_SOURCE || p->kind > IL_DESTINATION)
        return text_printf(why,
                           "%s is of kind %u, which this host does not "
                           "know (1 source, 2 step, 3 destination)",
                           path, p->kind);
    if (!p->name || strcmp(p->name, name) != 0)
        return text_printf(why,
                           "%s calls itself \"%s\"; file and name must "
                           "be the same",
                           path, p->name ? p->name : "");
    if (!p->version || !p->summary)
        return text_printf(why, "%s has no %s", path,
                           p->version ? "summary" : "version");
    if (p->threads > IL_PARALLEL)
        return text_printf(why,
                           "%s declares a threading (%u) that this host "
                           "does not know",
                           path, p->threads);
    const char *missing = missing_callback(p);
    if (missing)
        return text_printf(why, "%s is a %s without %s()", path,
                           plugin_kind_name(p->kind), missing);
    return 0;
}

int
plugin_handshake(const void *symbol, const char *name, const char *path,
                 struct il_plugin *out, struct il_text *why)
{
    const struct il_plugin *theirs = symbol;
    const size_t before = why->len;
    if (!theirs) {
        text_printf(why,
                    "%s is not an ingestlayer plugin: it has no symbol "
                    "il_plugin",
                    path);
        return -EINVAL;
    }
    /* These stand where they are in every version. */
    if (theirs->abi_major != IL_ABI_MAJOR) {
        text_printf(why,
                    "%s was built for plugin ABI %u.%u, this host has "
                    "%d.%d; rebuild it",
                    path, theirs->abi_major, theirs->abi_minor, IL_ABI_MAJOR,
                    IL_ABI_MINOR);
        return -EINVAL;
    }
    if (theirs->struct_size < PLUGIN_SIZE_1_0) {
        text_printf(why,
                    "%s: its descriptor has %u bytes, ABI %d.0 has %zu; "
                    "begin it with IL_PLUGIN_ABI",
                    path, theirs->struct_size, IL_ABI_MAJOR,
                    (size_t) PLUGIN_SIZE_1_0);
        return -EINVAL;
    }
    if (theirs->needs_minor > IL_ABI_MINOR) {
        text_printf(why,
                    "%s needs plugin ABI %d.%u or later, this host has "
                    "%d.%d; upgrade ingestlayer",
                    path, IL_ABI_MAJOR, theirs->needs_minor, IL_ABI_MAJOR,
                    IL_ABI_MINOR);
        return -EINVAL;
    }
    if (theirs->options
        && (theirs->option_size < OPTION_SIZE_1_0
            || theirs->option_size > STRIDE_MAX
            || theirs->option_size % sizeof(void *))) {
        text_printf(why,
                    "%s: its options have %u bytes each, ABI %d.0 has "
                    "%zu; begin the descriptor with IL_PLUGIN_ABI",
                    path, theirs->option_size, IL_ABI_MAJOR,
                    (size_t) OPTION_SIZE_1_0);
        return -EINVAL;
    }
    *out = (struct il_plugin){ 0 };
    memcpy(out, theirs,
           theirs->struct_size < sizeof(*out) ? theirs->struct_size
                                              : sizeof(*out));
    check_desc(out, name, path, why);
    struct option_table table = { out->options, out->option_size };
    if (why->len == before)
        check_options(&table, 0, path, why);
    return why->len == before ? 0 : -EINVAL;
}

/* SPDX-License-Identifier: MIT */

#include "private.h"

#include "loader.h"
#include "base/api.h"

#include <errno.h>
#include <string.h>

/* What each minor version had, ours last.  A plugin of a version that we know
 * has these sizes and no others: else it was built with a header that was never
 * released. */
struct sizes {
    size_t plugin, option, api;
};
static const struct sizes versions[] = {
    { sizeof(struct il_plugin), sizeof(struct il_option),
      sizeof(struct il_api) } /* 1.0 */
};
_Static_assert(sizeof(versions) / sizeof(versions[0]) == IL_ABI_MINOR + 1,
               "a row for each minor version");

#define OPTION_FLAGS                                                           \
    (IL_OPT_REQUIRED | IL_OPT_LIST | IL_OPT_SECRET | IL_OPT_SHORT)
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

/* The host's in every place, for ever. */
static int
is_reserved(const char *name)
{
    return !strcmp(name, "plugin") || !strcmp(name, "name")
           || !strcmp(name, "host");
}

static const char *
option_fault(const struct il_option *o, size_t i, int depth)
{
    if (i >= OPTIONS_MAX)
        return "the table has no end";
    if (o->type < IL_OPT_STRING || o->type > IL_OPT_NUMBER)
        return "an option type that this host does not know";
    if (o->flags & ~(uint32_t) OPTION_FLAGS)
        return "an option flag that this host does not know";
    if (!*o->name
        || strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_")
               != strlen(o->name))
        return "a name is [a-z0-9_]+";
    if (depth == 0 && is_reserved(o->name))
        return "that name is the host's";
    if (!o->help)
        return "it has no help";
    if (o->type == IL_OPT_GROUP && !o->children)
        return "a group without children";
    if (o->choices && o->type != IL_OPT_STRING)
        return "only strings have choices";
    return NULL;
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
        const char *wrong = option_fault(&o, i, depth);
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
    if (p->flags & ~(uint32_t) (IL_PER_EVENT | IL_TICKS | IL_REDACTS))
        return text_printf(why,
                           "%s has a flag (0x%x) that this host does not know",
                           path, p->flags);
    if ((p->flags & IL_PER_EVENT) && (p->kind != IL_DESTINATION || p->resume))
        return text_printf(why,
                           "%s says IL_PER_EVENT, which is for destinations "
                           "without resume()",
                           path);
    if ((p->flags & IL_TICKS) && p->kind != IL_SOURCE)
        return text_printf(why, "%s says IL_TICKS, which is for sources", path);
    if ((p->flags & IL_REDACTS) && p->kind != IL_STEP)
        return text_printf(why, "%s says IL_REDACTS, which is for steps", path);
    const char *missing = missing_callback(p);
    if (missing)
        return text_printf(why, "%s is a %s without %s()", path,
                           plugin_kind_name(p->kind), missing);
    return 0;
}

/* 0, or -EINVAL after appending to why. */
static int
check_version(const struct il_plugin *p, const char *path, struct il_text *why)
{
    if (p->abi_major != IL_ABI_MAJOR) {
        text_printf(why,
                    "%s was built for plugin ABI %u.%u, this host has "
                    "%d.%d; rebuild it",
                    path, p->abi_major, p->abi_minor, IL_ABI_MAJOR,
                    IL_ABI_MINOR);
        return -EINVAL;
    }
    /* The rest of the head is there in each version of this major one. */
    if (p->struct_size < API_SIZE_WITH(struct il_plugin, kind))
        return 0;
    if (p->needs_minor > p->abi_minor)
        text_printf(why,
                    "%s says that it needs plugin ABI %d.%u but was built for "
                    "%d.%u (a fault of the plugin)",
                    path, IL_ABI_MAJOR, p->needs_minor, IL_ABI_MAJOR,
                    p->abi_minor);
    else if (p->needs_minor > IL_ABI_MINOR)
        text_printf(why,
                    "%s needs plugin ABI %d.%u or later, this host has "
                    "%d.%d; upgrade ingestlayer",
                    path, IL_ABI_MAJOR, p->needs_minor, IL_ABI_MAJOR,
                    IL_ABI_MINOR);
    else
        return 0;
    return -EINVAL;
}

/* Of a version that we know a size is what that had; a later one may have
 * appended. */
static int
check_size(const struct il_plugin *p, const char *what, size_t is,
           size_t version_size, const char *path, struct il_text *why)
{
    const int known = p->abi_minor <= IL_ABI_MINOR;
    if (known ? is == version_size : is >= version_size)
        return 0;
    text_printf(why, "%s: its %s %zu bytes, ABI %d.%d has %zu; rebuild it",
                path, what, is, IL_ABI_MAJOR,
                known ? p->abi_minor : IL_ABI_MINOR, version_size);
    return -EINVAL;
}

static int
check_sizes(const struct il_plugin *p, const char *path, struct il_text *why)
{
    const size_t ours = sizeof(versions) / sizeof(versions[0]) - 1;
    const struct sizes *v =
        &versions[p->abi_minor < ours ? p->abi_minor : ours];
    if (check_size(p, "descriptor has", p->struct_size, v->plugin, path, why)
        || check_size(p, "options have", p->option_size, v->option, path, why)
        || check_size(p, "function table has", p->api_size, v->api, path, why))
        return -EINVAL;
    if (p->option_size > STRIDE_MAX || p->option_size % sizeof(void *)) {
        text_printf(why,
                    "%s: its options have %u bytes, which is no distance of "
                    "options; rebuild it",
                    path, p->option_size);
        return -EINVAL;
    }
    return 0;
}

int
plugin_handshake(const void *symbol, const char *name, const char *path,
                 struct il_plugin *out, struct il_text *why)
{
    const struct il_plugin *theirs = symbol;
    if (!theirs) {
        text_printf(why,
                    "%s is not an ingestlayer plugin: it has no symbol "
                    "il_plugin",
                    path);
        return -EINVAL;
    }
    if (check_version(theirs, path, why) || check_sizes(theirs, path, why))
        return -EINVAL;
    api_copy(out, sizeof(*out), theirs, 0);
    const size_t before = why->len;
    check_desc(out, name, path, why);
    struct option_table table = { out->options, out->option_size };
    if (why->len == before)
        check_options(&table, 0, path, why);
    return why->len == before ? 0 : -EINVAL;
}

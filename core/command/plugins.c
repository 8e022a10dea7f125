/* SPDX-License-Identifier: MIT */
/* ingestlayer plugins: which there are, and the options of one of them, from
 * its own table. */
#include "private.h"

#include "plugin/loader.h"
#include "host/settings.h"

#include <string.h>
#include <unistd.h>

enum { VERIFY = COMMAND_FLAG + 1 };

static const struct command_option options[] = {
    { 'c', "config", "FILE", "look in the plugin_dir of this config as well" },
    { COMMAND_FLAG, "dump", NULL, "key=value lines, for scripts" },
    { VERIFY, "verify", "FILE",
      "exit 1 where it breaks something; OPTIONS is what would stand between "
      "its braces in a config: 'where = \"n > 1\";'" },
    { 0 }
};

const struct command_help command_plugins_help = {
    .text = "usage: ingestlayer plugins [-c FILE] [--dump] [NAME]\n"
            "       ingestlayer plugins --verify FILE [OPTIONS]\n"
            "List the plugins, or the options of one; or run one through what "
            "goes wrong\nin the life of a daemon, and name what it breaks.\n",
    .options = options,
};

/* --- for people ---------------------------------------------------------- */

/* Text broken between words, each line indented. */
static void
print_wrapped(const char *text, int indent)
{
    enum { WIDTH = 78 };
    int column = 0;
    for (const char *p = text; *p;) {
        int len = (int) strcspn(p, " ");
        if (column && column + 1 + len > WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column == 0) {
            printf("%*s", indent, "");
            column = indent;
        } else {
            putchar(' ');
            column++;
        }
        printf("%.*s", len, p);
        column += len;
        p += len;
        p += strspn(p, " ");
    }
    putchar('\n');
}

static void
print_range(const struct il_option *o)
{
    char low[32], high[32];
    if (o->min == 0 && o->max == 0)
        return;
    option_format(low, o->type, o->min);
    option_format(high, o->type, o->max);
    const char *unit = o->type == IL_OPT_STRING ? " bytes" : "";
    if (o->max == 0 || o->max == INT64_MAX)
        printf(", %s%s or more", low, unit);
    else
        printf(", %s to %s%s", low, high, unit);
}

static void
print_options(const struct option_table *table, int indent)
{
    struct il_option o;
    for (size_t i = 0; option_at(table, i, &o); i++) {
        const int list = (o.flags & IL_OPT_LIST) != 0;
        printf("%*s%s: %s%s", indent, "", o.name, list ? "list of " : "",
               option_type_name(o.type));
        if (list)
            putchar('s');
        if (o.flags & IL_OPT_REQUIRED)
            printf(", required");
        if (o.flags & IL_OPT_SECRET)
            printf(", secret");
        print_range(&o);
        if (o.choices)
            printf(", one of %s", o.choices);
        if (o.def && o.type != IL_OPT_GROUP)
            printf(", default %s", o.def);
        putchar('\n');
        print_wrapped(o.help, indent + 4);
        if (o.type == IL_OPT_GROUP && !(o.flags & OPTION_AGAIN)) {
            struct option_table below = option_children(table, &o);
            print_options(&below, indent + 4);
        }
    }
}

static void
print_plugin(const struct plugin *p)
{
    static const struct option_table source = { settings_source,
                                                sizeof(struct il_option) };
    static const struct option_table step = { settings_step,
                                              sizeof(struct il_option) };
    static const struct option_table destination = { settings_destination,
                                                     sizeof(struct il_option) };
    printf("%s %s, a %s: %s\n", p->desc.name, p->desc.version,
           plugin_kind_name(p->desc.kind), p->desc.summary);
    printf("\nits options:\n");
    print_options(&p->options, 4);
    printf("\noptions of every %s:\n", plugin_kind_name(p->desc.kind));
    print_options(p->desc.kind == IL_SOURCE ? &source
                  : p->desc.kind == IL_STEP ? &step
                                            : &destination,
                  4);
}

/* --- for scripts --------------------------------------------------------- */

static void
dump_options(const struct option_table *table, const char *prefix)
{
    struct il_option o;
    for (size_t i = 0; option_at(table, i, &o); i++) {
        char name[512];
        snprintf(name, sizeof(name), "%s%s", prefix, o.name);
        printf("option.%s.type=%s\n", name, option_type_name(o.type));
        printf("option.%s.required=%d\n", name,
               (o.flags & IL_OPT_REQUIRED) != 0);
        printf("option.%s.list=%d\n", name, (o.flags & IL_OPT_LIST) != 0);
        printf("option.%s.secret=%d\n", name, (o.flags & IL_OPT_SECRET) != 0);
        if (o.def)
            printf("option.%s.default=%s\n", name, o.def);
        if (o.choices)
            printf("option.%s.choices=%s\n", name, o.choices);
        if (o.min || o.max) {
            printf("option.%s.min=%lld\n", name, (long long) o.min);
            printf("option.%s.max=%lld\n", name, (long long) o.max);
        }
        if (o.type == IL_OPT_GROUP && !(o.flags & OPTION_AGAIN)) {
            struct option_table below = option_children(table, &o);
            snprintf(name, sizeof(name), "%s%s.", prefix, o.name);
            dump_options(&below, name);
        }
    }
}

static void
dump_plugin(const struct plugin *p)
{
    printf("name=%s\nkind=%s\nversion=%s\nsummary=%s\npath=%s\n"
           "abi=%u.%u\nneeds_minor=%u\nthreads=%u\n",
           p->desc.name, plugin_kind_name(p->desc.kind), p->desc.version,
           p->desc.summary, p->path, p->desc.abi_major, p->desc.abi_minor,
           p->desc.needs_minor, p->desc.threads);
    dump_options(&p->options, "");
}

/* The host's own tables under names that no plugin can have. */
static int
dump_host(const char *name)
{
    static const struct {
        const char *name;
        const struct il_option *table;
    } tables[] = { { "(root)", settings_root },
                   { "(tests)", settings_tests },
                   { "(source)", settings_source },
                   { "(step)", settings_step },
                   { "(destination)", settings_destination } };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(tables[i].name, name) != 0)
            continue;
        struct option_table t = OPTION_TABLE(tables[i].table);
        dump_options(&t, "");
        return 1;
    }
    return 0;
}

/* --- the command --------------------------------------------------------- */

static int
list(struct loader *loader, int dump)
{
    const char *const *names;
    size_t n = loader_names(loader, &names);
    int failed = 0, width = 0;
    for (size_t i = 0; i < n; i++)
        if ((int) strlen(names[i]) > width)
            width = (int) strlen(names[i]);
    for (size_t i = 0; i < n; i++) {
        struct il_text why = { 0 };
        const struct plugin *p = loader_get(loader, names[i], 0, &why);
        if (!p) {
            fprintf(stderr, "ingestlayer: %s\n", text_str(&why));
            failed = 1;
        } else if (dump) {
            dump_plugin(p);
        } else {
            printf("%-*s  %-11s  %-7s  %s\n", width, p->desc.name,
                   plugin_kind_name(p->desc.kind), p->desc.version,
                   p->desc.summary);
        }
        text_clear(&why);
    }
    if (!n)
        fprintf(stderr, "ingestlayer: there are no plugins\n");
    return failed || !n;
}

static int
show(struct loader *loader, const char *name, int dump)
{
    if (dump && dump_host(name))
        return 0;
    struct il_text why = { 0 };
    const struct plugin *p = loader_get(loader, name, 0, &why);
    if (!p)
        fprintf(stderr, "ingestlayer: %s\n", text_str(&why));
    else if (dump)
        dump_plugin(p);
    else
        print_plugin(p);
    text_clear(&why);
    return !p;
}

/* Without a config only the standard places count. */
static struct loader *
make_loader(const char *path)
{
    if (!path)
        return loader_new(NULL, 0);
    struct conf *conf = conf_new();
    struct loader *loader = NULL;
    const struct il_conf *g = command_host_options(conf, path);
    if (g) {
        const char *dirs[16];
        size_t n = 0;
        for (; n < option_count(g, "plugin_dir") && n < 16; n++)
            dirs[n] = option_str(g, "plugin_dir", n);
        loader = loader_new(dirs, n);
    }
    conf_free(conf);
    return loader;
}

int
command_plugins(int argc, char **argv)
{
    const char *config = NULL, *file = NULL;
    int dump = 0;
    for (int c; (c = command_next(argc, argv, &command_plugins_help)) != -1;) {
        if (c == 'c')
            config = optarg;
        else if (c == COMMAND_FLAG)
            dump = 1;
        else if (c == VERIFY)
            file = optarg;
        else
            return c == 'h' ? 0 : 2;
    }
    const char *name = argv[optind];
    if (name && argv[optind + 1])
        return command_unexpected(argv[0], argv[optind + 1],
                                  &command_plugins_help);
    if (file)
        return command_verify(file, name ? name : "");
    struct loader *loader = make_loader(config);
    if (!loader)
        return 1;
    int failed = name ? show(loader, name, dump) : list(loader, dump);
    loader_free(loader);
    return failed;
}

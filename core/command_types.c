/* SPDX-License-Identifier: MIT */
/* ingestlayer types: the declared events as TypeScript, so that the compiler
 * of whoever sends them says what the gate would say. */
#include "command.h"
#include "conf.h"
#include "json.h"
#include "plan.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char usage[] =
    "usage: ingestlayer types [-c FILE]\n"
    "Print the declared events as TypeScript for @ingestlayer/sdk.\n"
    "  -c, --config FILE  the config (" COMMAND_CONF_DEFAULT ")\n";

static const char head[] =
    "// Made by `ingestlayer types` from `events` of the config: change it "
    "there.\n"
    "import \"@ingestlayer/sdk\";\n"
    "\n"
    "declare module \"@ingestlayer/sdk\" {\n"
    "  interface Events {\n";

static const char tail[] = "  }\n"
                           "}\n";

static const char *const types[] = {
    [SCHEMA_STRING] = "string",
    [SCHEMA_NUMBER] = "number | bigint",
    [SCHEMA_INTEGER] = "number | bigint",
    [SCHEMA_BOOLEAN] = "boolean",
    [SCHEMA_OBJECT] = "Record<string, unknown>",
    [SCHEMA_ARRAY] = "readonly unknown[]",
    [SCHEMA_TIMESTAMP] = "string",
};

/* Can it stand without quotes?  TypeScript takes letters of all languages, but
 * which ones depends on its version. */
static int
is_identifier(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_$";
    return *name && strchr(letters, *name)
           && name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_$0123456789")]
                  == '\0';
}

static int
put_name(struct il_text *out, const char *name, size_t len)
{
    int64_t n = json_write_str(out, name, len, 0);
    return n < 0 ? (int) n : 0;
}

/* A field that may be left out may be null as well: to the gate both are the
 * same. */
static int
put_field(struct il_text *out, const struct schema_field *f)
{
    int err = text_puts(out, "      ");
    if (!err)
        err = is_identifier(f->name) ? text_puts(out, f->name)
                                     : put_name(out, f->name, f->name_len);
    if (!err)
        err = text_printf(out, f->required ? ": %s;" : "?: %s | null;",
                          types[f->type]);
    if (!err && f->type == SCHEMA_INTEGER)
        err = text_puts(out, " // integer");
    if (!err && f->type == SCHEMA_TIMESTAMP)
        err = text_puts(out, " // RFC 3339");
    return err ? err : text_putc(out, '\n');
}

static int
put_event(struct il_text *out, const struct schema_event *e)
{
    int err = text_puts(out, "    ");
    if (!err)
        err = put_name(out, e->type, e->type_len);
    if (!err)
        err = text_puts(out, ": {\n");
    for (size_t i = 0; i < e->count && !err; i++)
        err = put_field(out, &e->fields[i]);
    if (!err && e->allow_unknown)
        err = text_puts(out, "      [field: string]: unknown;\n");
    /* {} would take anything, a number too. */
    else if (!err && !e->count)
        err = text_puts(out, "      [field: string]: never;\n");
    return err ? err : text_puts(out, "    };\n");
}

static int
put_schema(struct il_text *out, const struct schema *schema)
{
    int err = text_puts(out, head);
    for (size_t i = 0; i < schema_count(schema) && !err; i++)
        err = put_event(out, schema_at(schema, i));
    return err ? err : text_puts(out, tail);
}

static int
print_types(const struct schema *schema)
{
    struct il_text out = { 0 };
    int err = put_schema(&out, schema);
    if (!err
        && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout)))
        err = -errno;
    if (err)
        fprintf(stderr, "ingestlayer: cannot print the types: %s\n",
                strerror(-err));
    text_clear(&out);
    return err != 0;
}

int
command_types(int argc, char **argv)
{
    static const struct option options[] = { { "config", required_argument,
                                               NULL, 'c' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const char *path = COMMAND_CONF_DEFAULT;
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else
            return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
    }
    if (optind < argc)
        return fputs(usage, stderr), 2;

    struct plan *plan = plan_parse(path);
    plan_load_events(plan);
    conf_print(plan->conf, stderr);
    int failed = conf_errors(plan->conf) != 0;
    if (!failed)
        failed = print_types(plan->schema);
    plan_free(plan);
    return failed;
}

/* SPDX-License-Identifier: MIT */
/* ingestlayer types: the declared events as TypeScript, so that the compiler
 * of whoever sends them says what the gate would say. */
#include "private.h"

#include "base/text.h"
#include "codec/json.h"
#include "conf/conf.h"
#include "host/plan.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP }, { 0 }
};

const struct command_help command_types_help = {
    .text = "usage: ingestlayer types [-c FILE]\n"
            "Print the declared events as TypeScript for @ingestlayer/sdk.\n",
    .options = options,
};

static const char head[] =
    "// Made by `ingestlayer types` from `events` of the config: change it "
    "there.\n"
    "import \"@ingestlayer/sdk\";\n"
    "\n"
    "declare module \"@ingestlayer/sdk\" {\n"
    "  interface Events {\n";

static const char tail[] = "  }\n"
                           "}\n";

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

static int
indent(struct il_text *out, int depth)
{
    return text_printf(out, "%*s", 2 * depth, "");
}

/* --- values to choose from ------------------------------------------------ */

#define SAFE_INTEGER ((INT64_C(1) << 53) - 1)

/* Digits of a number that a double has to keep. */
static size_t
significant_digits(const struct il_value *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->len && (v->str[i] | 0x20) != 'e'; i++)
        n += v->str[i] >= '0' && v->str[i] <= '9';
    return n;
}

/* A literal that is this number exactly; where a double cannot be, a bigint or
 * any number. */
static int
put_number(struct il_text *out, const struct il_value *v)
{
    if (v->type == IL_UINT)
        return text_printf(out, "%" PRIu64 "n", v->num.u);
    if (v->type == IL_INT)
        return text_printf(out, "%" PRId64 "%s", v->num.i,
                           v->num.i > SAFE_INTEGER || v->num.i < -SAFE_INTEGER
                               ? "n" : "");
    char *end;
    double value = strtod(v->str, &end);
    if (value == 0)
        return text_puts(out, "0");
    if (isfinite(value) && significant_digits(v) <= DBL_DIG)
        return text_put(out, v->str, v->len);
    if (!strpbrk(v->str, ".eE"))
        return text_printf(out, "%sn", v->str);
    return text_puts(out, "number");
}

static int
put_choices(struct il_text *out, const struct schema_choices *c)
{
    int err = 0;
    for (uint32_t i = 0; i < c->count && !err; i++) {
        if (i)
            err = text_puts(out, " | ");
        if (!err)
            err = c->numbers ? put_number(out, &c->numbers[i])
                             : put_name(out, c->texts.names[i].ptr,
                                        c->texts.names[i].len);
    }
    return err;
}

/* --- types ---------------------------------------------------------------- */

static int put_object(struct il_text *, const struct schema_object *, int depth);
static int put_type(struct il_text *, const struct schema_node *, int depth);

/* What stands before [] is one word, or in parentheses. */
static int
put_array(struct il_text *out, const struct schema_node *items, int depth)
{
    int plain = !items->nullable && !items->choices
                && items->type != SCHEMA_ARRAY && items->type != SCHEMA_NUMBER
                && items->type != SCHEMA_INTEGER;
    int err = text_puts(out, plain ? "readonly " : "readonly (");
    if (!err)
        err = put_type(out, items, depth);
    if (!err && items->nullable)
        err = text_puts(out, " | null");
    return err ? err : text_puts(out, plain ? "[]" : ")[]");
}

static int
put_type(struct il_text *out, const struct schema_node *node, int depth)
{
    if (node->choices)
        return put_choices(out, node->choices);
    switch (node->type) {
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER:
        return text_puts(out, "number | bigint");
    case SCHEMA_BOOLEAN:
        return text_puts(out, "boolean");
    case SCHEMA_OBJECT:
        return node->object ? put_object(out, node->object, depth)
                            : text_puts(out, "Record<string, unknown>");
    case SCHEMA_ARRAY:
        return node->items ? put_array(out, node->items, depth)
                           : text_puts(out, "readonly unknown[]");
    default:
        return text_puts(out, "string");
    }
}

/* What the compiler cannot check stands in a comment. */
static int
put_comment(struct il_text *out, const struct schema_node *node)
{
    const char *what = node->type == SCHEMA_INTEGER     ? "integer"
                       : node->type == SCHEMA_TIMESTAMP ? "RFC 3339"
                       : node->format == SCHEMA_UUID    ? "UUID"
                       : node->format == SCHEMA_EMAIL   ? "email address"
                       : node->format == SCHEMA_URI     ? "URI"
                                                        : NULL;
    return what && !node->choices ? text_printf(out, " // %s", what) : 0;
}

/* A field that may be left out may be null as well: to the gate both are the
 * same. */
static int
put_field(struct il_text *out, const struct schema_field *f, int depth)
{
    const int null = !f->required || f->node.nullable;
    int err = indent(out, depth);
    if (!err)
        err = is_identifier(f->name) ? text_puts(out, f->name)
                                     : put_name(out, f->name, f->name_len);
    if (!err)
        err = text_puts(out, f->required ? ": " : "?: ");
    if (!err)
        err = put_type(out, &f->node, depth);
    if (!err)
        err = text_puts(out, null ? " | null;" : ";");
    if (!err)
        err = put_comment(out, &f->node);
    return err ? err : text_putc(out, '\n');
}

static int
put_object(struct il_text *out, const struct schema_object *o, int depth)
{
    int err = text_puts(out, "{\n");
    for (size_t i = 0; i < o->count && !err; i++)
        err = put_field(out, &o->fields[i], depth + 1);
    if (!err && (o->allow_unknown || !o->count))
        err = indent(out, depth + 1);
    if (!err && o->allow_unknown)
        err = text_puts(out, "[field: string]: unknown;\n");
    /* {} would take anything, a number too. */
    else if (!err && !o->count)
        err = text_puts(out, "[field: string]: never;\n");
    if (!err)
        err = indent(out, depth);
    return err ? err : text_putc(out, '}');
}

static int
put_event(struct il_text *out, const struct schema_event *e)
{
    int err = indent(out, 2);
    if (!err)
        err = put_name(out, e->type, e->type_len);
    if (!err)
        err = text_puts(out, ": ");
    if (!err)
        err = put_object(out, &e->object, 2);
    return err ? err : text_puts(out, ";\n");
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
    struct command_line line = { .help = &command_types_help,
                                 .config = COMMAND_CONF_DEFAULT };
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;

    struct plan *plan = plan_parse(line.config);
    plan_load_events(plan);
    conf_print(plan->conf, stderr);
    int failed = conf_errors(plan->conf) != 0;
    if (!failed)
        failed = print_types(plan->schema);
    plan_free(plan);
    return failed;
}

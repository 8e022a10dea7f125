/* SPDX-License-Identifier: MIT */
/* `ingestlayer entity`: the entity store from the shell, beside a running
 * daemon or without one. */
#include "private.h"
#include "entity.h"

#include "base/state_dir.h"
#include "store/entity_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_PAGE 1000 /* entities of one read transaction */

enum { FROM_LINE = COMMAND_FLAG, JSON };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 's', "state-dir", "DIR", "the state_dir, without reading a config" },
    { 'k', "kind", "KIND",
      "import: kind of entities that name none (default user); list: only this "
      "kind" },
    { 'i', "id-column", "NAME",
      "import: CSV column with the ids (default external_id, <kind>_id or "
      "id)" },
    { 'f', "format", "FORMAT",
      "import: csv or ndjson (default: ndjson when the text begins with {, "
      "else "
      "csv)" },
    { 'd', "delimiter", "CHAR",
      "import: of CSV; \"tab\" for a tab (default: the first of , ; and tab "
      "that the header has)" },
    { 't', "typed", NULL,
      "import: in CSV numbers, true, false and null become JSON values, empty "
      "cells null (default: all strings)" },
    { FROM_LINE, "from-line", "N",
      "import: go on at this line of the file, as one that was interrupted "
      "says" },
    { JSON, "json", NULL,
      "import, mirror status: as JSON; get and list always are" },
    { 'n', "limit", "N", "list: at most N entities" },
    { 0 }
};

const struct command_help command_entity_help = {
    .text = "usage: ingestlayer entity import [options] FILE|-\n"
            "       ingestlayer entity get [options] KIND ID\n"
            "       ingestlayer entity list [options]\n"
            "       ingestlayer entity delete [options] KIND ID...\n"
            "       ingestlayer entity mirror [options] run SOURCE/NAME\n"
            "       ingestlayer entity mirror [options] status [SOURCE/NAME]\n"
            "\n"
            "    ingestlayer entity import --kind user users.csv\n"
            "\n",
    .verbs = "import get list delete mirror",
    .options = options,
};

struct command {
    const char *config, *state_dir, *kind;
    struct entity_import import;
    uint64_t limit;
    int json;
    struct entities *store;
};

static int
command_usage(const char *fmt, const char *what)
{
    fprintf(stderr, "ingestlayer entity: ");
    fprintf(stderr, fmt, what);
    fprintf(stderr, "; see ingestlayer entity --help\n");
    return 2;
}

/* Open the store; where it is only read, it must be there already. */
static int
command_open(struct command *c, int writes)
{
    char found[4096], path[4096];
    const char *dir = c->state_dir;
    uint64_t map_size = 0;
    if (!dir) {
        if (command_find_entities(c->config, found, sizeof(found), &map_size))
            return 1;
        dir = found;
    }
    if (state_dir_path(path, sizeof(path), dir, ENTITY_DIR)) {
        fprintf(stderr, "ingestlayer entity: the name of state_dir is too "
                        "long\n");
        return 1;
    }
    /* An import may come before the daemon's first start. */
    if (command_become_owner(dir, writes))
        return 1; /* has said why */
    if (!writes && access(path, F_OK) != 0 && errno == ENOENT) {
        fprintf(stderr,
                "ingestlayer entity: there are no entities yet: %s "
                "does not exist\n",
                path);
        return 1;
    }
    return entity_open(path, map_size, &c->store) ? 1 : 0; /* has said why */
}

static int
command_failed(const char *what, int err)
{
    fprintf(stderr, "ingestlayer entity: %s: %s\n", what, strerror(-err));
    return 1;
}

static int
command_import(struct command *c, char **args, int n)
{
    struct entity_import *job = &c->import;
    if (n != 1)
        return command_usage("import takes one file, or - for %s",
                             "standard input");
    job->kind = slice_of(c->kind, strlen(c->kind));
    int std = !strcmp(args[0], "-");
    job->name = std ? "standard input" : args[0];
    job->in = std ? stdin : fopen(args[0], "re");
    if (!job->in) {
        fprintf(stderr, "ingestlayer entity: cannot open %s: %s\n", args[0],
                strerror(errno));
        return 1;
    }
    int status = command_open(c, 1);
    if (!status) {
        job->store = c->store;
        status = command_entity_import(job, c->json);
    }
    if (!std)
        fclose(job->in);
    return status;
}

static int
command_get(struct command *c, char **args, int n)
{
    struct il_text copy = { 0 }, json = { 0 };
    struct entity one;
    if (n != 2)
        return command_usage("get takes %s", "a kind and an id");
    int status = command_open(c, 0);
    if (status)
        return status;
    int found = entity_get(c->store, slice_of(args[0], strlen(args[0])),
                           slice_of(args[1], strlen(args[1])), &copy, &one);
    int err = found < 0 ? found : found ? entity_json(&json, &one) : 0;
    if (err) {
        status = command_failed("cannot read the store", err);
    } else if (!found) {
        fprintf(stderr, "ingestlayer entity: no %s \"%s\"\n", args[0], args[1]);
        status = 1;
    } else {
        puts(text_str(&json));
    }
    text_clear(&copy);
    text_clear(&json);
    return status;
}

struct listing {
    struct il_text json, last;
    int with_kind;
    uint64_t count;
};

static int
list_one(void *arg, const struct entity *one)
{
    struct listing *l = arg;
    l->last.len = 0;
    int err = entity_json(&l->json, one);
    if (!err)
        err = text_putc(&l->json, '\n');
    if (!err && l->with_kind) {
        err = text_put(&l->last, one->kind.ptr, one->kind.len);
        if (!err)
            err = text_putc(&l->last, '/');
    }
    l->count++;
    return err ? err : text_put(&l->last, one->id.ptr, one->id.len);
}

/* Page by page, so that a slow terminal does not hold a read transaction. */
static int
list_all(struct command *c, struct listing *l, struct slice kind)
{
    uint64_t left = c->limit ? c->limit : UINT64_MAX;
    for (;;) {
        struct slice after = { l->count ? l->last.data : NULL, l->last.len };
        uint32_t want = left < LIST_PAGE ? (uint32_t) left : LIST_PAGE;
        uint64_t before = l->count;
        struct il_text last = { 0 };
        if (after.ptr && text_put(&last, after.ptr, after.len))
            return -ENOMEM;
        after.ptr = last.data;
        l->json.len = 0;
        int err = entity_each(c->store, kind, after, want, list_one, l);
        text_clear(&last);
        if (err)
            return err;
        if (l->json.len)
            fwrite(l->json.data, 1, l->json.len, stdout);
        left -= l->count - before;
        if (l->count - before < want || !left)
            return 0;
    }
}

static int
command_list(struct command *c, int n)
{
    struct listing l = { .with_kind = !c->kind };
    struct slice kind = { c->kind, c->kind ? strlen(c->kind) : 0 };
    if (n)
        return command_usage("list takes no %s", "arguments");
    int status = command_open(c, 0);
    if (status)
        return status;
    int err = list_all(c, &l, kind);
    text_clear(&l.json);
    text_clear(&l.last);
    return err ? command_failed("cannot read the store", err) : 0;
}

static int
command_delete(struct command *c, char **args, int n)
{
    if (n < 2)
        return command_usage("delete takes %s", "a kind and ids");
    int status = command_open(c, 0);
    for (int i = 1; i < n && c->store; i++) {
        int err = entity_delete(c->store, slice_of(args[0], strlen(args[0])),
                                slice_of(args[i], strlen(args[i])));
        if (err < 0)
            return command_failed("cannot write the store", err);
        if (err == 0) {
            fprintf(stderr, "ingestlayer entity: no %s \"%s\"\n", args[0],
                    args[i]);
            status = 1;
        }
    }
    return status;
}

static int
command_mirror(struct command *c, char **args, int n)
{
    const char *verb = n ? args[0] : "";
    if (strcmp(verb, "run") ? strcmp(verb, "status") || n > 2 : n != 2)
        return command_usage("mirror takes run and the name of a mirror, or %s",
                             "status");
    int status = command_open(c, 0);
    return status ? status
                  : command_entity_mirror(c->store, verb,
                                          n == 2 ? args[1] : NULL, c->json);
}

/* --- options ------------------------------------------------------------- */

/* Options with a value that can be wrong.  0, or 2 after a message. */
static int
command_value(struct command *c, int option, const char *value)
{
    char *end = NULL;
    if (option == 'k') {
        if (!entity_kind_valid(slice_of(value, strlen(value))))
            return command_usage("\"%s\" is not the name of a kind", value);
        c->kind = value;
    } else if (option == 'f') {
        if (!strcmp(value, "csv"))
            c->import.format = IMPORT_CSV;
        else if (!strcmp(value, "ndjson"))
            c->import.format = IMPORT_NDJSON;
        else
            return command_usage("\"%s\" is neither csv nor ndjson", value);
    } else if (option == 'd') {
        if (!strcmp(value, "tab") || !strcmp(value, "\\t"))
            value = "\t";
        if (strlen(value) != 1 || strchr("\"\r\n", *value))
            return command_usage("\"%s\" cannot be a delimiter", value);
        c->import.delimiter = *value;
    } else {
        errno = 0;
        uint64_t number = strtoull(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || errno || !number)
            return command_usage(option == 'n' ? "\"%s\" is not a limit"
                                               : "\"%s\" is no line",
                                 value);
        if (option == 'n')
            c->limit = number;
        else
            c->import.from_line = (size_t) number;
    }
    return 0;
}

/* 0 to go on, -1 help was asked for, 2 after a message. */
static int
command_options(struct command *c, int argc, char **argv)
{
    int option, err = 0;
    optind = 0; /* main has used getopt before */
    while (!err
           && (option = command_next(argc, argv, &command_entity_help)) != -1) {
        if (option == 'c')
            c->config = optarg;
        else if (option == 's')
            c->state_dir = optarg;
        else if (option == 'i')
            c->import.id_column = optarg;
        else if (option == 't')
            c->import.typed = 1;
        else if (option == JSON)
            c->json = 1;
        else if (option == 'h')
            return -1;
        else if (option == '?')
            return 2;
        else
            err = command_value(c, option, optarg);
    }
    return err;
}

int
command_entity(int argc, char **argv)
{
    struct command c = { .config = COMMAND_CONF_DEFAULT };
    int status = command_options(&c, argc, argv);
    if (status)
        return status == -1 ? 0 : status;
    char **args = argv + optind;
    int n = argc - optind;
    const char *verb = n-- ? *args++ : "";
    if (!strcmp(verb, "list")) {
        status = command_list(&c, n);
    } else if (!strcmp(verb, "import")) {
        c.kind = c.kind ? c.kind : "user";
        status = command_import(&c, args, n);
    } else if (!strcmp(verb, "get")) {
        status = command_get(&c, args, n);
    } else if (!strcmp(verb, "mirror")) {
        status = command_mirror(&c, args, n);
    } else if (!strcmp(verb, "delete")) {
        status = command_delete(&c, args, n);
    } else {
        status = command_usage(*verb ? "there is no \"%s\"" : "%s",
                               *verb ? verb : "what is to be done?");
    }
    entity_close(c.store);
    if (fflush(stdout) || ferror(stdout))
        status = status ? status : command_failed("standard output", -EIO);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* `ingestlayer emit`: send events from the shell, through the gate of the
 * running daemon. */
#include <config.h>

#include "private.h"

#include "codec/json.h"
#include "codec/json_out.h"
#include "codec/msg_read.h"
#include "host/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One control request carries up to so much of standard input. */
#define CHUNK_EVENTS 500
#define CHUNK_BYTES (1 << 20)

enum { STATE_DIR = COMMAND_FLAG };

static const struct command_option options[] = {
    { 'c', "config", "FILE",
      "config of the running daemon (" COMMAND_CONF_DEFAULT ")" },
    { STATE_DIR, "state-dir", "DIR",
      "the state_dir, without reading a config" },
    { 's', "source", "NAME",
      "the source the events come from; may be left out where the config has "
      "only one" },
    { 0 }
};

const struct command_help command_emit_help = {
    .text = "usage: ingestlayer emit [-c FILE | --state-dir DIR] [--source "
            "NAME] TYPE JSON\n"
            "       ingestlayer emit [-c FILE | --state-dir DIR] [--source "
            "NAME] < EVENTS\n"
            "\n"
            "Sends one event with the payload JSON, or events from standard "
            "input,\none a line: {\"type\":...,\"payload\":{...}}.  Prints the "
            "status and id\nof each; exit code 1 when any was refused.\n"
            "\n",
    .options = options,
};

struct emit {
    char state_dir[4096];
    char line[300];      /* of the control request */
    struct il_text body; /* the events to send */
    uint32_t events;     /* in body */
    int refused;
};

/* Print the reply.  What was refused goes to stderr. */
static void
print_reply(struct emit *e, struct il_text *reply)
{
    char *line = (char *) (uintptr_t) text_str(reply), *end;
    for (; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (!strncmp(line, "error ", 6)) {
            fprintf(stderr, "ingestlayer: %s\n", line + 6);
            e->refused = 1;
        } else if (!strncmp(line, "rejected ", 9)) {
            fprintf(stderr, "%s\n", line);
            e->refused = 1;
        } else {
            puts(line);
        }
    }
}

static int
send_chunk(struct emit *e)
{
    struct il_text reply = { 0 };
    int err = 0;
    if (e->body.len)
        err = control_call(e->state_dir, e->line,
                           slice_of(e->body.data, e->body.len), &reply);
    if (!err)
        print_reply(e, &reply);
    text_clear(&reply);
    e->body.len = 0;
    e->events = 0;
    return err;
}

/* The members of an event that `spool export` and `dead show` print: those that
 * a sender gives, and those that are told of it. */
static const char *const given[] = { "id", "type", "timestamp", "payload" };
static const char *const told[] = { "source_id", "received_at", "publishable",
                                    "retry" };
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static uint32_t
count_members(const struct il_value *event, const char *const *names, size_t n)
{
    struct il_value v;
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += msg_find(event, names[i], strlen(names[i]), &v) == 1;
    return found;
}

/* Was it accepted once, and printed?  Such a line is sent without what was told
 * of it.  1, 0 or a negative errno. */
static int
put_printed(struct il_text *out, const struct il_value *event)
{
    struct json_out o;
    struct il_value v;
    if (event->type != IL_MAP || count_members(event, told, 2) != 2
        || count_members(event, given, COUNT(given))
                   + count_members(event, told, COUNT(told))
               != event->count)
        return 0;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    for (size_t i = 0; i < COUNT(given); i++)
        if (msg_find(event, given[i], strlen(given[i]), &v) == 1)
            json_out_value(&o, given[i], &v);
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n') ? -ENOMEM : 1;
}

/* A line as it is, but for those that were printed. */
static int
put_line(struct emit *e, const char *line, size_t len)
{
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value event;
    int done = 0;
    if (strstr(line, "\"received_at\"")
        && !json_to_msgpack(line, len, &packed, &error)) {
        const char *p = packed.data;
        if (!msg_value(&p, p + packed.len, &event))
            done = put_printed(&e->body, &event);
    }
    text_clear(&packed);
    return done < 0 ? done : done ? 0 : text_put(&e->body, line, len);
}

/* Standard input, as many whole lines at a time as a request carries. */
static int
emit_lines(struct emit *e)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int err = 0;
    while (!err && (len = getline(&line, &size, stdin)) > 0) {
        err = put_line(e, line, (size_t) len);
        if (!err && ++e->events >= CHUNK_EVENTS)
            err = send_chunk(e);
        else if (!err && e->body.len >= CHUNK_BYTES)
            err = send_chunk(e);
    }
    if (!err && ferror(stdin)) {
        perror("ingestlayer: standard input");
        err = -EIO;
    }
    if (!err && strspn(text_str(&e->body), " \t\r\n") < e->body.len)
        err = send_chunk(e);
    free(line);
    return err;
}

static int
emit_one(struct emit *e, const char *type, const char *payload)
{
    struct il_text packed = { 0 };
    struct json_error error;
    int err = json_to_msgpack(payload, strlen(payload), &packed, &error);
    text_clear(&packed);
    if (err == -EINVAL) {
        fprintf(stderr, "ingestlayer: the payload is not valid JSON: %s\n"
                        "    %s\n    %*s^\n",
                error.message, payload, (int) error.offset, "");
        return err;
    }
    if (!err) {
        struct json_out o;
        json_out_begin(&o, &e->body);
        json_out_object(&o, NULL);
        json_out_str(&o, "type", type);
        json_out_raw(&o, "payload", slice_of(payload, strlen(payload)));
        json_out_end(&o);
        err = json_out_done(&o);
    }
    return err ? err : send_chunk(e);
}

int
command_emit(int argc, char **argv)
{
    const char *file = COMMAND_CONF_DEFAULT, *source = "", *state_dir = NULL;
    struct emit e = { .refused = 0 };
    int o;
    while ((o = command_next(argc, argv, &command_emit_help)) >= 0) {
        if (o == 'h')
            return 0;
        if (o == 'c')
            file = optarg;
        else if (o == STATE_DIR)
            state_dir = optarg;
        else if (o == 's')
            source = optarg;
        else
            return 2;
    }
    int count = argc - optind;
    if ((count != 0 && count != 2) || strlen(source) > 200
        || strpbrk(source, " \n"))
        return command_print_help(&command_emit_help, stderr), 2;
    if (command_find_daemon(state_dir, file, e.state_dir, sizeof(e.state_dir)))
        return 1;
    snprintf(e.line, sizeof(e.line), "emit %s%s%s", count ? "json" : "lines",
             *source ? " " : "", source);
    int err = count ? emit_one(&e, argv[optind], argv[optind + 1])
                    : emit_lines(&e);
    if (err == -ENOMEM)
        fputs("ingestlayer: no memory\n", stderr);
    text_clear(&e.body);
    return err || e.refused ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* `ingestlayer emit`: send events from the shell, through the gate of the
 * running daemon. */
#include <config.h>

#include "private.h"
#include "progress.h"
#include "reply.h"

#include "codec/json.h"
#include "codec/json_out.h"
#include "codec/msg_read.h"
#include "host/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    struct il_text path; /* of the request */
    const char *type;    /* of its body */
    struct il_text body; /* the events to send */
    uint32_t events;     /* in body */
    int refused;
    uint64_t read, sent; /* lines of standard input */
    struct command_progress progress;
};

/* What became of one.  What was refused goes to stderr. */
static int
print_one(struct emit *e, const struct il_value *one)
{
    struct il_value status = command_member(one, "status"),
                    id = command_member(one, "id"),
                    code = command_member(one, "code"),
                    path = command_member(one, "path"),
                    message = command_member(one, "message");
    command_progress_clear(&e->progress);
    if (status.type != IL_STRING)
        return -EPROTO;
    if (id.type == IL_STRING) {
        printf("%.*s %.*s\n", COMMAND_TEXT(status), COMMAND_TEXT(id));
        return 0;
    }
    fprintf(stderr, "%.*s %.*s ", COMMAND_TEXT(status), COMMAND_TEXT(code));
    if (path.len)
        fprintf(stderr, "%.*s: %.*s\n", COMMAND_TEXT(path),
                COMMAND_TEXT(message));
    else
        fprintf(stderr, "event: %.*s\n", COMMAND_TEXT(message));
    e->refused = 1;
    return 0;
}

/* A line of JSON for each event. */
static int
print_reply(struct emit *e, const struct il_text *reply)
{
    const char *line = reply->data, *end = line + reply->len, *next;
    struct il_text packed = { 0 };
    int err = 0;
    for (; line < end && !err; line = next + 1) {
        struct json_error error;
        struct il_value one;
        next = memchr(line, '\n', (size_t) (end - line));
        packed.len = 0;
        err = next ? json_to_msgpack(line, (size_t) (next - line), &packed,
                                     &error)
                   : -EPROTO;
        const char *p = packed.data;
        if (!err)
            err = msg_value(&p, packed.data + packed.len, &one);
        if (!err)
            err = print_one(e, &one);
        if (err == -EPROTO || err == -EINVAL)
            command_answer_unknown();
        if (err)
            break;
    }
    text_clear(&packed);
    return err;
}

static int
send_chunk(struct emit *e)
{
    struct control_call call = { .method = "POST",
                                 .path = text_str(&e->path),
                                 .type = e->type,
                                 .body = slice_of(e->body.data, e->body.len) };
    int err = e->body.len ? control_call(e->state_dir, &call) : 0;
    if (!err && call.status >= 300) {
        err = command_refused("ingestlayer", &call);
        e->refused = 1;
        err = err == -EREMOTEIO ? 0 : err; /* the next may be taken */
    } else if (!err) {
        err = print_reply(e, &call.reply);
    }
    text_clear(&call.reply);
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

/* By the bytes of a file, which know their end; else by lines. */
static void
begin_lines(struct emit *e)
{
    struct stat st;
    const int whole = fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode);
    command_progress_begin(&e->progress, "emit", whole ? "bytes" : "events",
                           whole ? (uint64_t) st.st_size : 0,
                           PROGRESS_READS | PROGRESS_WRITES);
}

/* What is in the body is sent; 0, or -EINTR: and that is to be all. */
static int
send_lines(struct emit *e)
{
    off_t at = e->progress.total ? ftello(stdin) : (off_t) e->read;
    int err = send_chunk(e);
    if (err)
        return err;
    e->sent = e->read;
    return command_progress_at(&e->progress, at > 0 ? (uint64_t) at : 0);
}

/* Standard input, as many whole lines at a time as a request carries. */
static int
read_lines(struct emit *e)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int err = 0;
    while (!err && (len = getline(&line, &size, stdin)) > 0) {
        e->read++;
        err = put_line(e, line, (size_t) len);
        if (!err && (++e->events >= CHUNK_EVENTS || e->body.len >= CHUNK_BYTES))
            err = send_lines(e);
    }
    if (!err && command_progress_interrupted())
        err = -EINTR;
    else if (!err && ferror(stdin)) {
        command_progress_clear(&e->progress);
        perror("ingestlayer: standard input");
        err = -EIO;
    }
    if (!err && strspn(text_str(&e->body), " \t\r\n") < e->body.len)
        err = send_chunk(e);
    free(line);
    return err;
}

static int
emit_lines(struct emit *e)
{
    begin_lines(e);
    int err = read_lines(e);
    command_progress_end(&e->progress);
    if (err == -EINTR)
        fprintf(stderr,
                "ingestlayer: interrupted; %" PRIu64
                " lines are sent, go on with line %" PRIu64
                ": tail -n +%" PRIu64 "\n",
                e->sent, e->sent + 1, e->sent + 1);
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
    e.type = count ? "application/json" : "application/x-ndjson";
    int err = text_puts(&e.path, *source ? "/v1/emit?source=" : "/v1/emit");
    if (!err)
        err = control_put_escaped(&e.path, source);
    if (!err)
        err = count ? emit_one(&e, argv[optind], argv[optind + 1])
                    : emit_lines(&e);
    if (err == -ENOMEM)
        fputs("ingestlayer: no memory\n", stderr);
    text_clear(&e.body);
    text_clear(&e.path);
    return err || e.refused ? 1 : 0;
}

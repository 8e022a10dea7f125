/* SPDX-License-Identifier: MIT */
/* ingestlayer eval EXPR: try an expression on payloads from standard input. */
#include "config.h"

#include "private.h"
#include "codec/json.h"
#include "lang/expr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command_option options[] = { { 0 } };

const struct command_help command_eval_help = {
    .text = "usage: ingestlayer eval EXPRESSION\n"
            "Read payloads, one JSON object a line, from standard input; print "
            "true or\n"
            "false for each, and error for a line that is none (empty lines "
            "are skipped).\n"
            "ingestlayer-expressions(7) describes the language.\n"
            "\n",
    .options = options,
    .in_order = 1, /* an expression may begin with a minus */
};

/* Why a line is no payload, on standard error; 0 if it is one. */
static int
read_payload(const char *line, size_t len, unsigned long number,
             struct il_text *out)
{
    struct json_error error;
    out->len = 0;
    int err = json_to_msgpack(line, len, out, &error);
    if (err == -ENOMEM || error.code == JSON_MEMORY)
        fprintf(stderr, "ingestlayer eval: line %lu: out of memory\n", number);
    else if (err)
        fprintf(stderr, "ingestlayer eval: line %lu, column %zu: %s\n", number,
                error.offset + 1, error.message);
    if (err)
        return -1;
    const char *p = out->data;
    struct il_value v;
    if (msg_head(&p, out->data + out->len, &v) || v.type != IL_MAP) {
        fprintf(stderr,
                "ingestlayer eval: line %lu: a payload is an object, { }\n",
                number);
        return -1;
    }
    return 0;
}

static int
is_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r\n") >= len;
}

/* Returns how many lines had no answer, or -1. */
static long
answer_lines(const struct il_expr *expr)
{
    struct il_text payload = { 0 };
    char *line = NULL;
    size_t room = 0;
    unsigned long number = 0;
    long bad = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) >= 0) {
        struct batch_event e = { .ev.timestamp_us = EVENT_NO_TIME,
                                 .ev.received_us = EVENT_NO_TIME };
        number++;
        if (is_blank(line, (size_t) len))
            continue;
        if (read_payload(line, (size_t) len, number, &payload)) {
            bad++;
            puts("error");
            continue;
        }
        e.ev.payload = slice_of(payload.data, payload.len);
        int holds = expr_true(expr, &e);
        if (holds < 0) {
            fprintf(stderr,
                    "ingestlayer eval: line %lu: a regular expression met its "
                    "limit\n",
                    number);
            bad++;
        }
        puts(holds < 0 ? "error" : holds ? "true" : "false");
    }
    if (ferror(stdin) || fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "ingestlayer eval: %s: %s\n",
                ferror(stdin) ? "standard input" : "standard output",
                strerror(errno));
        bad = -1;
    }
    free(line);
    text_clear(&payload);
    return bad;
}

int
command_eval(int argc, char **argv)
{
    int c;
    optind = 0;
    while ((c = command_next(argc, argv, &command_eval_help)) != -1)
        return c == 'h' ? 0 : 2;
    if (argc - optind != 1)
        return command_print_help(&command_eval_help, stderr), 2;
    struct il_expr *expr = command_expression("ingestlayer eval", argv[optind]);
    if (!expr)
        return 2;
    long bad = answer_lines(expr);
    expr_free(expr);
    return bad ? 1 : 0;
}

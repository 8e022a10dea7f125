/* SPDX-License-Identifier: MIT */
/* `ingestlayer spool`: look at a spool while no daemon runs on it. */
#include "private.h"

#include "base/state_dir.h"
#include "codec/event.h"
#include "codec/json.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FROM = COMMAND_FLAG + 1, TO };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 'd', "dir", "DIR", "the spool itself, STATE_DIR/spool" },
    { FROM, "from", "N", "first position to export" },
    { TO, "to", "N", "last position to export" },
    { 0 }
};

const struct command_help command_spool_help = {
    .text =
        "usage: ingestlayer spool verify  [-c FILE | --dir DIR]\n"
        "       ingestlayer spool inspect [-c FILE | --dir DIR]\n"
        "       ingestlayer spool export  [-c FILE | --dir DIR] [--from N] "
        "[--to N]\n"
        "\n"
        "verify reads every event and names what is damaged; exit code 1 if\n"
        "anything is.  inspect lists the segments.  export prints events as\n"
        "NDJSON.  The daemon must not run.\n"
        "\n",
    .verbs = "verify inspect export",
    .options = options,
};

struct look {
    char dir[4096];
    uint64_t from, to;
    uint64_t frames, bytes, first, last, marks, damaged;
    char segment[64]; /* inspect: the one that the counts belong to */
    struct il_text line;
};

static int
verify_one(void *arg, const char *segment, uint64_t offset, uint64_t position,
           const char *body, size_t len, const char *damage)
{
    struct look *k = arg;
    struct event e;
    (void) position;
    if (damage) {
        printf("%s: byte %" PRIu64 ": %s\n", segment, offset, damage);
        return 0;
    }
    k->bytes += len;
    if (event_is_marks(body, len)) {
        struct event_marks m;
        k->marks++;
        if (!event_marks_unpack(body, len, &m))
            return 0;
    } else {
        k->frames++;
    }
    if (event_unpack(body, len, &e)) {
        printf("%s: byte %" PRIu64 ": position %" PRIu64
               " is whole but no event\n", segment, offset, position);
        k->damaged++;
    }
    return 0;
}

static int
verify(struct look *k)
{
    int rc = spool_walk(k->dir, 0, verify_one, k);
    if (rc < 0)
        return rc;
    k->damaged += (uint64_t) rc;
    printf("%" PRIu64 " events, ", k->frames);
    if (k->marks)
        printf("%" PRIu64 " with marks of sources, ", k->marks);
    printf("%" PRIu64 " bytes, %" PRIu64 " damaged\n", k->bytes, k->damaged);
    return k->damaged > 0;
}

static void
inspect_print(struct look *k)
{
    if (!k->segment[0])
        return;
    printf("%s  ", k->segment);
    if (k->frames || k->marks)
        printf("%12" PRIu64 " %12" PRIu64, k->first, k->last);
    else
        printf("%12s %12s", "-", "-");
    printf(" %10" PRIu64 " %12" PRIu64 " %8" PRIu64 "\n", k->frames, k->bytes,
           k->damaged);
}

static int
inspect_one(void *arg, const char *segment, uint64_t offset,
            uint64_t position, const char *body, size_t len,
            const char *damage)
{
    struct look *k = arg;
    (void) offset;
    if (strcmp(k->segment, segment) != 0) {
        inspect_print(k);
        snprintf(k->segment, sizeof k->segment, "%s", segment);
        k->frames = k->bytes = k->marks = k->damaged = 0;
    }
    if (damage) {
        k->damaged++;
        return 0;
    }
    if (k->frames + k->marks == 0)
        k->first = position;
    if (event_is_marks(body, len))
        k->marks++;
    else
        k->frames++;
    k->last = position;
    k->bytes += len;
    return 0;
}

static int
inspect(struct look *k)
{
    printf("%-24s  %12s %12s %10s %12s %8s\n", "segment", "first", "last",
           "events", "bytes", "damaged");
    int rc = spool_walk(k->dir, 0, inspect_one, k);
    inspect_print(k);
    return rc < 0 ? rc : 0;
}

/* What is for one lane only says so, behind the event's own members. */
static int
export_event(struct il_text *line, const struct event *e, const char *body,
             size_t len)
{
    struct event_retry retry;
    struct json_out o;
    int again = event_retry(body, len, &retry);
    json_out_begin(&o, line);
    json_out_said(&o, again < 0 ? again : 0);
    json_out_object(&o, NULL);
    event_members(&o, e);
    if (e->flags & EVENT_PUBLISHABLE) /* its id may be another's as well */
        json_out_bool(&o, "publishable", 1);
    if (again > 0) {
        json_out_object(&o, "retry");
        json_out_slice(&o, "lane", retry.lane);
        json_out_number(&o, "letter", retry.letter);
        event_decided_json(&o, "stopped", retry.decided);
        json_out_end(&o);
    }
    json_out_end(&o);
    return json_out_done(&o);
}

static int
export_one(void *arg, const char *segment, uint64_t offset, uint64_t position,
           const char *body, size_t len, const char *damage)
{
    struct look *k = arg;
    struct event e;
    if (damage) {
        fprintf(stderr, "ingestlayer spool: %s: byte %" PRIu64 ": %s\n",
                segment, offset, damage);
        return 0;
    }
    if (position < k->from || position > k->to || event_is_marks(body, len))
        return 0;
    k->line.len = 0;
    int rc = event_unpack(body, len, &e);
    if (rc == 0)
        rc = export_event(&k->line, &e, body, len);
    if (rc == -ENOMEM)
        return rc;
    if (rc) {
        fprintf(stderr, "ingestlayer spool: position %" PRIu64
                        " is whole but no event\n", position);
        k->damaged++;
        return 0;
    }
    if (text_putc(&k->line, '\n'))
        return -ENOMEM;
    if (fwrite(k->line.data, 1, k->line.len, stdout) != k->line.len)
        return -EIO;
    return 0;
}

static int
export(struct look *k)
{
    int rc = spool_walk(k->dir, 1, export_one, k);
    if (rc >= 0 && fflush(stdout))
        rc = -EIO;
    text_clear(&k->line);
    return rc < 0 ? rc : rc > 0 || k->damaged > 0;
}

static const struct {
    const char *name;
    int (*run)(struct look *);
} actions[] = { { "verify", verify }, { "inspect", inspect },
                { "export", export } };

static int
parse_position(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9') {
        fprintf(stderr, "ingestlayer spool: \"%s\" is no position\n", text);
        return 2;
    }
    *out = v;
    return 0;
}

/* 0, 2 wrong usage, -1 done. */
static int
parse_options(int argc, char **argv, struct look *k, const char **config)
{
    int c, rc = 0;
    while (rc == 0
           && (c = command_next(argc, argv, &command_spool_help)) != -1) {
        if (c == 'c')
            *config = optarg;
        else if (c == 'd')
            snprintf(k->dir, sizeof k->dir, "%s", optarg);
        else if (c == FROM)
            rc = parse_position(optarg, &k->from);
        else if (c == TO)
            rc = parse_position(optarg, &k->to);
        else if (c == 'h')
            return -1;
        else
            rc = 2;
    }
    return rc;
}

static int
find_dir(struct look *k, const char *config)
{
    if (k->dir[0])
        return command_become_owner(k->dir, 0);
    char state_dir[4000];
    int rc = command_find_state_dir(config, state_dir, sizeof state_dir);
    if (rc == 0)
        snprintf(k->dir, sizeof k->dir, "%s/spool", state_dir);
    return rc;
}

static void
complain(const char *dir, int rc)
{
    const char *why = state_dir_strerror(rc);
    if (rc == -EBUSY)
        why = "a daemon is running on it; stop that first (export goes "
              "beside it)";
    else if (rc == -ENOENT)
        why = "there is no spool";
    else if (rc == -EINVAL)
        why = "neither its ID nor any segment can be read";
    else if (rc == -ENOTSUP)
        why = "it was written by a newer version";
    fprintf(stderr, "ingestlayer spool: %s: %s\n", dir, why);
}

int
command_spool(int argc, char **argv)
{
    struct look k = { .to = UINT64_MAX };
    const char *config = COMMAND_CONF_DEFAULT;
    int rc = parse_options(argc, argv, &k, &config);
    if (rc)
        return rc < 0 ? 0 : 2;
    const char *name = optind + 1 == argc ? argv[optind] : "";
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        rc = find_dir(&k, config);
        if (rc)
            return rc;
        rc = actions[i].run(&k);
        if (rc < 0)
            complain(k.dir, rc);
        return rc != 0;
    }
    fputs("ingestlayer spool: say verify, inspect or export; see ingestlayer "
          "spool --help\n", stderr);
    return 2;
}

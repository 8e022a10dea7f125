/* SPDX-License-Identifier: MIT */
/* `ingestlayer spool`: look at a spool while no daemon runs on it. */
#include "spool.h"

#include "private.h"

#include "base/state_dir.h"
#include "spool/spool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { JSON = COMMAND_FLAG, FROM, TO };

static const struct command_option options[] = {
    { 'c', "config", "FILE", COMMAND_CONF_HELP },
    { 'd', "dir", "DIR", "the spool itself, STATE_DIR/spool" },
    { FROM, "from", "N", "first position to look at" },
    { TO, "to", "N", "last position to export" },
    { JSON, "json", NULL, "as JSON, a line each; export always is" },
    { 0 }
};

const struct command_help command_spool_help = {
    .text =
        "usage: ingestlayer spool verify  [-c FILE | --dir DIR] [--from N] "
        "[--json]\n"
        "       ingestlayer spool inspect [-c FILE | --dir DIR] [--from N] "
        "[--json]\n"
        "       ingestlayer spool export  [-c FILE | --dir DIR] [--from N] "
        "[--to N]\n"
        "\n"
        "verify reads every event and names what is damaged; exit code 1 if\n"
        "anything is.  inspect lists the segments.  export prints events as\n"
        "NDJSON, also beside a daemon; for the others none may run.  Ctrl-C "
        "ends\neach, and what was interrupted says where to go on.\n"
        "\n"
        "    ingestlayer spool export --from 1200 > events.ndjson\n"
        "\n",
    .verbs = "verify inspect export",
    .options = options,
};

/* --- what the verbs have in common ------------------------------------------- */

int
command_spool_at(struct spool_look *k, uint64_t position)
{
    k->at = position;
    if (!k->begin) {
        uint64_t last = spool_hint_read(k->dir);
        k->begin = position;
        last = last < k->to ? last : k->to;
        k->progress.total = last >= position ? last - position + 1 : 0;
    }
    return command_progress_at(&k->progress, position - k->begin + 1);
}

void
command_spool_interrupted(const struct spool_look *k, const char *verb)
{
    fprintf(stderr,
            "ingestlayer spool: interrupted behind position %" PRIu64
            "; go on with %s --from %" PRIu64 "\n",
            k->at, verb, k->at + 1);
}

/* --- the command ------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct spool_look *);
} actions[] = { { "verify", command_spool_verify },
                { "inspect", command_spool_inspect },
                { "export", command_spool_export } };

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
parse_options(int argc, char **argv, struct spool_look *k, const char **config)
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
        else if (c == JSON)
            k->json = 1;
        else if (c == 'h')
            return -1;
        else
            rc = 2;
    }
    return rc;
}

static int
find_dir(struct spool_look *k, const char *config)
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
    struct spool_look k = { .to = UINT64_MAX };
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

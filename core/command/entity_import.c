/* SPDX-License-Identifier: MIT */
/* ingestlayer entity import: how far it is, and where to go on. */
#include "entity.h"

#include "private.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

struct import {
    struct entity_import *job;
    struct command_progress progress;
    int json;
};

/* By the bytes of a file, which know their end; else by lines. */
static void
import_begin(struct import *c)
{
    struct stat st;
    const int whole =
        fstat(fileno(c->job->in), &st) == 0 && S_ISREG(st.st_mode);
    command_progress_begin(&c->progress, "import", whole ? "bytes" : "lines",
                           whole ? (uint64_t) st.st_size : 0, PROGRESS_READS);
}

static int
import_at(void *arg, size_t line)
{
    struct import *c = arg;
    off_t at = c->progress.total ? ftello(c->job->in) : (off_t) line;
    return command_progress_at(&c->progress, at > 0 ? (uint64_t) at : 0);
}

/* Problems are printed meanwhile. */
static void
import_clear(void *arg)
{
    struct import *c = arg;
    command_progress_clear(&c->progress);
}

static int
import_run(struct import *c)
{
    struct entity_import *job = c->job;
    job->problems = stderr;
    job->progress = import_at;
    job->clear = import_clear;
    job->arg = c;
    import_begin(c);
    int err = entity_import(job);
    command_progress_end(&c->progress);
    return err;
}

static void
import_report(const struct import *c, int interrupted)
{
    const struct entity_import *job = c->job;
    if (c->json)
        printf("{\"imported\":%zu,\"new\":%zu,\"merged\":%zu,\"refused\":%zu,"
               "\"line\":%zu,\"interrupted\":%s}\n",
               job->created + job->merged, job->created, job->merged,
               job->refused, job->line, interrupted ? "true" : "false");
    else
        printf("imported %zu (%zu new, %zu merged), refused %zu\n",
               job->created + job->merged, job->created, job->merged,
               job->refused);
    if (interrupted)
        fprintf(stderr,
                "ingestlayer entity: interrupted behind line %zu; go on with "
                "--from-line %zu\n",
                job->line, job->line + 1);
}

int
command_entity_import(struct entity_import *job, int json)
{
    struct import c = { .job = job, .json = json };
    int err = import_run(&c);
    import_report(&c, err == -EINTR);
    return err || job->refused ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead retry`: the running daemon is asked to deliver dead letters
 * after all, some at a time, so that it has time for others. */
#include "dead.h"

#include "host/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_LETTERS 2000
#define LOOK_NS 200000000

/* A letter that is on its way again. */
struct pending {
    struct pending *next;
    uint64_t letter, position;
    char lane[];
};

struct asking {
    struct dead_job *job;
    char lane[DEAD_LANE_MAX + 1]; /* whose letters gather; "": none */
    struct il_text letters;       /* positions, a line each */
    uint32_t count;
    uint64_t retried, under_way, gone, no_event;
    struct pending *pending;
    int failed;
};

/* --- asking the daemon --- */

static int
asked_wait(struct asking *a, uint64_t letter, uint64_t position)
{
    struct pending *p = malloc(sizeof *p + strlen(a->lane) + 1);
    if (!p)
        return -ENOMEM;
    *p = (struct pending){ a->pending, letter, position };
    strcpy(p->lane, a->lane);
    a->pending = p;
    return 0;
}

/* "POSITION WORD POSITION" */
static int
asked_line(struct asking *a, const char *line)
{
    uint64_t letter, position;
    char word[16];
    if (sscanf(line, "%" SCNu64 " %15s %" SCNu64, &letter, word, &position)
        != 3)
        return -EPROTO;
    int on_its_way = !strcmp(word, "retried") || !strcmp(word, "under_way");
    if (!strcmp(word, "retried"))
        a->retried++;
    else if (on_its_way)
        a->under_way++;
    else if (!strcmp(word, "gone"))
        a->gone++;
    else
        a->no_event++;
    if (!strcmp(word, "no_event"))
        fprintf(stderr,
                "ingestlayer dead: %s %" PRIu64 " cannot be tried again: what "
                "the spool held there is no event\n",
                a->lane, letter);
    return on_its_way && a->job->wait ? asked_wait(a, letter, position) : 0;
}

static int
asked_reply(struct asking *a, struct il_text *reply)
{
    int err = 0;
    char *save, *text = reply->len ? (char *) (uintptr_t) text_str(reply) : NULL;
    if (!text || !strncmp(text, "{\"error\"", 8))
        return -EPROTO;
    if (!strncmp(text, "error ", 6)) {
        fprintf(stderr, "ingestlayer dead: %s: %s", a->lane, text + 6);
        return -EIO;
    }
    for (char *line = strtok_r(text, "\n", &save); line && !err;
         line = strtok_r(NULL, "\n", &save))
        err = asked_line(a, line);
    return err;
}

/* Ask for what has gathered. */
static int
ask(struct asking *a)
{
    struct il_text reply = { 0 };
    char line[sizeof a->lane + sizeof "retry "];
    if (!a->count)
        return 0;
    snprintf(line, sizeof line, "retry %s", a->lane);
    int err =
        control_call(a->job->dir, line,
                     slice_of(a->letters.data, a->letters.len), &reply);
    if (err == -ECONNREFUSED)
        fputs("Dead letters are delivered by the daemon: start it, then give "
              "this command again.\n",
              stderr);
    if (err)
        err = -EIO; /* it has said why */
    else
        err = asked_reply(a, &reply);
    text_clear(&reply);
    a->letters.len = 0;
    a->count = 0;
    return err;
}

static int
gather(struct asking *a, const char *lane, uint64_t position)
{
    int err = 0;
    if (strcmp(a->lane, lane) != 0 || a->count == ASK_LETTERS)
        err = ask(a);
    snprintf(a->lane, sizeof a->lane, "%s", lane);
    if (!err)
        err = text_printf(&a->letters, "%" PRIu64 "\n", position);
    a->count += !err;
    return err;
}

/* --- which --- */

static int
is_gate(const char *lane)
{
    return strncmp(lane, "gate/", 5) == 0;
}

static int
gather_each(void *arg, const struct dead_letter *l)
{
    struct asking *a = arg;
    if (is_gate(l->lane) || !command_dead_chosen(a->job, l))
        return 0;
    return gather(a, l->lane, l->position);
}

/* It is there: that is all. */
static int
seen(void *arg, const struct dead_letter *l)
{
    (void) arg;
    (void) l;
    return 0;
}

static int
gather_positions(struct asking *a, char **args, int n)
{
    struct dead_job *j = a->job;
    int err = 0;
    for (int i = 0; i < n && !err; i++) {
        uint64_t position;
        command_dead_position(args[i], &position);
        err = j->store
                  ? dead_get(j->store, j->lane, position, seen, NULL)
                  : -ENOENT;
        if (err == -ENOENT) {
            fprintf(stderr,
                    "ingestlayer dead: %s has no dead letter %" PRIu64 "\n",
                    j->lane, position);
            a->failed = 1;
            err = 0;
        } else if (!err) {
            err = gather(a, j->lane, position);
        }
    }
    return err;
}

/* The gate has answered its senders with an error: it never took charge. */
static int
refuse_gate(void)
{
    fputs("ingestlayer dead: what the gate refused was never accepted, and its "
          "sender was told so;\nthere is nothing to deliver.  To send such an "
          "event yourself, as a new one:\n"
          "    ingestlayer dead show --json LANE POSITION | jq -c .event | "
          "ingestlayer emit\n",
          stderr);
    return 1;
}

/* --- what became of them --- */

/* 1 once the lane has passed it; *again: it is a letter again. */
static int
pending_settled(struct dead_job *j, const struct pending *p, int *again)
{
    if (dead_get(j->store, p->lane, p->letter, seen, NULL) != -ENOENT)
        return 0;
    *again = dead_get(j->store, p->lane, p->position, seen, NULL) == 0;
    return 1;
}

static void
wait_for_all(struct asking *a)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    uint64_t good = 0, bad = 0;
    while (a->pending) {
        for (struct pending **at = &a->pending; *at;) {
            struct pending *p = *at;
            int again = 0;
            if (!pending_settled(a->job, p, &again)) {
                at = &p->next;
                continue;
            }
            good += !again;
            bad += (uint64_t) again;
            *at = p->next;
            free(p);
        }
        if (a->pending)
            nanosleep(&pause, NULL);
    }
    printf("settled %" PRIu64 ", dead letters again %" PRIu64 "\n", good, bad);
    a->failed |= bad != 0;
}

static void
report(const struct asking *a)
{
    printf("retried %" PRIu64 "\n", a->retried);
    if (a->under_way)
        printf("being tried again already: %" PRIu64 "\n", a->under_way);
    if (a->gone)
        printf("gone meanwhile: %" PRIu64 "\n", a->gone);
    fflush(stdout);
}

int
command_dead_retry(struct dead_job *j, char **args, int n)
{
    struct asking a = { .job = j };
    int status = 0;
    if (!j->all)
        status = command_dead_take_lane(j, &args, &n);
    else if (n > 1 || (n && j->lane))
        return command_dead_usage("retry --all takes one lane at most");
    else if (n)
        j->lane = args[0];
    if (status)
        return status;
    if (j->lane && is_gate(j->lane))
        return refuse_gate();
    if ((status = command_dead_store(j, 1)))
        return status;
    int err = 0;
    if (!j->all)
        err = gather_positions(&a, args, n);
    else if (j->store)
        err = dead_each(j->store, j->lane, gather_each, &a);
    if (!err)
        err = ask(&a);
    if (err == -EPROTO) {
        fputs("ingestlayer dead: the daemon's answer cannot be read; is it of "
              "another version?\n",
              stderr);
        err = -EIO;
    }
    status = command_dead_failed(err);
    report(&a);
    if (j->wait && j->store && !status)
        wait_for_all(&a);
    while (a.pending) {
        struct pending *p = a.pending;
        a.pending = p->next;
        free(p);
    }
    text_clear(&a.letters);
    return status || a.failed || a.no_event;
}

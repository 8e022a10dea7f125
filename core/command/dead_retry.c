/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead retry`: the running daemon is asked to deliver dead letters
 * after all, and what is parked now, some at a time, so that it has time for
 * others. */
#include "dead.h"
#include "private.h"
#include "reply.h"

#include "host/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_LETTERS 2000

struct asking {
    struct dead_job *job;
    char lane[DEAD_LANE_MAX + 1]; /* whose letters gather; "": none */
    struct il_text letters;       /* their positions, with commas */
    uint32_t count;
    uint64_t retried, under_way, behind, gone, hopeless;
    struct dead_pending *pending;
    int failed;
};

/* --- asking the daemon --- */

static int
asked_wait(struct asking *a, uint64_t letter, int parked, uint64_t number)
{
    if (!a->job->wait)
        return 0;
    struct dead_pending *p = malloc(sizeof *p + strlen(a->lane) + 1);
    if (!p)
        return -ENOMEM;
    *p = (struct dead_pending){ .next = a->pending,
                                .letter = letter,
                                .position = number,
                                .parked = parked,
                                .turn = (uint32_t) number };
    strcpy(p->lane, a->lane);
    a->pending = p;
    return 0;
}

/* It will not be delivered. */
static int
asked_in_vain(struct asking *a, uint64_t letter, const char *word)
{
    static const char *const why[][2] = {
        { "no_event", "what the spool held there is no event" },
        { "decided",
          "only what was decided about it was kept, and that is sent "
          "as it is, without --anew; once its letter is dropped, `ingestlayer "
          "replay --insert` takes it from the spool through today's steps" },
        { "damaged", "it is damaged, and can only be dropped" },
        { "not_one_by_one", "the lane's destination takes no events one by one "
                            "any more, and it can only be dropped" },
    };
    a->hopeless++;
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        if (!strcmp(why[i][0], word)) {
            fprintf(stderr,
                    "ingestlayer dead: %s %" PRIu64 " cannot be tried again: "
                    "%s\n",
                    a->lane, letter, why[i][1]);
            return 0;
        }
    return -EPROTO;
}

/* What the daemon says of one. */
static int
asked_one(struct asking *a, const struct il_value *one)
{
    struct il_value result = command_member(one, "result");
    const uint64_t letter = command_number(one, "letter");
    char word[16] = "";
    if (result.type == IL_STRING)
        snprintf(word, sizeof word, "%.*s", (int) result.len, result.str);
    int retried = !strcmp(word, "retried"), now = !strcmp(word, "now");
    if (retried || !strcmp(word, "under_way")) {
        a->retried += (uint64_t) retried;
        a->under_way += !retried;
        return asked_wait(a, letter, 0, command_number(one, "position"));
    }
    if (now || !strcmp(word, "behind")) {
        a->retried += (uint64_t) now;
        a->behind += !now;
        return now ? asked_wait(a, letter, 1, command_number(one, "turn")) : 0;
    }
    if (strcmp(word, "gone"))
        return asked_in_vain(a, letter, word);
    a->gone++;
    return 0;
}

static int
asked_reply(struct asking *a, const struct il_value *all)
{
    struct il_value letters = command_member(all, "letters"), one;
    int err = letters.type == IL_ARRAY ? 0 : -EPROTO;
    for (size_t iter = 0; !err && msg_item(&letters, &iter, NULL, &one);)
        err = asked_one(a, &one);
    return err;
}

/* Of what has gathered: the path, and the body. */
static int
ask_write(struct asking *a, struct il_text *path, struct il_text *body)
{
    int err = command_lane_path(path, a->lane, "/retry");
    return err ? err
               : text_printf(body, "{\"letters\":[%s]%s}\n",
                             text_str(&a->letters),
                             a->job->anew ? ",\"anew\":true" : "");
}

/* Ask for what has gathered. */
static int
ask(struct asking *a)
{
    struct il_text path = { 0 }, body = { 0 }, packed = { 0 };
    struct il_value all;
    char who[sizeof a->lane + sizeof "ingestlayer dead: "];
    if (!a->count)
        return 0;
    snprintf(who, sizeof who, "ingestlayer dead: %s", a->lane);
    int err = ask_write(a, &path, &body);
    struct control_call call = { .method = "POST",
                                 .path = text_str(&path),
                                 .body = slice_of(body.data, body.len) };
    int asked = err ? err : command_ask(a->job->dir, who, &call, &packed, &all);
    if (asked == -ECONNREFUSED)
        fputs("Dead letters are delivered by the daemon: start it, then give "
              "this command again.\n",
              stderr);
    if (!err)
        err = asked ? -EIO /* it has said why */ : asked_reply(a, &all);
    text_clear(&call.reply);
    text_clear(&packed);
    text_clear(&path);
    text_clear(&body);
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
        err = text_printf(&a->letters, "%s%" PRIu64, a->count ? "," : "",
                          position);
    a->count += !err;
    return err;
}

/* --- which --- */

static int
gather_each(void *arg, const struct dead_item *it)
{
    return command_dead_is_gate(it->lane) ? 0
                                          : gather(arg, it->lane, it->position);
}

static int
seen_item(void *arg, const struct dead_item *it)
{
    (void) arg;
    (void) it;
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
        err = command_dead_find(j, position, seen_item, NULL);
        if (err == -ENOENT || err == -EIO) {
            if (err == -ENOENT)
                command_dead_no_such(j, position);
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

static void
report(const struct asking *a)
{
    printf("retried %" PRIu64 "\n", a->retried);
    if (a->under_way)
        printf("being tried again already: %" PRIu64 "\n", a->under_way);
    if (a->behind)
        printf("waiting behind another: %" PRIu64 "\n", a->behind);
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
    if (j->lane && command_dead_is_gate(j->lane))
        return refuse_gate();
    if ((status = command_dead_store(j, 1)))
        return status;
    int err = 0;
    if (!j->all)
        err = gather_positions(&a, args, n);
    else
        err = command_dead_each(j, gather_each, &a);
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
    if (j->wait && !status)
        a.failed |= command_dead_wait(j, &a.pending);
    command_dead_pending_free(&a.pending);
    text_clear(&a.letters);
    return status || a.failed || a.hopeless;
}

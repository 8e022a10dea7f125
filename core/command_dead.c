/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead`: events that need help, beside a running daemon or
 * without one. */
#include "command.h"

#include "dead.h"
#include "event.h"
#include "json.h"
#include "wtf8.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: ingestlayer dead list [options]\n"
    "       ingestlayer dead show [options] LANE POSITION...\n"
    "       ingestlayer dead drop [options] LANE POSITION...\n"
    "       ingestlayer dead drop [options] --all LANE\n"
    "\n"
    "list: what will not be delivered without help, and why\n"
    "show: everything about a dead letter, its event included\n"
    "drop: give a dead letter up for good\n"
    "\n"
    "LANE is pipeline/destination, or gate/source for what the gate refused.\n"
    "\n"
    "  -c, --config FILE     config (default " COMMAND_CONF_DEFAULT ")\n"
    "  -s, --state-dir DIR   the state_dir, without reading a config\n"
    "  -l, --lane LANE       list: only this lane\n"
    "  -a, --all             drop: all of the lane\n"
    "  -j, --json            one JSON object a line\n"
    "  -h, --help\n";

struct job {
    const char *config, *state_dir, *lane;
    int json, all;
    struct dead *store; /* NULL: there is none yet */
    struct il_text text;
    uint64_t done;
    int whole; /* show: with the event */
};

static int
job_usage(const char *what)
{
    fprintf(stderr, "ingestlayer dead: %s; see ingestlayer dead --help\n",
            what);
    return 2;
}

/* Open the store; one that does not exist holds no letters. */
static int
job_open(struct job *j, int read_only)
{
    char dir[4096], path[sizeof dir + sizeof "/dead"];
    if (j->state_dir && strlen(j->state_dir) < sizeof dir)
        strcpy(dir, j->state_dir);
    else if (j->state_dir)
        return job_usage("the name of state_dir is too long");
    else if (command_find_state_dir(j->config, dir, sizeof dir))
        return 1;
    if (j->state_dir && access(dir, F_OK) != 0) {
        fprintf(stderr, "ingestlayer dead: state_dir %s: %s\n", dir,
                strerror(errno));
        return 1;
    }
    snprintf(path, sizeof path, "%s/dead", dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    int err = dead_open(path, read_only, &j->store);
    return err && err != -ENOENT ? 1 : 0; /* it has said why */
}

/* --- one letter --- */

/* What is known of the event, whether it was accepted or refused. */
struct known {
    struct slice id, type;
    struct event ev;
    int accepted; /* ev is filled in */
    int json;     /* refused, but its text is JSON */
};

static struct slice
member(const struct il_value *map, const char *key)
{
    struct il_value v;
    if (map->type == IL_MAP && msgcur_find(map, key, strlen(key), &v)
        && v.type == IL_STRING)
        return slice_of(v.str, v.len);
    return slice_of(NULL, 0);
}

/* unpacked must live as long as *out. */
static void
letter_event(const struct dead_letter *l, struct il_text *unpacked,
             struct known *out)
{
    struct json_error error;
    struct il_value v;
    *out = (struct known){ .accepted = 0 };
    if (strncmp(l->lane, "gate/", 5) != 0) {
        if (event_unpack(l->event.ptr, l->event.len, &out->ev))
            return;
        out->accepted = 1;
        out->id = out->ev.id;
        out->type = out->ev.type;
        return;
    }
    unpacked->len = 0;
    if (json_to_msgpack(l->event.ptr, l->event.len, unpacked, &error))
        return;
    const char *p = unpacked->data;
    out->json = 1;
    if (msgcur_head(&p, p + unpacked->len, &v))
        return;
    out->id = member(&v, "id");
    out->type = member(&v, "type");
}

static int
put_member(struct il_text *out, const char *key, struct slice value)
{
    if (text_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",",
                    key))
        return -ENOMEM;
    if (!value.ptr)
        return text_puts(out, "null");
    return json_write_str(out, value.ptr, value.len, 0) < 0 ? -ENOMEM : 0;
}

static int
put_text(struct il_text *out, const char *key, const char *value)
{
    return put_member(out, key, slice_of(value, value ? strlen(value) : 0));
}

static int
put_hex(struct il_text *out, struct slice bytes)
{
    int err = 0;
    for (size_t i = 0; i < bytes.len && !err; i++)
        err = text_printf(out, "%02x", (unsigned char) bytes.ptr[i]);
    return err;
}

/* The event as JSON where it is an event or JSON, else as a string. */
static int
put_event(struct il_text *out, const struct dead_letter *l,
          const struct known *k)
{
    if (k->accepted)
        return text_puts(out, ",\"event\":") || event_json(out, &k->ev);
    if (k->json)
        return text_puts(out, ",\"event\":")
               || text_put(out, l->event.ptr, l->event.len);
    if (strncmp(l->lane, "gate/", 5) != 0)
        return text_puts(out, ",\"event_bytes\":\"") || put_hex(out, l->event)
               || text_putc(out, '"');
    /* It may have been refused because it is no UTF-8. */
    struct il_text copy = { 0 };
    int err = text_put(&copy, l->event.ptr, l->event.len);
    if (!err)
        utf8_mend(copy.data, copy.len);
    err = err
          || put_member(out, "event_text", slice_of(text_str(&copy), copy.len));
    text_clear(&copy);
    return err;
}

static int
put_json(struct il_text *out, const struct dead_letter *l,
         const struct known *k, int whole)
{
    char when[TIME_TEXT];
    time_format(when, l->at_us);
    int err = text_putc(out, '{') || put_text(out, "lane", l->lane)
              || text_printf(out, ",\"position\":%" PRIu64, l->position)
              || put_member(out, "event_id", k->id)
              || put_member(out, "type", k->type) || put_text(out, "at", when)
              || text_printf(out, ",\"attempts\":%" PRIu32, l->attempts)
              || put_text(out, "code", l->reason.code)
              || put_text(out, "field", l->reason.field)
              || put_text(out, "rule", l->reason.rule)
              || put_text(out, "message", l->reason.message)
              || (l->key && put_text(out, "key", l->key))
              || (whole && put_event(out, l, k)) || text_puts(out, "}\n");
    return err ? -ENOMEM : 0;
}

/* Text from outside must not command the terminal. */
static int
put_plain(struct il_text *out, struct slice s)
{
    int err = 0;
    for (size_t i = 0; i < s.len && !err; i++) {
        unsigned char c = (unsigned char) s.ptr[i];
        int c1 =
            c == 0xc2 && i + 1 < s.len && (unsigned char) s.ptr[i + 1] < 0xa0;
        i += (size_t) c1;
        err = text_putc(out, c < 0x20 || c == 0x7f || c1 ? '?' : (char) c);
    }
    return err;
}

static int
put_words(struct il_text *out, const char *before, struct slice s)
{
    return s.len ? text_puts(out, before) || put_plain(out, s) : 0;
}

static struct slice
slice_str(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

static int
put_person(struct il_text *out, const struct dead_letter *l,
           const struct known *k, int whole)
{
    char when[TIME_TEXT];
    time_format(when, l->at_us);
    int err = put_words(out, "", slice_str(l->lane))
              || text_printf(out, " %" PRIu64 "  %s", l->position, when)
              || put_words(out, "  ", k->type) || put_words(out, "  ", k->id)
              || put_words(out, "\n    ", slice_str(l->reason.code))
              || put_words(out, ", field ", slice_str(l->reason.field))
              || put_words(out, ", rule ", slice_str(l->reason.rule))
              || put_words(out, ": ", slice_str(l->reason.message));
    if (!err && whole && l->attempts)
        err = text_printf(out, "\n    given up after %" PRIu32 " attempt%s",
                          l->attempts, l->attempts == 1 ? "" : "s");
    if (!err && whole) {
        struct il_text event = { 0 };
        if (k->accepted)
            err = event_json(&event, &k->ev);
        else if (strncmp(l->lane, "gate/", 5) == 0)
            err = text_put(&event, l->event.ptr, l->event.len);
        else
            err = put_hex(&event, l->event);
        err =
            err
            || put_words(out, "\n    ", slice_of(text_str(&event), event.len));
        text_clear(&event);
    }
    return err || text_putc(out, '\n') ? -ENOMEM : 0;
}

static int
letter_print(void *arg, const struct dead_letter *l)
{
    struct job *j = arg;
    struct il_text unpacked = { 0 };
    struct known k;
    letter_event(l, &unpacked, &k);
    j->text.len = 0;
    j->done++;
    int err = j->json ? put_json(&j->text, l, &k, j->whole)
                      : put_person(&j->text, l, &k, j->whole);
    text_clear(&unpacked);
    if (err)
        return err;
    return fwrite(j->text.data, 1, j->text.len, stdout) == j->text.len ? 0
                                                                       : -EIO;
}

/* --- the commands --- */

static int
job_failed(int err)
{
    if (err && err != -EIO) /* -EIO: nobody reads, or it was logged */
        fprintf(stderr, "ingestlayer dead: %s\n", strerror(-err));
    return err != 0;
}

static int
dead_list(struct job *j, char **args, int n)
{
    if (n > 1 || (n && j->lane))
        return job_usage("list takes one lane at most");
    if (n)
        j->lane = args[0];
    int status = job_open(j, 1);
    if (!status && j->store)
        status = job_failed(dead_each(j->store, j->lane, letter_print, j));
    if (!status && !j->done && !j->json)
        puts("no dead letters");
    return status;
}

static int
position_parse(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno || *end || *text < '0' || *text > '9' ? -EINVAL : 0;
}

/* LANE POSITION..., the lane perhaps by its option. */
static int
job_each(struct job *j, char **args, int n,
         int (*fn)(struct job *, uint64_t position))
{
    int status = 0;
    if (!j->lane && n)
        j->lane = *args++, n--;
    if (!j->lane || !n)
        return job_usage("a lane and a position are needed");
    uint64_t position;
    for (int i = 0; i < n; i++)
        if (position_parse(args[i], &position))
            return job_usage("a position is a number");
    if ((status = job_open(j, fn == NULL)))
        return status;
    for (int i = 0; i < n; i++) {
        position_parse(args[i], &position);
        int err = !j->store ? -ENOENT
                  : fn      ? fn(j, position)
                       : dead_get(j->store, j->lane, position, letter_print, j);
        if (err == -ENOENT)
            fprintf(stderr,
                    "ingestlayer dead: %s has no dead letter %" PRIu64 "\n",
                    j->lane, position);
        else
            job_failed(err);
        status |= err != 0;
    }
    return status;
}

static int
drop_one(struct job *j, uint64_t position)
{
    int err = dead_delete(j->store, j->lane, position);
    j->done += err == 0;
    return err;
}

static int
drop_each(void *arg, const struct dead_letter *l)
{
    int err = drop_one(arg, l->position);
    return err == -ENOENT ? 0 : err; /* somebody else was faster */
}

static int
dead_drop(struct job *j, char **args, int n)
{
    int status;
    if (j->all) {
        if (n > 1 || (n == 1) == (j->lane != NULL))
            return job_usage("drop --all takes one lane");
        if (n)
            j->lane = args[0];
        status = job_open(j, 0);
        if (!status && j->store)
            status = job_failed(dead_each(j->store, j->lane, drop_each, j));
    } else {
        status = job_each(j, args, n, drop_one);
    }
    if (status != 2)
        printf("dropped %" PRIu64 "\n", j->done);
    return status;
}

static int
dead_show(struct job *j, char **args, int n)
{
    j->whole = 1;
    return job_each(j, args, n, NULL);
}

int
command_dead(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "lane", required_argument, NULL, 'l' },
        { "all", no_argument, NULL, 'a' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 }
    };
    struct job j = { .config = COMMAND_CONF_DEFAULT };
    for (int c;
         (c = getopt_long(argc, argv, "c:s:l:ajh", options, NULL)) != -1;) {
        if (c == 'c')
            j.config = optarg;
        else if (c == 's')
            j.state_dir = optarg;
        else if (c == 'l')
            j.lane = optarg;
        else if (c == 'a')
            j.all = 1;
        else if (c == 'j')
            j.json = 1;
        else if (c == 'h')
            return fputs(usage, stdout), 0;
        else
            return fputs(usage, stderr), 2;
    }
    const char *what = optind < argc ? argv[optind++] : "";
    char **args = argv + optind;
    int n = argc - optind, status;
    if (!strcmp(what, "list"))
        status = dead_list(&j, args, n);
    else if (!strcmp(what, "show"))
        status = dead_show(&j, args, n);
    else if (!strcmp(what, "drop"))
        status = dead_drop(&j, args, n);
    else
        return fputs(usage, stderr), 2;
    if (j.store)
        dead_close(j.store);
    text_clear(&j.text);
    if (fflush(stdout))
        status = 1;
    return status;
}

/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "history.h"

#include "assembly.h"
#include "lineage.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "base/time.h"
#include "codec/json.h"
#include "codec/json_out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
history_path(char *out, size_t size, const char *state_dir, const char *lane)
{
    int n = snprintf(out, size, "%s/lanes/%s.history", state_dir, lane);
    return n > 0 && (size_t) n < size ? 0 : -ENAMETOOLONG;
}

/* --- reading --------------------------------------------------------------- */

static struct slice
member(const struct il_value *map, const char *key)
{
    struct il_value v;
    if (msg_find(map, key, strlen(key), &v) && v.type == IL_STRING)
        return slice_of(v.str, v.len);
    return slice_of("", 0);
}

static void
copy(char *to, size_t size, struct slice s)
{
    snprintf(to, size, "%.*s", (int) s.len, s.ptr);
}

/* 1: *out is filled in; 0: the line is none of this spool; -ENOMEM. */
static int
read_entry(const struct il_value *v, const char *spool,
           struct history_entry *out)
{
    struct il_value from;
    struct slice of = member(v, "spool"), at = member(v, "at");
    struct slice config = member(v, "config");
    *out = (struct history_entry){ .from = 0 };
    if (v->type != IL_MAP || !slice_equal(of, slice_of(spool, strlen(spool)))
        || !msg_find(v, "from", 4, &from)
        || (from.type != IL_INT && from.type != IL_UINT)
        || time_parse(at.ptr, at.len, &out->at_us))
        return 0;
    out->from = from.num.u;
    copy(out->fingerprint, sizeof out->fingerprint, member(v, "fingerprint"));
    copy(out->version, sizeof out->version, member(v, "version"));
    return text_put(&out->config, config.ptr, config.len) ? -ENOMEM : 1;
}

static int
add_line(struct history *h, const char *line, size_t len, const char *spool,
         struct il_text *packed)
{
    struct json_error error;
    struct il_value v;
    packed->len = 0;
    if (json_to_msgpack(line, len, packed, &error))
        return error.code == JSON_MEMORY ? -ENOMEM : 0;
    const char *p = packed->data;
    if (msg_value(&p, packed->data + packed->len, &v))
        return 0;
    struct history_entry *more =
        realloc(h->list, (h->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    h->list = more;
    int r = read_entry(&v, spool, &h->list[h->count]);
    h->count += r == 1;
    return r < 0 ? r : 0;
}

/* There need be none. */
static int
read_file(const char *path, struct il_text *out)
{
    int err = file_read(AT_FDCWD, path, SIZE_MAX, out);
    return err == -ENOENT ? 0 : err;
}

static int
read_lines(const struct il_text *file, const char *spool, struct history *out)
{
    struct il_text packed = { 0 };
    int err = 0;
    for (size_t at = 0; at < file->len && !err;) {
        const char *line = file->data + at;
        const char *end = memchr(line, '\n', file->len - at);
        if (!end)
            break; /* torn */
        err = add_line(out, line, (size_t) (end - line), spool, &packed);
        at += (size_t) (end - line) + 1;
    }
    text_clear(&packed);
    return err;
}

int
host_history_read(const char *state_dir, const char *lane, const char *spool,
                  struct history *out)
{
    char path[4096];
    struct il_text file = { 0 };
    *out = (struct history){ .count = 0 };
    int err = history_path(path, sizeof path, state_dir, lane);
    if (!err)
        err = read_file(path, &file);
    if (!err)
        err = read_lines(&file, spool, out);
    text_clear(&file);
    return err;
}

void
host_history_free(struct history *h)
{
    for (size_t i = 0; i < h->count; i++)
        text_clear(&h->list[i].config);
    free(h->list);
    *h = (struct history){ .count = 0 };
}

/* A lane that went back ran again over what follows: so the last one counts that
 * began before. */
const struct history_entry *
host_history_at(const struct history *h, uint64_t position)
{
    for (size_t i = h->count; i-- > 0;)
        if (h->list[i].from < position)
            return &h->list[i];
    return NULL;
}

/* Behind the last mark: a text may have one in it. */
struct slice
host_history_place(const struct history_entry *e, int line)
{
    const char *p = e->config.data, *end = p + e->config.len, *found = NULL;
    const size_t mark = strlen(HISTORY_PLACE);
    for (; line > 1 && p < end; line--) {
        p = memchr(p, '\n', (size_t) (end - p));
        p = p ? p + 1 : end;
    }
    for (; p < end && *p != '\n'; p++)
        if ((size_t) (end - p) > mark && !memcmp(p, HISTORY_PLACE, mark))
            found = p + mark;
    return found ? slice_of(found, (size_t) (p - found)) : slice_of("", 0);
}

int
host_history_remove(const char *state_dir, const char *lane)
{
    char path[4096];
    int err = history_path(path, sizeof path, state_dir, lane);
    return err || !unlink(path) || errno == ENOENT ? err : -errno;
}

/* --- writing --------------------------------------------------------------- */

/* Of the config without its places. */
static uint64_t
fingerprint_of(struct il_text *config)
{
    const size_t mark = strlen(HISTORY_PLACE);
    const char *p = text_str(config), *end = p + config->len;
    uint64_t sum = 0;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t) (end - p));
        const char *upto = stop = stop ? stop : end;
        for (const char *q = p; q + mark <= stop; q++)
            if (!memcmp(q, HISTORY_PLACE, mark))
                upto = q;
        sum = lineage_bytes(sum, p, (size_t) (upto - p));
        p = stop + 1;
    }
    return sum;
}

static void
format_print(char out[17], struct il_text *config)
{
    snprintf(out, 17, "%016" PRIx64, fingerprint_of(config));
}

int
host_history_same(const struct history_entry *e, const struct assembly_lane *l)
{
    char print[sizeof e->fingerprint];
    struct il_text config = { 0 };
    int err = host_history_config(&config, l);
    format_print(print, &config);
    text_clear(&config);
    return !err && !strcmp(print, e->fingerprint);
}

static int
is_noted(const struct history *h, const struct il_text *config,
         uint64_t position)
{
    const struct history_entry *last = h->count ? &h->list[h->count - 1] : NULL;
    return last && last->from <= position
           && !strcmp(last->version, PACKAGE_VERSION)
           && slice_equal(slice_of(last->config.data, last->config.len),
                          slice_of(config->data, config->len));
}

static int
put_entry(struct il_text *out, const char *spool, struct il_text *config,
          uint64_t position)
{
    char print[17];
    struct json_out o;
    format_print(print, config);
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_number(&o, "from", position);
    json_out_time(&o, "at", clock_wall_us());
    json_out_str(&o, "spool", spool);
    json_out_str(&o, "version", PACKAGE_VERSION);
    json_out_str(&o, "fingerprint", print);
    json_out_slice(&o, "config", slice_of(text_str(config), config->len));
    json_out_end(&o);
    int err = json_out_done(&o);
    return err ? err : text_putc(out, '\n');
}

/* The file as it is to be: whole lines, and not too many of them. */
static void
let_go(struct il_text *file)
{
    while (file->len && file->data[file->len - 1] != '\n')
        file->len--;
    while (file->len > HISTORY_BYTES) {
        const char *end = memchr(file->data, '\n', file->len);
        size_t line = (size_t) (end - file->data) + 1;
        if (line == file->len)
            break; /* the newest one stays, however long */
        memmove(file->data, file->data + line, file->len - line);
        file->len -= line;
    }
}

static int
replace_file(const char *path, const struct il_text *file)
{
    char folder[4096];
    const char *name = strrchr(path, '/') + 1;
    snprintf(folder, sizeof folder, "%.*s", (int) (name - path - 1), path);
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    int err = file_replace(dirfd, name, file->data, file->len);
    close(dirfd);
    return err;
}

/* A lane that had another name goes on with what it had under that. */
static int
take_over(const char *state_dir, const char *was, const char *path)
{
    char from[4096];
    if (!was || access(path, F_OK) == 0)
        return 0;
    int err = history_path(from, sizeof from, state_dir, was);
    return err || !rename(from, path) || errno == ENOENT ? err : -errno;
}

static int
append(const struct il_host *d, const struct assembly_lane *l, const char *id,
       struct il_text *config, uint64_t position)
{
    char path[4096];
    struct il_text file = { 0 };
    struct history h = { .count = 0 };
    int err = history_path(path, sizeof path, d->state_dir, d->lane);
    if (!err)
        err = take_over(d->state_dir, option_str(l->plan->part.place, "was", 0),
                        path);
    if (!err)
        err = read_file(path, &file);
    if (!err)
        err = read_lines(&file, id, &h);
    if (!err && !is_noted(&h, config, position)) {
        let_go(&file);
        err = put_entry(&file, id, config, position);
        let_go(&file);
        if (!err)
            err = replace_file(path, &file);
    }
    host_history_free(&h);
    text_clear(&file);
    return err;
}

void
host_history_append(const struct il_host *destination, const char *spool,
                    uint64_t position)
{
    const struct assembly_lane *l =
        (const struct assembly_lane
             *) (const void *) ((const char *) destination
                                - offsetof(struct assembly_lane, destination));
    struct il_text config = { 0 };
    int err = host_history_config(&config, l);
    if (!err)
        err = append(destination, l, spool, &config, position);
    if (err)
        log_warn("lane %s: cannot note by what config it runs, so that `why` "
                 "will not know: %s",
                 destination->lane, strerror(-err));
    text_clear(&config);
}

/* SPDX-License-Identifier: MIT */
#include "entity_import.h"

#include "entity_bulk.h"
#include "base/csv.h"
#include "codec/msg_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT_ROWS 5000 /* of one transaction, at most */
#define IMPORT_BYTES (4 << 20)
#define IMPORT_TELL 256           /* records from one progress() to the next */
#define IMPORT_LINE_MAX (2 << 20) /* of NDJSON, in bytes */

struct import {
    struct entity_import *job;
    struct entity_bulk bulk;
    struct il_text traits, cell;
    size_t told; /* how many records there were */
};

static void
import_problem(void *arg, size_t line, const char *message)
{
    struct entity_import *job = arg;
    job->refused++;
    if (job->clear)
        job->clear(job->arg);
    fprintf(job->problems, "%s:%zu: %s\n", job->name, line, message);
}

static int
import_failed(struct import *im, const char *what, int err)
{
    if (im->job->clear)
        im->job->clear(im->job->arg);
    fprintf(im->job->problems, "%s: %s: %s\n", im->job->name, what,
            err == -ENOSPC ? entity_strerror(err) : strerror(-err));
    return err;
}

/* A record begins on this line.  1: it is to be passed over; 0, or what progress()
 * wants to end with. */
static int
import_at(struct import *im, size_t line)
{
    struct entity_import *job = im->job;
    if (job->progress && im->told++ % IMPORT_TELL == 0) {
        int err = job->progress(job->arg, line);
        if (err)
            return err;
    }
    job->line = line;
    return line < job->from_line;
}

/* Reading has failed.  A signal may be the reason, and then that is no fault. */
static int
import_unread(struct import *im, int err)
{
    struct entity_import *job = im->job;
    int ended = job->progress ? job->progress(job->arg, job->line) : 0;
    if (ended)
        return ended;
    return import_failed(im, "cannot read", err);
}

/* Put what has been gathered. */
static int
import_flush(struct import *im)
{
    struct entity_import *job = im->job;
    int err = entity_bulk_put(&im->bulk, job->store, import_problem, job,
                              &job->created, &job->merged);
    entity_bulk_reset(&im->bulk);
    return err ? import_failed(im, "cannot write the entity store", err) : 0;
}

static int
import_flush_full(struct import *im)
{
    if (im->bulk.count < IMPORT_ROWS && im->bulk.bytes.len < IMPORT_BYTES)
        return 0;
    return import_flush(im);
}

/* --- CSV ----------------------------------------------------------------- */

struct columns {
    char **names;
    size_t *lens;
    size_t count, id;
};

static void
columns_clear(struct columns *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    free(c->lens);
}

static int
columns_find(const struct columns *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->lens[i] == strlen(name)
            && !memcmp(c->names[i], name, c->lens[i]))
            return (int) i;
    }
    return -1;
}

static int
columns_copy(struct columns *c, const struct csv *csv)
{
    c->names = calloc(csv->count, sizeof(*c->names));
    c->lens = calloc(csv->count, sizeof(*c->lens));
    if (!c->names || !c->lens)
        return -ENOMEM;
    for (size_t i = 0; i < csv->count; i++) {
        struct slice f = csv_field(csv, i);
        c->names[i] = malloc(f.len + 1);
        if (!c->names[i])
            return -ENOMEM;
        memcpy(c->names[i], f.ptr, f.len);
        c->names[i][f.len] = 0;
        c->lens[i] = f.len;
        c->count++;
    }
    return 0;
}

/* Each column must have a name of its own. */
static int
columns_check(struct import *im, const struct columns *c)
{
    FILE *out = im->job->problems;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->lens[i]) {
            fprintf(out, "%s:1: column %zu has no name\n", im->job->name,
                    i + 1);
            return -EINVAL;
        }
        if (columns_find(c, c->names[i]) != (int) i) {
            fprintf(out, "%s:1: there are two columns \"%s\"\n", im->job->name,
                    c->names[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int
columns_find_id(struct import *im, struct columns *c)
{
    struct entity_import *job = im->job;
    char by_kind[ENTITY_KIND_MAX + 4];
    snprintf(by_kind, sizeof(by_kind), "%.*s_id", (int) job->kind.len,
             job->kind.ptr);
    const char *const usual[] = { "external_id", by_kind, "id" };
    int at = job->id_column ? columns_find(c, job->id_column) : -1;
    for (int i = 0; i < 3 && at < 0 && !job->id_column; i++)
        at = columns_find(c, usual[i]);
    if (at >= 0) {
        c->id = (size_t) at;
        return 0;
    }
    if (job->id_column)
        fprintf(job->problems, "%s:1: there is no column \"%s\"; there are",
                job->name, job->id_column);
    else
        fprintf(job->problems,
                "%s:1: which column is the id?  Say "
                "--id-column; there are",
                job->name);
    for (size_t i = 0; i < c->count; i++)
        fprintf(job->problems, "%s \"%s\"", i ? "," : "", c->names[i]);
    fputc('\n', job->problems);
    return -EINVAL;
}

static int
columns_read(struct import *im, struct csv *csv, struct columns *c)
{
    int n = csv_next(csv);
    if (n == 0) {
        fprintf(im->job->problems, "%s: there is no header line\n",
                im->job->name);
        return -EINVAL;
    }
    if (n == -EINVAL) {
        fprintf(im->job->problems, "%s:%llu: the header: %s\n", im->job->name,
                (unsigned long long) csv->line, csv->error);
        return n;
    }
    if (n < 0)
        return import_failed(im, "cannot read", n);
    int err = columns_copy(c, csv);
    if (err)
        return import_failed(im, "header", err);
    err = columns_check(im, c);
    return err ? err : columns_find_id(im, c);
}

/* Is this cell, as it stands, a number, true, false or null? */
static int
import_typed(struct import *im, struct slice cell)
{
    struct json_error error;
    size_t before = im->traits.len;
    if (!cell.len)
        return msg_pack_nil(&im->traits) ? -ENOMEM : 1;
    char c = cell.ptr[0], last = cell.ptr[cell.len - 1];
    int word = slice_equal(cell, SLICE("true"))
               || slice_equal(cell, SLICE("false"))
               || slice_equal(cell, SLICE("null"));
    int number =
        (c == '-' || (c >= '0' && c <= '9')) && last >= '0' && last <= '9';
    if (!word && !number)
        return 0;
    int err = json_to_msgpack(cell.ptr, cell.len, &im->traits, &error);
    if (err)
        im->traits.len = before; /* 2024-01-01 begins like a number */
    return err == -ENOMEM ? err : err == 0;
}

static int
import_cell(struct import *im, struct slice cell)
{
    int done = im->job->typed ? import_typed(im, cell) : 0;
    if (done)
        return done < 0 ? done : 0;
    return msg_pack_str(&im->traits, cell.ptr, cell.len);
}

static int
import_row(struct import *im, const struct csv *csv, const struct columns *c)
{
    char why[ENTITY_WHY];
    size_t line = (size_t) csv->line;
    if (csv->count != c->count) {
        snprintf(why, sizeof(why), "%zu field%s where the header has %zu",
                 csv->count, csv->count == 1 ? "" : "s", c->count);
        import_problem(im->job, line, why);
        return 0;
    }
    struct slice id = csv_field(csv, c->id);
    if (!entity_id_valid(id)) {
        snprintf(why, sizeof(why),
                 "column \"%.100s\": an id has 1 to %d bytes of UTF-8",
                 c->names[c->id], ENTITY_ID_MAX);
        import_problem(im->job, line, why);
        return 0;
    }
    im->traits.len = 0;
    int err = msg_pack_map(&im->traits, (uint32_t) c->count - 1);
    for (size_t i = 0; i < c->count && !err; i++) {
        if (i == c->id)
            continue;
        err = msg_pack_str(&im->traits, c->names[i], c->lens[i]);
        if (!err)
            err = import_cell(im, csv_field(csv, i));
    }
    if (err)
        return err;
    if (msg_check(im->traits.data, im->traits.len)) {
        import_problem(im->job, line, "the text is not UTF-8");
        return 0;
    }
    return entity_bulk_add(&im->bulk, line, im->job->kind, id,
                           slice_of(im->traits.data, im->traits.len));
}

static int
import_csv(struct import *im)
{
    struct columns columns = { 0 };
    struct csv csv;
    csv_open(&csv, im->job->in, im->job->delimiter);
    int err = columns_read(im, &csv, &columns);
    while (!err) {
        int n = csv_next(&csv);
        if (n == 0)
            break;
        if (n < 0 && n != -EINVAL) {
            err = import_unread(im, n);
            break;
        }
        int passed = import_at(im, (size_t) csv.line);
        if (passed < 0)
            err = passed;
        else if (n == -EINVAL && !passed)
            import_problem(im->job, (size_t) csv.line, csv.error);
        else if (!passed)
            err = import_row(im, &csv, &columns);
        if (err == -ENOMEM)
            import_failed(im, "cannot read", err);
        if (!err)
            err = import_flush_full(im);
    }
    columns_clear(&columns);
    csv_clear(&csv);
    return err;
}

/* --- NDJSON -------------------------------------------------------------- */

/* Read a line without its end.  1, 0 at the end, -EMSGSIZE (stepped over),
 * -ENOMEM, or the errno of reading. */
static int
import_line(FILE *in, struct il_text *line)
{
    int ch, any = 0, err = 0;
    line->len = 0;
    errno = 0;
    while ((ch = getc_unlocked(in)) != EOF && ch != '\n') {
        any = 1;
        if (line->len == IMPORT_LINE_MAX)
            err = -EMSGSIZE;
        else if (text_putc(line, (char) ch))
            return -ENOMEM;
    }
    if (ferror(in))
        return errno ? -errno : -EIO;
    return err ? err : any || ch == '\n';
}

static int
import_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return 0;
    }
    return 1;
}

static int
import_ndjson(struct import *im)
{
    struct entity_import *job = im->job;
    char why[ENTITY_WHY];
    int err = 0;
    for (size_t line = 1; !err; line++) {
        int n = import_line(job->in, &im->cell), passed;
        if (n == 0)
            return 0;
        if (n < 0 && n != -EMSGSIZE)
            return import_unread(im, n);
        if ((passed = import_at(im, line)) < 0)
            return passed;
        if (passed)
            continue;
        if (n == -EMSGSIZE) {
            import_problem(job, line, "the line is longer than 2 MiB");
            continue;
        }
        struct slice text = { im->cell.data, im->cell.len };
        if (line == 1 && text.len >= 3 && !memcmp(text.ptr, "\xEF\xBB\xBF", 3))
            text = slice_of(text.ptr + 3, text.len - 3);
        if (import_blank(text))
            continue;
        n = entity_bulk_line(&im->bulk, text.ptr, text.len, line, job->kind,
                             why);
        if (n < 0)
            return import_failed(im, "cannot read", n);
        if (n)
            import_problem(job, line, why);
        err = import_flush_full(im);
    }
    return err;
}

/* By the first character behind a byte order mark, which is passed over here.
 * What only begins like one is put back: up to three bytes just read, for which
 * each C library's buffer has room. */
static int
import_guess(FILE *in)
{
    static const unsigned char mark[] = { 0xEF, 0xBB, 0xBF };
    int n = 0, ch;
    while ((ch = getc(in)) != EOF && n < 3 && ch == mark[n])
        n++;
    if (ch != EOF)
        ungetc(ch, in);
    while (n > 0 && n < 3)
        ungetc(mark[--n], in);
    return ch == '{' ? IMPORT_NDJSON : IMPORT_CSV;
}

/* NULL, or why it is neither CSV nor NDJSON. */
static const char *
import_strange(FILE *in)
{
    int ch = getc(in);
    if (ch != EOF)
        ungetc(ch, in);
    if (ch == 0xFF || ch == 0xFE)
        return "this is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)";
    if (ch == '[')
        return "this is one array of JSON; write an object a line, as "
               "jq -c '.[]' does";
    return NULL;
}

int
entity_import(struct entity_import *job)
{
    struct import im = { .job = job };
    int format = job->format;
    job->created = job->merged = job->refused = job->line = 0;
    const char *strange = import_strange(job->in);
    if (strange) {
        fprintf(job->problems, "%s:1: %s\n", job->name, strange);
        return -EINVAL;
    }
    if (format == IMPORT_GUESS)
        format = import_guess(job->in);
    int err = format == IMPORT_CSV ? import_csv(&im) : import_ndjson(&im);
    if (!err)
        err = import_flush(&im);
    else if (err == -EINTR && import_flush(&im))
        err = -EIO; /* which was said */
    entity_bulk_clear(&im.bulk);
    text_clear(&im.traits);
    text_clear(&im.cell);
    return err;
}

/* SPDX-License-Identifier: MIT */
/* Findings: collected from whoever checks, printed together. */
#include "private.h"

#include "base/wtf8.h"

#include <stdlib.h>
#include <string.h>

/* Characters that a terminal may show, from bytes that may be anything: a blank
 * for a control character, a question mark for another, so that columns stay
 * where they are. */
static void
put_shown(struct il_text *out, const char *text, size_t len)
{
    int bytes;
    for (const char *p = text, *end = text + len; p < end; p += bytes) {
        if (utf8_shown(p, end, &bytes))
            text_put(out, p, (size_t) bytes);
        else
            text_putc(out, (unsigned char) *p < 0x80 ? ' ' : '?');
    }
}

static int
is_continuation(char c)
{
    return ((unsigned char) c & 0xc0) == 0x80;
}

/* The line of text that holds offset, cut to a window around it, and below it
 * a caret at the character. */
static char *
excerpt(struct conf *conf, const char *text, size_t offset)
{
    enum { BEFORE = 60, AFTER = 30 };
    size_t len = strlen(text);
    if (offset > len)
        offset = len;
    size_t from = offset, to = offset, n = 0;
    while (from > 0 && text[from - 1] != '\n' && n < BEFORE)
        n += !is_continuation(text[--from]);
    while (from < offset && is_continuation(text[from]))
        from++;
    for (n = 0; to < len && text[to] != '\n' && n <= AFTER; to++)
        n += !is_continuation(text[to]);
    while (to < len && is_continuation(text[to]))
        to++;

    struct il_text out = { 0 };
    text_puts(&out, "    ");
    size_t column = 0;
    if (from > 0 && text[from - 1] != '\n') {
        text_puts(&out, "...");
        column = 3;
    }
    put_shown(&out, text + from, to - from);
    if (to < len && text[to] != '\n')
        text_puts(&out, "...");
    for (size_t i = from; i < offset; i++)
        column += !is_continuation(text[i]);
    text_printf(&out, "\n    %*s^", (int) column, "");
    char *shown = conf_strndup(conf, text_str(&out), out.len);
    text_clear(&out);
    return shown;
}

static void
put_origin(struct il_text *out, const struct conf_finding *f)
{
    if (f->place.file) {
        text_puts(out, f->place.file);
        if (f->place.line > 0)
            text_printf(out, ":%d", f->place.line);
        text_puts(out, ": ");
    }
    if (f->warning)
        text_puts(out, "warning: ");
    if (f->where && *f->where)
        text_printf(out, "%s: ", f->where);
    if (f->key && *f->key)
        text_printf(out, "%s: ", f->key);
}

static int
is_known(const struct conf *conf, const struct finding *f)
{
    for (size_t i = 0; i < conf->finding_count; i++)
        if (strcmp(conf->findings[i].line, f->line) == 0)
            return 1;
    return 0;
}

void
conf_vadd(struct conf *conf, const struct conf_finding *at, const char *fmt,
          va_list ap)
{
    struct il_text line = { 0 };
    conf->reports += !at->warning;
    put_origin(&line, at);
    if (text_vprintf(&line, fmt, ap))
        conf_give_up();
    struct finding f = { .place = at->place,
                         .warning = at->warning,
                         .secrets =
                             at->of_file ? conf->files[at->place.rank] : NULL,
                         .order = conf->finding_count };
    struct il_text shown = { 0 };
    put_shown(&shown, line.data, line.len);
    f.line = conf_strndup(conf, text_str(&shown), shown.len);
    text_clear(&line);
    text_clear(&shown);
    if (is_known(conf, &f))
        return;
    if (at->text && at->offset >= 0)
        f.text = excerpt(conf, at->text, (size_t) at->offset);

    struct finding *more =
        realloc(conf->findings, (conf->finding_count + 1) * sizeof(f));
    if (!more)
        conf_give_up();
    conf->findings = more;
    conf->findings[conf->finding_count++] = f;
    conf->errors += !at->warning;
}

void
conf_add(struct conf *conf, const struct conf_finding *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    conf_vadd(conf, at, fmt, ap);
    va_end(ap);
}

size_t
conf_errors(const struct conf *conf)
{
    return conf->errors;
}

size_t
conf_strays(const struct conf *conf)
{
    return conf->strays;
}

void
conf_count_stray(struct conf *conf)
{
    conf->strays++;
}

size_t
conf_reports(const struct conf *conf)
{
    return conf->reports;
}

size_t
conf_warnings(const struct conf *conf)
{
    return conf->finding_count - conf->errors;
}

static int
by_place(const void *va, const void *vb)
{
    const struct finding *a = va, *b = vb;
    if (a->place.rank != b->place.rank)
        return a->place.rank < b->place.rank ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void
conf_print(struct conf *conf, FILE *out)
{
    if (conf->finding_count)
        qsort(conf->findings, conf->finding_count, sizeof(struct finding),
              by_place);
    for (size_t i = 0; i < conf->finding_count; i++) {
        const struct finding *f = &conf->findings[i];
        fprintf(out, "%s%s\n", f->line,
                f->secrets && f->secrets->more_secrets
                    ? " (it is not the only one in there)"
                    : "");
        if (f->text)
            fprintf(out, "%s\n", f->text);
    }
}

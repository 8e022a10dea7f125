/* SPDX-License-Identifier: MIT */
/* Config files: reading, merging, and everything that is wrong with them.
 *
 * A struct conf collects findings from whoever checks (the parser, the option
 * tables, plugins in open) and prints them together, in the order of the
 * files.  It owns all memory that settings point into. */
#ifndef CONF_H
#define CONF_H

#include "base/text.h"

#include <stdio.h>

struct conf;
struct config_setting_t;

struct conf *conf_new(void);
void conf_free(struct conf *); /* wipes what it held: there may be secrets */

/* Read a file, and the *.conf files of its include_dir in name order.  0, or
 * -EINVAL with at least one finding. */
int conf_load(struct conf *, const char *path);
/* The same for a text; name stands for the file in messages, dir is what
 * relative paths are relative to. */
int conf_load_text(struct conf *, const char *name, const char *dir,
                   const char *text, size_t len);

/* The i-th value that was the environment's or a credential of the unit's, which
 * are what they were when the process began: "env:NAME", "credential:NAME"; NULL:
 * there are no more. */
const char *conf_fixed(const struct conf *, size_t i);
/* A file of which a value was taken (file:PATH), and that is another one by now;
 * or NULL.  *now: a number for how all of them are. */
const char *conf_file_changed(const struct conf *, uint64_t *now);
/* Were both read from the same files, as they were then? */
int conf_same_files(const struct conf *, const struct conf *);

/* The outermost group of each file that was read. */
size_t conf_file_count(const struct conf *);
struct config_setting_t *conf_root(const struct conf *, size_t file);
/* The text of a string member; NULL: absent or of another type. */
const char *conf_peek(const struct config_setting_t *group, const char *key);

/* The text of a number with a point or an exponent, as it stands in its file,
 * in JSON's grammar: what libconfig keeps is a double. */
const char *conf_float_text(const struct conf *,
                            const struct config_setting_t *);

/* Append a setting of any shape as JSON, numbers as they are written.  0, -EINVAL
 * (it nests too deep) or -ENOMEM. */
int conf_value_json(const struct conf *, const struct config_setting_t *,
                    struct il_text *out);

/* Where a setting stands. */
struct conf_place {
    const char *file; /* as the operator named it; NULL: nowhere */
    const char *dir;  /* what file:PATH is relative to */
    int line;
    int rank; /* order of the files */
};
struct conf_place conf_place(const struct conf *,
                             const struct config_setting_t *);
/* A secret stands in a file: is that to be told?  One finding tells of all in a
 * file that every user can read. */
int conf_exposed(struct conf *, const struct config_setting_t *);
/* The place of the first file, for what is missing altogether. */
struct conf_place conf_place_main(const struct conf *);

/* One finding.  Same place and same text: kept once (each lane opens its own
 * instances of the steps). */
struct conf_finding {
    struct conf_place place;
    const char *where; /* pipeline "orders", step 1 (filter.match); or NULL */
    const char *key;   /* where, in dots: batch.events; or NULL */
    const char *text;  /* the value concerned, where it may be shown */
    long offset;       /* byte in text, -1: none */
    int warning;       /* does not fail a check */
    int of_file;       /* what conf_exposed() says is to be told */
};
void conf_add(struct conf *, const struct conf_finding *, const char *fmt, ...)
    IL_PRINTF(3, 4);
void conf_vadd(struct conf *, const struct conf_finding *, const char *fmt,
               va_list);

size_t conf_errors(const struct conf *);
/* How many were reported so far, repetitions counted: did this call find
 * anything? */
size_t conf_reports(const struct conf *);
/* How many of them were keys that nobody knows: what was understood is whole
 * without them, and can be checked further. */
size_t conf_strays(const struct conf *);
void conf_count_stray(struct conf *);
size_t conf_warnings(const struct conf *);
/* All findings, one line each (and for texts the text and a caret). */
void conf_print(struct conf *, FILE *);

/* Append a text as it would stand in a config, in quotes.  0 or -ENOMEM. */
int conf_put_string(struct il_text *, const char *);

/* Memory that lives as long as conf.  Never NULL: without memory at start-up
 * the process gives up with a message. */
void *conf_alloc(struct conf *, size_t size);
char *conf_strndup(struct conf *, const char *, size_t len);
char *conf_printf(struct conf *, const char *fmt, ...) IL_PRINTF(2, 3);
/* Says that there is no memory, and exits with 1. */
void conf_give_up(void) __attribute__((noreturn));

#endif

/* SPDX-License-Identifier: MIT */
/* Option tables at work: validate a group of a config file against them, and
 * read what is in it.  The same code serves plugins and the host's own keys.
 *
 * Every fault becomes a finding of the struct conf; nothing wrong is replaced
 * by a default. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "conf.h"

/* Host only, beside IL_OPT_REQUIRED ...: env:, file: and credential: are not
 * looked up (names must not depend on the environment). */
#define OPTION_PLAIN (1u << 16)
/* Host only: a list of groups that somebody else reads, with more tables than
 * the children, which are there for the documentation. */
#define OPTION_RAW (1u << 17)
/* Host only, of an IL_OPT_STRING: a text or a number; of a number the text has
 * what was written. */
#define OPTION_NUMBER (1u << 18)
/* Host only: the children hold this option again, so whoever prints them stops
 * here. */
#define OPTION_AGAIN (1u << 19)

/* Host only, of an IL_OPT_STRING: any value; somebody else reads the setting. */
#define OPTION_ANY (1u << 20)

/* A table that ends with { 0 }, and the distance of its entries, which for a
 * plugin is what it was compiled with. */
struct option_table {
    const struct il_option *first;
    uint32_t stride;
};
#define OPTION_TABLE(array)                                                    \
    ((struct option_table){ (array), sizeof(struct il_option) })

/* Copy entry i of a table into *out, cleared first.  1, or 0 at its end. */
int option_at(const struct option_table *, size_t i, struct il_option *out);
/* The tables of a nested group. */
struct option_table option_children(const struct option_table *,
                                    const struct il_option *);

struct option_read {
    struct conf *conf;
    const char *where; /* of findings; lives as long as conf */
    /* The same group from several files; lists are joined.  A NULL or an empty
     * array: only defaults. */
    struct config_setting_t *const *groups;
    size_t group_count;
    const struct option_table *tables;
    size_t table_count;
    int allow_unknown; /* the plugin that knows them could not be loaded */
};
/* Always returns a readable group; look at conf_errors() for what is wrong. */
const struct il_conf *option_read_group(const struct option_read *);

/* Those options of a group that were read by the table that begins with first
 * (NULL: none), and all of the group that is called below (or NULL) in it: an
 * option that is in both is taken from there where it is written there, and
 * written in both it is a finding.  Lives as long as conf. */
const struct il_conf *option_view(const struct il_conf *,
                                  const struct il_option *first,
                                  const char *below);

/* The entries of struct il_api that read options. */
int option_has(const struct il_conf *, const char *key);
const char *option_str(const struct il_conf *, const char *key, size_t i);
int64_t option_int(const struct il_conf *, const char *key, size_t i);
const char *option_number(const struct il_conf *, const char *key, size_t i);
size_t option_count(const struct il_conf *, const char *key);
const struct il_conf *option_group(const struct il_conf *, const char *key,
                                   size_t i);
/* Report against element i of a key, or against a byte of its text.  Always
 * -EINVAL. */
int option_error(const struct il_conf *, const char *key, size_t i,
                 const char *fmt, ...) IL_PRINTF(4, 5);
/* The same, but a warning where so asked. */
void option_remark(const struct il_conf *, const char *key, size_t i,
                   long offset, int warning, const char *fmt, ...)
    IL_PRINTF(6, 7);
int option_error_at(const struct il_conf *, const char *key, size_t i,
                    long offset, const char *fmt, ...) IL_PRINTF(5, 6);

/* The setting behind a key, or the group itself (key NULL); NULL: a default. */
struct config_setting_t *option_setting(const struct il_conf *, const char *key,
                                        size_t i);
/* Has one of the tables that the group was read by this key? */
int option_known(const struct il_conf *, const char *key);
/* "FILE:LINE" of it, for messages about two places. */
const char *option_origin(const struct il_conf *, const char *key, size_t i);

/* The options of a group one by one, in the order of its tables, for whoever shows
 * them.  Any thread, as long as nobody reads more into the conf. */
struct option_shown {
    const char *name;
    uint32_t type, flags;
    size_t count; /* elements: 0, where it is not set and has no default */
    int below;    /* of a view: it stands in the group that was named */
};
/* 1, or 0 behind the last. */
int option_shown(const struct il_conf *, size_t i, struct option_shown *out);
enum { OPTION_BARE, OPTION_QUOTED, OPTION_SECRET };
/* Of element k of option i: its group; where it stands (1), or that it is a
 * default (0); its value, appended, and whether that is a text, or -ENOMEM; of a
 * secret, and of what looks like one (a password in a URI, the value of a header
 * such as Authorization), nothing is appended.  A text that stands elsewhere is
 * shown as it was written, env:NAME. */
const struct il_conf *option_shown_group(const struct il_conf *, size_t i,
                                         size_t k);
int option_shown_place(const struct il_conf *, size_t i, size_t k,
                       struct conf_place *out);
int option_shown_text(const struct il_conf *, size_t i, size_t k,
                      struct il_text *out);

/* Hashes of what a group says, and of what it says of one key, each chained to
 * the one before: the same for two groups that whoever reads them cannot tell
 * apart, secrets and files that they name included.  For comparing within a
 * process, not to be kept: it is made of secrets too. */
uint64_t option_sum(const struct il_conf *, uint64_t before);
uint64_t option_sum_of(const struct il_conf *, const char *key,
                       uint64_t before);

/* As the operator would write it: "64MiB", "30s", "12", "true". */
void option_format(char out[32], uint32_t type, int64_t value);
const char *option_type_name(uint32_t type);

/* env:NAME, file:PATH, credential:NAME.  1: *out is what it stands for, which
 * must not be shown; 0: plain text (literal: cut off); -EINVAL: *out says why,
 * without the value.  *exposed: the file can be read by everybody. */
int option_resolve(struct conf *, const char *dir, const char *text,
                   const char **out, int *exposed);

#endif

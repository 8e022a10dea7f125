/* SPDX-License-Identifier: MIT */
/* What enrich.entity, and upsert.entity beside it, have in common: how a config
 * names a kind, and an event an entity. */
#ifndef PLUGINS_ENRICH_ENTITY_NAMED_H
#define PLUGINS_ENRICH_ENTITY_NAMED_H

#include <ingestlayer/plugin.h>

#include <stdio.h>

#define NAMED_KIND_MAX 64    /* bytes, as the store has it */
#define NAMED_NUMBER_TEXT 24 /* "-9223372036854775808" and a NUL */
#define NAMED_ID_SHOWN 256

/* The kind in option `kind`: a [a-z][a-z0-9_]*, short enough?  0 or -EINVAL after a
 * finding. */
static inline int
named_kind(const struct il_conf *conf)
{
    const char *kind = il_conf_str(conf, "kind");
    for (long i = 0; kind[i] || !i; i++) {
        char c = kind[i];
        int letter = c >= 'a' && c <= 'z';
        int later = (c >= '0' && c <= '9') || c == '_';
        if (i == NAMED_KIND_MAX || (!letter && !(i && later)))
            return il_conf_error(conf, "kind", i,
                                 "a kind is a lower-case letter and up to %d "
                                 "letters, digits or _",
                                 NAMED_KIND_MAX - 1);
    }
    return 0;
}

/* The external_id in an event: a text, or a number as its sender wrote it.  id
 * NULL: there is none that an entity could have. */
struct named_id {
    const char *id;
    size_t len;
    char number[NAMED_NUMBER_TEXT];
};

static inline void
named_id(const struct il_value *v, struct named_id *out)
{
    int n = 0;
    out->id = out->number;
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        out->id = v->str;
        out->len = v->len;
        return;
    case IL_INT:
        n = snprintf(out->number, NAMED_NUMBER_TEXT, "%lld",
                     (long long) v->num.i);
        break;
    case IL_UINT:
        n = snprintf(out->number, NAMED_NUMBER_TEXT, "%llu",
                     (unsigned long long) v->num.u);
        break;
    default:
        out->id = NULL;
    }
    out->len = (size_t) n;
}

/* So many bytes of it are shown to people: cut between characters. */
static inline int
named_shown(const struct named_id *id)
{
    size_t shown = id->len < NAMED_ID_SHOWN ? id->len : NAMED_ID_SHOWN;
    while (shown && shown < id->len && (id->id[shown] & 0xC0) == 0x80)
        shown--;
    return (int) shown;
}

#endif

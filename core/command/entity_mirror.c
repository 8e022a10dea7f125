/* SPDX-License-Identifier: MIT */
/* `ingestlayer entity mirror`: how old the mirrors are, and a run at once. */
#include "entity.h"

#include "base/clock.h"
#include "codec/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct mirrors {
    const char *only; /* NULL: all */
    int json, found;
    int64_t now_us;
    struct il_text line;
};

static int
mirror_line(struct mirrors *s, const struct entity_mirror *m)
{
    struct json_out o;
    s->line.len = 0;
    json_out_begin(&o, &s->line);
    json_out_object(&o, NULL);
    json_out_slice(&o, "mirror", m->name);
    if (m->seen_us) {
        json_out_time(&o, "seen", m->seen_us);
        json_out_number(&o, "age_seconds",
                        m->seen_us < s->now_us
                            ? (uint64_t) (s->now_us - m->seen_us) / 1000000
                            : 0);
    }
    if (m->asked_us > m->seen_us)
        json_out_time(&o, "asked", m->asked_us);
    json_out_end(&o);
    return json_out_done(&o);
}

static int
mirror_show(void *arg, const struct entity_mirror *m)
{
    struct mirrors *s = arg;
    if (s->only && !slice_equal(m->name, slice_of(s->only, strlen(s->only))))
        return 0;
    s->found++;
    if (s->json) {
        int err = mirror_line(s, m);
        if (!err)
            puts(text_str(&s->line));
        return err;
    }
    printf("%.*s: ", (int) m->name.len, m->name.ptr);
    if (m->seen_us)
        printf("complete %lld s ago",
               (long long) ((s->now_us - m->seen_us) / 1000000));
    else
        printf("never complete");
    printf("%s\n", m->asked_us > m->seen_us ? ", a run is asked for" : "");
    return 0;
}

static int
mirror_unknown(const char *name)
{
    fprintf(stderr,
            "ingestlayer entity: there is no mirror \"%s\"; ingestlayer entity "
            "mirror status names those there are, once they have read "
            "something\n",
            name);
    return 1;
}

static int
mirror_failed(int err)
{
    fprintf(stderr, "ingestlayer entity: the store: %s\n", strerror(-err));
    return 1;
}

int
command_entity_mirror(struct entities *store, const char *verb,
                      const char *name, int json)
{
    if (!strcmp(verb, "run")) {
        int r = entity_mirror_ask(store, slice_of(name, strlen(name)),
                                  clock_wall_us());
        return r < 0 ? mirror_failed(r) : r == 0 ? mirror_unknown(name) : 0;
    }
    struct mirrors s = { .only = name,
                         .json = json,
                         .now_us = clock_wall_us() };
    int err = entity_mirror_each(store, mirror_show, &s);
    text_clear(&s.line);
    if (err)
        return mirror_failed(err);
    return name && !s.found ? mirror_unknown(name) : 0;
}

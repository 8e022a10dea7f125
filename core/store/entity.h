/* SPDX-License-Identifier: MIT */
/* The entity store (LMDB): (kind, external_id) -> traits, first_seen,
 * last_seen.  Readers take no lock; several processes may use it at once.
 *
 *   DIR/data.mdb, DIR/lock.mdb   mode 0600
 *   key    kind, NUL, external_id
 *   value  first_seen, last_seen (microseconds since 1970 UTC, i64
 *          little-endian), traits (msgpack map)
 *          or, where a trait is a mirror's: first_seen, last_seen, the byte
 *          0xC1, traits, and for each trait the number of its owner (a byte)
 * The key NUL "format" holds the version of this layout, those that begin with
 * NUL "mark" how far somebody has told of entities (entity_mark.c), those that
 * begin with NUL "mirror" what there is of a mirror (entity_mirror.c).  Version
 * 2 has mirrors; a store becomes one when the first of them is made, and until
 * then earlier versions of this program can read it.
 *
 * Merging is one level deep: a trait that comes replaces the trait of that
 * name, whatever either holds; the others stay.  null is a value like any
 * other.  first_seen stays, last_seen never goes back.
 *
 * A trait has an owner: a mirror, or nobody in particular.  A mirror changes and
 * removes only what is its own, and adds what is not there; whoever else writes
 * another value into a mirror's trait makes it nobody's. */
#ifndef ENTITY_H
#define ENTITY_H

#include "codec/batch.h"
#include "codec/json.h"
#include "codec/json_out.h"

#define ENTITY_DIR "entities"       /* below state_dir */
#define ENTITY_KIND_MAX 64          /* bytes; [a-z][a-z0-9_]* */
#define ENTITY_ID_MAX 256           /* bytes, none of them NUL */
#define ENTITY_TRAITS_MAX (1 << 20) /* bytes of msgpack, after merging */

struct entities;

struct entity {
    struct slice kind, id;
    struct il_value traits; /* IL_MAP */
    struct slice stored;    /* the same as it stands */
    const uint8_t *owners;  /* of each trait; NULL: nobody in particular */
    /* last_seen: where traits are mirrors', no earlier than the last run of each
     * of these that came to its end: it found them as they are. */
    int64_t first_seen_us, last_seen_us;
};

/* Is it [a-z][a-z0-9_]*, short enough? */
int entity_kind_valid(struct slice kind);
/* Not empty, not too long, no NUL, all of it UTF-8? */
int entity_id_valid(struct slice id);

/* Open or make the store in dir (made with mode 0700; its parent must be
 * there).  map_bytes is how large it may grow, address space rather than
 * memory; 0: 64 GiB.  0 or a negative errno after a log line.  Once per
 * process and dir; not to be used across fork(). */
int entity_open(const char *dir, uint64_t map_bytes, struct entities **out);
void entity_close(struct entities *);

/* flags of struct entity_put */
enum {
    ENTITY_PUT_EXISTING = 1, /* only where there is one */
    ENTITY_PUT_LENIENT = 2,  /* where it is refused, the others go on */
    /* Not where it changes no trait, and last_seen by less than an hour. */
    ENTITY_PUT_NEWS = 4
};

/* One upsert.  traits: msgpack map. */
struct entity_put {
    struct slice kind, id, traits;
    int64_t seen_us; /* 0: now */
    uint32_t flags;
    /* Of entity_apply(): which mark, and where in it. */
    uint32_t mark;
    uint64_t position;
    /* out; written: 0: it was not news, or its mark was further; error: 0 or why
     * this one was refused */
    int created, written, error;
};
/* Merge n of them, in order, in one durable transaction: all or none, lenient
 * ones apart.  Waits for other writers.  0 or a negative errno: -EINVAL (a bad
 * kind, id or traits), -EMSGSIZE (traits above ENTITY_TRAITS_MAX), -ENOENT (no
 * entity to merge into): *bad (may be NULL) tells which; -ENOSPC (map or disk
 * full). */
int entity_put(struct entities *, struct entity_put *, size_t n, size_t *bad);
/* How far one that tells of entities, in order, has been listened to; durable with
 * what it told. */
struct entity_mark {
    struct slice name; /* of any bytes */
    struct slice was;  /* that it goes by while there is none of its name; ptr
                        * NULL: there is no such */
    uint64_t position; /* out */
};
/* As entity_put(), but for those at or before their marks, which move on to the
 * last of theirs in the same transaction. */
int entity_apply(struct entities *, struct entity_mark *, size_t marks,
                 struct entity_put *, size_t n, size_t *bad);
/* Remove, durably; 1 removed, 0 unknown, or a negative errno. */
int entity_delete(struct entities *, struct slice kind, struct slice id);

/* --- mirrors (entity_mirror.c) --- */

#define ENTITY_MIRRORS_MAX 255
#define ENTITY_MIRROR_NAME_MAX 300 /* bytes */
#define ENTITY_MIRROR_MARK_MAX 512 /* bytes */

/* What there is of a mirror, beside its traits. */
struct entity_mirror {
    struct slice name;
    int64_t seen_us;   /* when its last complete run began; 0: there was none */
    int64_t asked_us;  /* when a person asked for a run; 0: never */
    struct slice mark; /* only the mirror understands it */
};

enum {
    ENTITY_MIRROR_TAKE = 1, /* also what is nobody's becomes its own */
};
/* What became of rows. */
struct entity_mirrored {
    uint64_t added, changed, same, removed;
    uint64_t left;    /* traits of somebody else's, as they were */
    uint64_t refused; /* rows: a bad id, or traits that are too large */
};
/* The entities of a mirror: each is to have these traits of it and no others.  One
 * durable transaction for all of them, and for what there is of the mirror from
 * now on (NULL: that stays).  Those that are refused have an error.  Counts are
 * added up.  0 or a negative errno: -EMLINK: there are too many mirrors. */
int entity_mirror_put(struct entities *, struct slice name, uint32_t flags,
                      struct entity_put *, size_t n,
                      const struct entity_mirror *now,
                      struct entity_mirrored *);
/* Take from entities of a kind what is the mirror's and for which is_there()
 * answers 0; one that has no trait left goes.  In several durable transactions.
 * cancelled() ends it with -ECANCELED. */
struct entity_gone {
    struct slice name, kind;
    int (*is_there)(void *arg, struct slice id);
    int (*cancelled)(void *arg);
    void *arg;
};
int entity_mirror_gone(struct entities *, const struct entity_gone *,
                       struct entity_mirrored *);
/* 1, and *out, whose mark is in text (appended); 0: there is none; or a negative
 * errno. */
int entity_mirror_get(struct entities *, struct slice name,
                      struct il_text *text, struct entity_mirror *out);
/* Ask for a run, durably.  1, 0: there is no such mirror, or a negative errno. */
int entity_mirror_ask(struct entities *, struct slice name, int64_t now_us);
/* Each of them, by name.  As entity_each(). */
int entity_mirror_each(struct entities *,
                       int (*fn)(void *arg, const struct entity_mirror *),
                       void *arg);

/* Lane reads: within a read transaction that the caller begins per batch and
 * ends before it waits for anything.  Values point into the store's map and
 * live until entity_reader_end().  One thread at a time each. */
struct entity_reader;
int entity_reader_new(struct entities *, struct entity_reader **out);
void entity_reader_free(struct entity_reader *);
int entity_reader_begin(struct entity_reader *);
void entity_reader_end(struct entity_reader *);
/* Give the memory back that it found entities faster with; no transaction. */
void entity_reader_trim(struct entity_reader *);
/* It will be asked for soon.  Within a transaction. */
void entity_reader_hint(struct entity_reader *, const struct il_kind *,
                        struct slice id);
/* 1 found, 0 unknown, or a negative errno. */
int entity_reader_get(struct entity_reader *, const struct il_kind *,
                      struct slice id, struct entity *out);

/* One-off read for the API and the command: text gets a copy (appended) that
 * out points into.  1, 0 or a negative errno. */
int entity_get(struct entities *, struct slice kind, struct slice id,
               struct il_text *text, struct entity *out);
/* Walk the entities of a kind whose ids follow after (ptr NULL: from the
 * first), in byte order, at most limit.  kind.ptr NULL: all kinds, after being
 * "kind/id" then.  Stops when fn returns other than 0, and returns that; else
 * 0 or a negative errno.  fn runs within a read transaction: be quick. */
int entity_each(struct entities *, struct slice kind, struct slice after,
                uint32_t limit, int (*fn)(void *arg, const struct entity *),
                void *arg);
uint64_t entity_count(struct entities *);

/* Write {"kind","external_id","traits","first_seen","last_seen"}. */
void entity_out(struct json_out *, const char *key, const struct entity *);
/* Append it.  0, -ENOMEM or -EINVAL (broken traits). */
int entity_json(struct il_text *, const struct entity *);

/* --- entity_merge.c --- */

/* Working memory of entity_merge(), reusable; begins as { 0 }. */
struct entity_trait;
struct entity_merge {
    struct entity_trait *traits;
    size_t count, capacity;
};
void entity_merge_clear(struct entity_merge *);
/* Append the map that patch makes of old (len 0: nothing there).  0, -EINVAL
 * (patch is no whole valid map, or has a name twice), -EIO (old is not),
 * -EMSGSIZE or -ENOMEM. */
int entity_merge(struct entity_merge *, struct slice old, struct slice patch,
                 struct il_text *out);
/* The same for traits with owners: old may be NULL; owner 0: nobody in particular,
 * else what it owns and patch has not goes, and what is another's stays (counted
 * in *left).  Appends what follows the times of a stored value. */
int entity_merge_owned(struct entity_merge *, const struct entity *old,
                       struct slice patch, uint8_t owner, int take,
                       struct il_text *out, uint64_t *left);

#endif

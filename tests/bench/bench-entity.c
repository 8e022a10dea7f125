/* SPDX-License-Identifier: MIT */
/* What an entity look-up costs: nanoseconds of CPU by number of entities, ids
 * chosen at random (uniform, and one in a hundred most of the time), in batches
 * as a lane makes them.
 *
 *   bench-entity [ENTITIES [DIR]]    default 100000; DIR, of the entities
 *                                    alone, is kept and reused */
#include "scratch.h"
#include "base/clock.h"
#include "codec/msg_pack.h"
#include "store/entity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 20000
#define BATCH 500
#define LOOKUPS 2000000
#define ROUNDS 6 /* of which the last counts */
#define AHEAD 16 /* as enrich.entity has it */

/* Of this thread, so that other work on the machine does not count. */
static int64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t
make_id(char out[32], uint64_t n)
{
    return (size_t) snprintf(out, 32, "u_%06llu", (unsigned long long) n);
}

/* xorshift64*: the same sequence each time */
static uint64_t
draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static void
make_traits(struct il_text *out, uint64_t n)
{
    char text[64];
    out->len = 0;
    msg_pack_map(out, 4);
    msg_pack_str(out, "account", 7);
    int len = snprintf(text, sizeof(text), "Account %llu",
                       (unsigned long long) n / 20);
    msg_pack_str(out, text, (size_t) len);
    msg_pack_str(out, "plan", 4);
    msg_pack_str(out, n % 3 ? "free" : "pro", n % 3 ? 4 : 3);
    msg_pack_str(out, "email", 5);
    len = snprintf(text, sizeof(text), "person%llu@example.com",
                   (unsigned long long) n);
    msg_pack_str(out, text, (size_t) len);
    msg_pack_str(out, "seats", 5);
    msg_pack_uint(out, n % 500);
}

static void
fill(struct entities *store, uint64_t from, uint64_t count)
{
    static struct entity_put puts[CHUNK];
    static char ids[CHUNK][32];
    static struct il_text traits[CHUNK];
    int64_t begin = clock_monotonic_us();
    for (uint64_t n = from; n < count;) {
        size_t k = 0;
        for (; k < CHUNK && n < count; k++, n++) {
            make_traits(&traits[k], n);
            puts[k] = (struct entity_put){ .kind = SLICE("user") };
            puts[k].id = slice_of(ids[k], make_id(ids[k], n));
            puts[k].traits = slice_of(traits[k].data, traits[k].len);
        }
        if (entity_put(store, puts, k, NULL)) {
            fprintf(stderr, "bench-entity: cannot fill the store\n");
            exit(1);
        }
    }
    if (count > from)
        printf("filled %llu in %.1f s\n", (unsigned long long) (count - from),
               (double) (clock_monotonic_us() - begin) / 1e6);
}

static char ids[LOOKUPS][24];
static uint8_t lens[LOOKUPS];

static struct slice
wanted(int i)
{
    return slice_of(ids[i], lens[i]);
}

static uint64_t
look_up(struct entity_reader *r)
{
    struct il_kind user = { "user", 4 };
    struct entity one;
    uint64_t found = 0;
    for (int i = 0; i < LOOKUPS; i += BATCH) {
        int next = i;
        if (entity_reader_begin(r))
            exit(1);
        for (int k = i; k < i + BATCH; k++) {
            for (; next < i + BATCH && next - k < AHEAD; next++)
                entity_reader_hint(r, &user, wanted(next));
            found += entity_reader_get(r, &user, wanted(k), &one) == 1
                     && one.traits.str[0];
        }
        entity_reader_end(r);
    }
    return found;
}

/* skewed: nine in ten go to a hundredth of the entities */
static void
choose(uint64_t *state, uint64_t count, int skewed)
{
    for (int i = 0; i < LOOKUPS; i++) {
        uint64_t range = skewed && draw(state) % 10 ? count / 100 + 1 : count;
        char id[32];
        lens[i] = (uint8_t) make_id(id, draw(state) % range);
        memcpy(ids[i], id, lens[i]);
    }
}

/* Of ids that are chosen anew, once what is kept of others is kept. */
static void
measure(struct entities *store, uint64_t count, int skewed, const char *name)
{
    struct entity_reader *r;
    uint64_t state = 88172645463325252u, found = 0;
    int64_t ns = 0;
    if (entity_reader_new(store, &r))
        exit(1);
    for (int round = 0; round < ROUNDS; round++) {
        choose(&state, count, skewed);
        ns = cpu_ns();
        found = look_up(r);
        ns = cpu_ns() - ns;
    }
    printf("%-8s %9llu entities  %6.0f ns of CPU per look-up, %llu of %d "
           "found\n",
           name, (unsigned long long) count, (double) ns / LOOKUPS,
           (unsigned long long) found, LOOKUPS);
    entity_reader_free(r);
}

int
main(int argc, char **argv)
{
    char dir[300];
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    struct entities *store;
    if (argc > 2)
        snprintf(dir, sizeof(dir), "%s", argv[2]);
    else
        snprintf(dir, sizeof(dir), "%s/entities", scratch_dir());
    if (entity_open(dir, 0, &store))
        return 1;
    fill(store, entity_count(store), count);
    measure(store, count, 0, "uniform");
    measure(store, count, 1, "skewed");
    entity_close(store);
    return 0;
}

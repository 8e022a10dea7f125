/* SPDX-License-Identifier: MIT */
/* Keys and records of the store of lanes by event. */
#include "parked_store.h"

#include "base/wtf8.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PARKED_VERSION 1
#define PARKED_TEXT_MAX 4096 /* an answer of a far side may be of any length */
#define PARKED_TEXTS 3       /* code, message, target */

/* A record is this, its texts, each with a NUL, and the event; in the byte
 * order of the machine, as all of LMDB. */
struct record_head {
    uint8_t version, kind, again, zero;
    uint32_t attempts;
    uint64_t sum; /* of all before and after it, and of the key */
    int64_t first_us, since_us, delay_us;
    uint64_t order_hash;
    uint32_t turn;
    uint32_t len[PARKED_TEXTS];
    uint32_t event_len, zero_too;
};

/* And the name, with its NUL. */
struct state_head {
    uint8_t version, zero[3];
    uint32_t name_len;
    uint64_t sum;
    uint8_t spool[16];
    uint64_t position;
    uint64_t parked, parked_bytes, letters, letter_bytes, chained;
    int64_t since_max;
};

/* --- keys --- */

static void
put_u64(uint8_t *out, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t) (n >> (56 - 8 * i));
}

uint64_t
parked_key_u64(const void *p)
{
    const uint8_t *bytes = p;
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | bytes[i];
    return n;
}

uint32_t
parked_key_number(const void *key)
{
    const uint8_t *b = key;
    return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 | (uint32_t) b[2] << 8
           | b[3];
}

void
parked_key(uint8_t out[PARKED_KEY], uint32_t number, uint64_t position)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t) (number >> (24 - 8 * i));
    put_u64(out + 4, position);
}

void
parked_long_key(uint8_t out[PARKED_LONG_KEY], uint32_t number, uint64_t middle,
                uint64_t position)
{
    parked_key(out, number, middle);
    put_u64(out + PARKED_KEY, position);
}

int64_t
parked_due_us(const struct parked_event *e)
{
    int64_t due;
    if (__builtin_add_overflow(e->since_us, e->delay_us, &due))
        return e->delay_us < 0 ? 0 : INT64_MAX;
    return due < 0 ? 0 : due;
}

/* --- records --- */

/* Both heads have their sum at the same place. */
#define SUM_AT offsetof(struct record_head, sum)
#define SUM_END (SUM_AT + sizeof(uint64_t))
_Static_assert(offsetof(struct state_head, sum) == SUM_AT, "one place of sums");

static uint64_t
sum_of(const char *bytes, size_t len, uint32_t number, unsigned kind,
       uint64_t position)
{
    uint8_t key[PARKED_LONG_KEY];
    parked_long_key(key, number, position, kind);
    uint64_t sum = XXH3_64bits(key, sizeof key);
    sum = XXH3_64bits_withSeed(bytes, SUM_AT, sum);
    return XXH3_64bits_withSeed(bytes + SUM_END, len - SUM_END, sum);
}

static void
seal(char *bytes, size_t len, uint32_t number, unsigned kind, uint64_t position)
{
    uint64_t sum = sum_of(bytes, len, number, kind, position);
    memcpy(bytes + SUM_AT, &sum, sizeof sum);
}

static int
is_sealed(const char *bytes, size_t len, uint32_t number, unsigned kind,
          uint64_t position)
{
    uint64_t sum = sum_of(bytes, len, number, kind, position);
    return memcmp(bytes + SUM_AT, &sum, sizeof sum) == 0;
}

void
parked_record_seal(void *bytes, size_t len, uint32_t number,
                   enum parked_kind kind, uint64_t position)
{
    if (len >= SUM_END)
        seal(bytes, len, number, kind, position);
}

/* Cut between characters: the text is shown to people. */
static size_t
text_len(const char *text)
{
    size_t len = text ? strnlen(text, PARKED_TEXT_MAX + 1) : 0;
    return utf8_cut(text, len, PARKED_TEXT_MAX);
}

size_t
parked_record_size(const struct parked_event *e)
{
    return sizeof(struct record_head) + text_len(e->code) + text_len(e->message)
           + text_len(e->target) + PARKED_TEXTS + e->event_len;
}

void
parked_record_write(void *out, uint32_t number, enum parked_kind kind,
                    const struct parked_event *e)
{
    const char *text[PARKED_TEXTS] = { e->code, e->message, e->target };
    struct record_head head = {
        .version = PARKED_VERSION,
        .kind = (uint8_t) kind,
        .again = e->again != 0,
        .attempts = e->attempts,
        .first_us = e->first_us,
        .since_us = e->since_us,
        .delay_us = e->delay_us,
        .order_hash = e->order_hash,
        .turn = e->turn,
        .event_len = (uint32_t) e->event_len,
    };
    char *p = (char *) out + sizeof head;
    for (int i = 0; i < PARKED_TEXTS; i++) {
        size_t len = text_len(text[i]);
        head.len[i] = (uint32_t) len;
        if (len)
            memcpy(p, text[i], len);
        utf8_mend(p, len);
        p += len;
        *p++ = 0;
    }
    if (e->event_len)
        memcpy(p, e->event, e->event_len);
    p += e->event_len;
    memcpy(out, &head, sizeof head);
    seal(out, (size_t) (p - (char *) out), number, kind, e->position);
}

int
parked_record_view(const void *bytes, size_t len, uint32_t number,
                   enum parked_kind kind, uint64_t position,
                   struct parked_event *e)
{
    struct record_head head;
    const char *p = bytes, *end = p + len, *text[PARKED_TEXTS];
    if (len < sizeof head)
        return -EIO;
    memcpy(&head, p, sizeof head);
    if (head.version != PARKED_VERSION || head.kind != kind
        || !is_sealed(p, len, number, kind, position))
        return -EIO;
    p += sizeof head;
    for (int i = 0; i < PARKED_TEXTS; i++) {
        if (head.len[i] >= (size_t) (end - p) || p[head.len[i]])
            return -EIO;
        text[i] = p;
        p += head.len[i] + 1;
    }
    if (head.event_len != (size_t) (end - p))
        return -EIO;
    *e = (struct parked_event){
        .position = position,
        .attempts = head.attempts,
        .first_us = head.first_us,
        .since_us = head.since_us,
        .delay_us = head.delay_us,
        .code = text[0],
        .message = text[1],
        .target = text[2],
        .order_hash = head.order_hash,
        .event = p,
        .event_len = head.event_len,
        .turn = head.turn,
        .again = head.again != 0,
    };
    return 0;
}

struct parked_letter
parked_as_letter(const struct parked_event *e)
{
    return (struct parked_letter){
        .position = e->position,
        .attempts = e->attempts,
        .first_us = e->first_us,
        .at_us = e->since_us,
        .code = e->code,
        .message = e->message,
        .target = e->target,
        .event = e->event,
        .event_len = e->event_len,
    };
}

struct parked_event
parked_of_letter(const struct parked_letter *l)
{
    return (struct parked_event){
        .position = l->position,
        .attempts = l->attempts,
        .first_us = l->first_us,
        .since_us = l->at_us,
        .code = l->code,
        .message = l->message,
        .target = l->target,
        .event = l->event,
        .event_len = l->event_len,
    };
}

/* --- lanes --- */

_Static_assert(sizeof(struct state_head) <= 128, "PARKED_STATE_MAX");

size_t
parked_state_write(void *out, uint32_t number, const struct parked_state *s)
{
    struct state_head head = {
        .version = PARKED_VERSION,
        .name_len = (uint32_t) strlen(s->name),
        .position = s->position,
        .parked = s->parked,
        .parked_bytes = s->parked_bytes,
        .letters = s->letters,
        .letter_bytes = s->letter_bytes,
        .chained = s->chained,
        .since_max = s->since_max,
    };
    memcpy(head.spool, s->spool, sizeof head.spool);
    memcpy(out, &head, sizeof head);
    memcpy((char *) out + sizeof head, s->name, head.name_len + 1);
    size_t len = sizeof head + head.name_len + 1;
    seal(out, len, number, 0, 0);
    return len;
}

int
parked_state_view(const void *bytes, size_t len, uint32_t number,
                  struct parked_state *s)
{
    struct state_head head;
    if (len < sizeof head)
        return -EIO;
    memcpy(&head, bytes, sizeof head);
    if (head.version != PARKED_VERSION || !is_sealed(bytes, len, number, 0, 0)
        || head.name_len > PARKED_NAME_MAX
        || len != sizeof head + head.name_len + 1)
        return -EIO;
    const char *name = (const char *) bytes + sizeof head;
    if (strnlen(name, len - sizeof head) != head.name_len)
        return -EIO;
    *s = (struct parked_state){
        .position = head.position,
        .parked = head.parked,
        .parked_bytes = head.parked_bytes,
        .letters = head.letters,
        .letter_bytes = head.letter_bytes,
        .chained = head.chained,
        .since_max = head.since_max,
    };
    memcpy(s->spool, head.spool, sizeof s->spool);
    memcpy(s->name, name, head.name_len + 1);
    return 0;
}

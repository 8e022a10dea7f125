/* SPDX-License-Identifier: MIT */
/* Keys and records of the dead-letter store. */
#include "dead_store.h"

#include "base/wtf8.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define DEAD_VERSION 3
#define DEAD_BEFORE 2 /* without the origin */
#define DEAD_ABSENT UINT32_MAX
#define DEAD_TEXT_MAX 4096 /* a message of a far side may be of any length */
#define DEAD_TEXTS 6       /* code, message, field, rule, lane, key */

/* In the byte order of the machine, as all of LMDB. */
struct dead_head {
    uint32_t version, attempts;
    int64_t at_us;
    uint32_t len[DEAD_TEXTS];
    uint32_t event_len;
    uint32_t set_backs; /* DEAD_BEFORE: not written, and the last */
    uint64_t position;
    uint8_t spool[16];
};
#define DEAD_BEFORE_SIZE offsetof(struct dead_head, position)

int
dead_is_gate(const char *lane)
{
    return strncmp(lane, "gate/", 5) == 0;
}

void
dead_key_set(void *out, uint64_t number)
{
    unsigned char *p = out;
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char) (number >> (56 - 8 * i));
}

uint64_t
dead_key_number(const void *big_endian)
{
    const unsigned char *p = big_endian;
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | p[i];
    return n;
}

size_t
dead_key(char out[DEAD_KEY_MAX], const char *lane, uint64_t position)
{
    size_t len = strlen(lane) + 1;
    memcpy(out, lane, len);
    dead_key_set(out + len, position);
    return len + 8;
}

static void
dead_texts(const struct dead_letter *l, int with_lane,
           const char *out[DEAD_TEXTS])
{
    out[0] = l->reason.code ? l->reason.code : "";
    out[1] = l->reason.message ? l->reason.message : "";
    out[2] = l->reason.field;
    out[3] = l->reason.rule;
    out[4] = with_lane ? l->lane : NULL;
    out[5] = l->key;
}

/* Cut between code points: the text is shown to people. */
static size_t
dead_text_len(const char *text)
{
    size_t len = strnlen(text, DEAD_TEXT_MAX + 1);
    if (len <= DEAD_TEXT_MAX)
        return len;
    len = DEAD_TEXT_MAX;
    while (len && ((unsigned char) text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t
dead_record_size(const struct dead_letter *l, int with_lane)
{
    const char *text[DEAD_TEXTS];
    size_t size = sizeof(struct dead_head) + l->event.len;
    dead_texts(l, with_lane, text);
    for (int i = 0; i < DEAD_TEXTS; i++)
        size += text[i] ? dead_text_len(text[i]) + 1 : 0;
    return size;
}

void
dead_record_write(char *out, const struct dead_letter *l, int with_lane)
{
    const char *text[DEAD_TEXTS];
    struct dead_head head = { .version = DEAD_VERSION,
                              .attempts = l->attempts,
                              .at_us = l->at_us,
                              .event_len = (uint32_t) l->event.len,
                              .set_backs = l->origin.set_backs,
                              .position = l->origin.position };
    char *p = out + sizeof head;
    memcpy(head.spool, l->origin.spool, sizeof head.spool);
    dead_texts(l, with_lane, text);
    for (int i = 0; i < DEAD_TEXTS; i++) {
        head.len[i] = DEAD_ABSENT;
        if (!text[i])
            continue;
        head.len[i] = (uint32_t) dead_text_len(text[i]);
        memcpy(p, text[i], head.len[i]);
        utf8_mend(p, head.len[i]);
        p += head.len[i];
        *p++ = 0;
    }
    if (l->event.len)
        memcpy(p, l->event.ptr, l->event.len);
    memcpy(out, &head, sizeof head);
}

static int
dead_record_is(const char *bytes, size_t len, uint32_t version)
{
    return len >= sizeof version && !memcmp(bytes, &version, sizeof version);
}

int
dead_record_view(const void *bytes, size_t len, struct dead_letter *l)
{
    struct dead_head head;
    const char *p = bytes, *end = p + len, *text[DEAD_TEXTS] = { NULL };
    int before = dead_record_is(p, len, DEAD_BEFORE);
    size_t size = before ? DEAD_BEFORE_SIZE : sizeof head;
    memset(&head, 0, sizeof head);
    if (len < size || (!before && !dead_record_is(p, len, DEAD_VERSION)))
        return -EIO;
    memcpy(&head, p, size);
    p += size;
    if (before)
        head.set_backs = 0;
    for (int i = 0; i < DEAD_TEXTS; i++) {
        if (head.len[i] == DEAD_ABSENT)
            continue;
        if (head.len[i] >= (size_t) (end - p) || p[head.len[i]])
            return -EIO;
        text[i] = p;
        p += head.len[i] + 1;
    }
    if (head.event_len != (size_t) (end - p) || !text[0] || !text[1])
        return -EIO;
    l->at_us = head.at_us;
    l->attempts = head.attempts;
    l->reason = (struct il_reason){ IL_SIZED(struct il_reason), .code = text[0],
                                    .message = text[1], .field = text[2],
                                    .rule = text[3] };
    l->event = slice_of(p, head.event_len);
    l->origin = (struct event_origin){ .position = head.position,
                                       .set_backs = head.set_backs };
    memcpy(l->origin.spool, head.spool, sizeof head.spool);
    if (text[4])
        l->lane = text[4];
    l->key = text[5];
    return 0;
}

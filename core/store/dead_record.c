/* SPDX-License-Identifier: MIT */
/* Keys and records of the dead-letter store. */
#include "dead_store.h"

#include "base/log.h"
#include "base/wtf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define DEAD_VERSION 4
#define DEAD_OLDEST 2
#define DEAD_ABSENT UINT32_MAX
#define DEAD_TEXT_MAX 4096 /* a message of a far side may be of any length */
#define DEAD_TEXTS 6       /* code, message, field, rule, lane, key */

/* In the byte order of the machine, as all of LMDB.  What older versions wrote
 * ends before the members that came later. */
struct dead_head {
    uint32_t version, attempts;
    int64_t at_us;
    uint32_t len[DEAD_TEXTS];
    uint32_t event_len;
    uint32_t set_backs; /* from 3 on; of 2 it is padding */
    uint64_t position;
    uint8_t spool[16];
    int64_t first_us; /* from 4 on */
    int64_t due_us;
    uint64_t tried;
    uint32_t decided_len, zero;
};

static size_t
head_size(uint32_t version)
{
    return version == 2   ? offsetof(struct dead_head, position)
           : version == 3 ? offsetof(struct dead_head, first_us)
                          : sizeof(struct dead_head);
}

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
    return utf8_cut(text, strnlen(text, DEAD_TEXT_MAX + 1), DEAD_TEXT_MAX);
}

size_t
dead_record_size(const struct dead_letter *l, int with_lane)
{
    const char *text[DEAD_TEXTS];
    size_t size = sizeof(struct dead_head) + l->decided.len + l->event.len;
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
                              .position = l->origin.position,
                              .first_us = l->first_us,
                              .due_us = l->due_us,
                              .tried = l->tried,
                              .decided_len = (uint32_t) l->decided.len };
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
    if (l->decided.len)
        memcpy(p, l->decided.ptr, l->decided.len);
    p += l->decided.len;
    if (l->event.len)
        memcpy(p, l->event.ptr, l->event.len);
    memcpy(out, &head, sizeof head);
}

int
dead_record_view(const void *bytes, size_t len, struct dead_letter *l)
{
    struct dead_head head = { .version = 0 };
    const char *p = bytes, *end = p + len, *text[DEAD_TEXTS] = { NULL };
    if (len < sizeof head.version)
        return -EIO;
    memcpy(&head.version, p, sizeof head.version);
    if (head.version > DEAD_VERSION)
        return -ENOTSUP;
    size_t size = head_size(head.version);
    if (head.version < DEAD_OLDEST || len < size)
        return -EIO;
    memcpy(&head, p, size);
    p += size;
    if (head.version == 2)
        head.set_backs = 0;
    for (int i = 0; i < DEAD_TEXTS; i++) {
        if (head.len[i] == DEAD_ABSENT)
            continue;
        if (head.len[i] >= (size_t) (end - p) || p[head.len[i]])
            return -EIO;
        text[i] = p;
        p += head.len[i] + 1;
    }
    if (head.decided_len > (size_t) (end - p)
        || head.event_len != (size_t) (end - p) - head.decided_len || !text[0]
        || !text[1])
        return -EIO;
    l->at_us = head.at_us;
    l->first_us = head.first_us ? head.first_us : head.at_us;
    l->due_us = head.due_us;
    l->tried = head.tried;
    l->attempts = head.attempts;
    l->reason = (struct il_reason){ IL_SIZED(struct il_reason), .code = text[0],
                                    .message = text[1], .field = text[2],
                                    .rule = text[3] };
    l->decided = slice_of(p, head.decided_len);
    l->event = slice_of(p + head.decided_len, head.event_len);
    l->origin = (struct event_origin){ .position = head.position,
                                       .set_backs = head.set_backs };
    memcpy(l->origin.spool, head.spool, sizeof head.spool);
    if (text[4])
        l->lane = text[4];
    l->key = text[5];
    return 0;
}

void
dead_record_shift(void *bytes, int64_t by_us)
{
    struct dead_head head;
    memcpy(&head, bytes, sizeof head);
    head.at_us += by_us;
    head.due_us += by_us;
    if (head.first_us)
        head.first_us += by_us;
    if (head.due_us <= 0)
        head.due_us = 1;
    memcpy(bytes, &head, sizeof head);
}

void
dead_record_say(int err, const void *bytes, size_t len, const char *lane,
                uint64_t position)
{
    struct dead_head head = { .version = 0 };
    memcpy(&head.version, bytes,
           len < sizeof head.version ? len : sizeof head.version);
    if (err == -ENOTSUP)
        log_warn("dead letters: %s %" PRIu64 " is of version %" PRIu32
                 ", and this program reads up to %d: left out",
                 lane, position, head.version, DEAD_VERSION);
    else
        log_warn("dead letters: %s %" PRIu64 " is unreadable, left out", lane,
                 position);
}

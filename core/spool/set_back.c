/* SPDX-License-Identifier: MIT */
/* DIR/SETBACKS: how often positions were given out a second time.
 *
 * Text, the spool's UUID in the first line and then, a line each, the positions
 * after which that happened, in the order in which it did.  An event's number
 * of set-backs is how many of them lie before it, so that an event of before
 * keeps its own.  Written anew each time, beside the old one; what is damaged
 * is reported and moved aside, for it is no reason not to start. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "SETBACKS"
#define BYTES_MAX (1 << 20) /* one every day for a century is less */

/* Never changes once it is to be seen; those before it stay until the end. */
struct spool_set_backs {
    struct spool_set_backs *older;
    uint32_t count;
    uint64_t after[];
};

static struct spool_set_backs *
set_backs_new(const struct spool_set_backs *from, uint32_t count)
{
    struct spool_set_backs *b =
        calloc(1, sizeof *b + count * sizeof b->after[0]);
    if (!b)
        return NULL;
    b->count = count;
    if (from)
        memcpy(b->after, from->after,
               (from->count < count ? from->count : count)
                   * sizeof b->after[0]);
    return b;
}

static void
set_backs_show(struct spool *s, struct spool_set_backs *b)
{
    b->older = s->set_backs;
    STORE(s->set_backs, b);
}

/* 1, 0 at the end, or -EINVAL. */
static int
next_line(char **p, uint64_t *position)
{
    char *end;
    if (!**p)
        return 0;
    errno = 0;
    *position = strtoull(*p, &end, 10);
    if (errno || end == *p || **p < '0' || **p > '9' || *end != '\n')
        return -EINVAL;
    *p = end + 1;
    return 1;
}

/* 0, -EINVAL (damaged), or -ENOMEM. */
static int
set_backs_parse(struct spool *s, char *text)
{
    size_t id = strlen(s->id_text);
    uint32_t count = 0;
    uint64_t position;
    int more;
    if (strlen(text) <= id || text[id] != '\n')
        return -EINVAL;
    if (memcmp(text, s->id_text, id) != 0)
        return 0; /* of a spool that was here before */
    char *p = text + id + 1;
    while ((more = next_line(&p, &position)) > 0)
        count++;
    struct spool_set_backs *b = more ? NULL : set_backs_new(NULL, count);
    if (!b)
        return more ? more : -ENOMEM;
    p = text + id + 1;
    for (uint32_t i = 0; i < count; i++)
        next_line(&p, &b->after[i]);
    set_backs_show(s, b);
    return 0;
}

int
spool_set_backs_open(struct spool *s)
{
    int fd = openat(s->dirfd, NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    char *text = malloc(BYTES_MAX + 1);
    ssize_t n = text ? file_pread(fd, text, BYTES_MAX, 0) : 0;
    int err = !text ? -ENOMEM : n < 0 ? (int) n : 0;
    close(fd);
    if (!err) {
        text[n] = 0;
        err = set_backs_parse(s, text);
    }
    free(text);
    if (err != -EINVAL)
        return err;
    return spool_damage_aside(s->dirfd, NAME,
                              "is damaged: how often the spool was set back "
                              "is not known, and origins of events may come a "
                              "second time",
                              s->dir);
}

void
spool_set_backs_close(struct spool *s)
{
    struct spool_set_backs *b = s->set_backs;
    while (b) {
        struct spool_set_backs *older = b->older;
        free(b);
        b = older;
    }
}

static int
set_backs_write(struct spool *s, const struct spool_set_backs *b)
{
    struct il_text text = { 0 };
    int err = text_printf(&text, "%s\n", s->id_text);
    for (uint32_t i = 0; i < b->count && !err; i++)
        err = text_printf(&text, "%" PRIu64 "\n", b->after[i]);
    if (!err)
        err = file_replace(s->dirfd, NAME, text.data, text.len);
    text_clear(&text);
    return err;
}

int
spool_set_back(struct spool *s, uint64_t after)
{
    int err = 0;
    pthread_mutex_lock(&s->set_back_lock);
    uint32_t had = s->set_backs ? s->set_backs->count : 0;
    uint32_t last = had - (uint32_t) (s->set_back_counted != 0);
    if (!s->set_back_counted || after < s->set_backs->after[last]) {
        struct spool_set_backs *b = set_backs_new(s->set_backs, last + 1);
        err = b ? 0 : -ENOMEM;
        if (b) {
            b->after[last] = after;
            err = set_backs_write(s, b);
        }
        if (err) {
            free(b);
        } else {
            set_backs_show(s, b);
            s->set_back_counted = 1;
        }
    }
    pthread_mutex_unlock(&s->set_back_lock);
    return err;
}

uint32_t
spool_set_backs(const struct spool *s)
{
    const struct spool_set_backs *b = LOAD(s->set_backs);
    return b ? b->count : 0;
}

void
spool_origin(const struct spool *s, uint64_t position, struct event_origin *out)
{
    const struct spool_set_backs *b = LOAD(s->set_backs);
    memcpy(out->spool, s->id, sizeof out->spool);
    out->position = position;
    out->set_backs = 0;
    for (uint32_t i = 0; b && i < b->count; i++)
        out->set_backs += b->after[i] < position;
}

/* SPDX-License-Identifier: MIT */
/* The "retry" request of the control socket: dead letters of a lane are to be
 * tried again. */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_MAX 10000 /* of one request */

static const char *const result_words[] = { "retried", "under_way", "gone",
                                            "no_event" };

/* One number a line.  How many, or a negative errno. */
static int
read_numbers(struct slice body, struct retry_item *out)
{
    const char *p = body.ptr, *end = p + body.len;
    int n = 0;
    while (p < end) {
        uint64_t number = 0;
        const char *start = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(number, 10, &number)
                || __builtin_add_overflow(number, (uint64_t) (*p - '0'),
                                          &number))
                return -EINVAL;
        if (p == start || p == end || *p++ != '\n' || n == LETTERS_MAX)
            return -EINVAL;
        out[n++].letter = number;
    }
    return n;
}

static void
retry(struct host *h, const char *name, struct lane *lane,
      struct retry_item *items, int n, struct il_text *reply)
{
    struct lane_status at;
    char why[256];
    lane_status(lane, &at);
    if (retry_letters(h->retry, name, at.position, items, (size_t) n, why,
                      sizeof(why))) {
        text_printf(reply, "error %s\n", why);
        return;
    }
    for (int i = 0; i < n; i++)
        text_printf(reply, "%" PRIu64 " %s %" PRIu64 "\n", items[i].letter,
                    result_words[items[i].result], items[i].position);
}

void
host_retry(void *arg, const char *line, struct slice body,
           struct il_text *reply)
{
    struct host *h = arg;
    struct retry_item *items = calloc(LETTERS_MAX, sizeof(*items));
    int n = items ? read_numbers(body, items) : -ENOMEM;
    const struct assembly_lane *l = host_find_lane(h, line);
    struct lane *lane = l ? l->lane : NULL;
    if (n < 0)
        text_printf(reply, "error %s\n",
                    n == -ENOMEM ? "no memory" : "not a list of positions");
    else if (!lane)
        text_printf(reply, "error the running configuration has no active or "
                           "paused pipeline with the lane %.400s\n", line);
    else
        retry(h, line, lane, items, n, reply);
    free(items);
}

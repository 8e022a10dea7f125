/* SPDX-License-Identifier: MIT */
/* `why --online`: whether what was passed on is there says only the far side. */
#include "private.h"
#include "why.h"

#include "host/assembly.h"

#include <errno.h>
#include <string.h>

/* As find() answers; -ENOTSUP: nobody can be asked, and out says why. */
static int
find(const struct why_lane *l, const struct why_event *e, struct il_text *out)
{
    if (!l->now) {
        text_puts(out, "the lane is not in the config, or that has errors");
        return -ENOTSUP;
    }
    const struct il_host *h = &l->now->destination;
    if (!h->plugin->desc.find) {
        text_printf(out, "%s cannot be asked", h->plugin->desc.name);
        return -ENOTSUP;
    }
    struct il_batch *b = batch_new();
    int r = b ? batch_add(b, e->position, e->body.data, e->body.len) : -ENOMEM;
    if (!r) {
        batch_seal(b);
        r = instance_find(h, b, 0, out);
    }
    batch_free(b);
    return r;
}

static void
put_lines(struct why_answer *a, const struct il_text *found)
{
    for (size_t at = 0; at < found->len;) {
        const char *line = found->data + at;
        const char *end = memchr(line, '\n', found->len - at);
        size_t len = end ? (size_t) (end - line) : found->len - at;
        text_put(command_why_line(a, WHY_RECORDED, 0), line, len);
        at += len + 1;
    }
}

void
command_why_online(const struct why_lane *l, const struct why_event *e,
                   struct why_answer *a)
{
    struct il_text found = { 0 };
    if (a->fate != WHY_PASSED && a->fate != WHY_GONE
        && a->fate != WHY_UNDECIDED)
        return;
    int r = find(l, e, &found);
    if (r == 1) {
        command_why_head(a, WHY_ROW, WHY_RECORDED, "the destination has it");
        put_lines(a, &found);
        text_put(&a->row, found.data, found.len);
    } else if (r == 0 && a->fate == WHY_PASSED) {
        command_why_head(a, WHY_MISSING, WHY_RECORDED,
                         found.len ? "passed on to the destination, which has "
                                     "nothing that is of it alone"
                                   : "passed on to the destination, which has "
                                     "it not, or not any more");
        put_lines(a, &found);
    } else if (r == 0) {
        text_puts(command_why_line(a, WHY_RECORDED, 0),
                  "the destination has it not");
        put_lines(a, &found);
    } else {
        struct il_text *line = command_why_line(a, WHY_UNKNOWN, 0);
        text_puts(line, "the destination cannot tell: ");
        text_puts(line, found.len ? text_str(&found) : strerror(-r));
        while (line->len && line->data[line->len - 1] == '\n')
            line->len--;
    }
    text_clear(&found);
}

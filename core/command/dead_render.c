/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead show --render`: what a destination would send. */
#include "private.h"
#include "dead.h"

#include "host/assembly.h"

#include <errno.h>
#include <string.h>

int
command_dead_assemble(struct dead_job *j)
{
    j->assembly = j->render ? command_assemble(j->config)
                            : command_assemble_anyway(j->config);
    return !j->assembly;
}

/* The event alone in the job's batch.  0, -EINVAL or -ENOMEM. */
static int
fill(struct dead_job *j, const struct dead_item *it)
{
    if (it->kind != DEAD_LETTER || j->redacted)
        return j->batch && j->batch->count ? 0 : -EINVAL;
    if (!j->batch && !(j->batch = batch_new()))
        return -ENOMEM;
    batch_clear(j->batch);
    return batch_add(j->batch, it->position, it->event.ptr, it->event.len);
}

int
command_dead_render(struct dead_job *j, const struct dead_item *it,
                    struct il_text *out)
{
    const struct assembly_lane *l = assembly_find_lane(j->assembly, it->lane);
    size_t start = out->len;
    const char *why = NULL;
    if (!l) {
        why = command_dead_is_gate(it->lane)
                  ? "it was refused: nothing would be sent"
                  : "the lane is not in this config, so nobody can say what "
                    "would be sent";
    } else if (j->hidden) {
        why = "nobody can tell what the lane takes out of it: --raw shows it";
    } else if (!l->destination.plugin->desc.render) {
        if (text_printf(out, "%s does not show what it would send",
                        l->destination.plugin->desc.name))
            return -ENOMEM;
        return -EINVAL;
    }
    int err = why ? -EINVAL : fill(j, it);
    if (err && !why)
        why = err == -EINVAL ? "the event cannot be read" : "no memory";
    if (why)
        return text_puts(out, why) ? -ENOMEM : -EINVAL;
    batch_seal(j->batch);
    err = instance_render(&l->destination, j->batch, 0, out);
    if (err && out->len == start && text_puts(out, strerror(-err)))
        return -ENOMEM;
    return err ? -EINVAL : 0;
}

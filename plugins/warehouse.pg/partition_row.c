/* SPDX-License-Identifier: MIT */
/* Is a row where partitions may be made for it? */
#include "partition.h"

#include "put.h"

int
partition_fits(struct encoder *e, const struct plan *plan,
               struct il_batch *batch, uint32_t event,
               const struct il_value *values, const struct column **bad)
{
    const struct partition *p = plan->range;
    struct il_value received;
    int64_t us;
    const struct il_value *v = &values[plan->key];
    *bad = &plan->columns[plan->key];
    if (v->type == IL_NULL || v->type == IL_MISSING)
        return encode_bad(e, "23502",
                          "null value in column \"%s\", by which partitions go",
                          (*bad)->name);
    il_get(batch, event, plan->received, &received);
    if (put_when_us(v, &us))
        return 0; /* no time, or in a form that the server knows */
    int64_t away = us - received.num.i;
    if (away >= p->from_us && away <= p->to_us)
        return 0;
    return encode_bad(e, "out_of_range",
                      "%s is %lld s %s received_at, more than `range` of the "
                      "partitions allows",
                      (*bad)->name,
                      (long long) (away < 0 ? -away : away) / 1000000,
                      away < 0 ? "before" : "after");
}

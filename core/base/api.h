/* SPDX-License-Identifier: MIT */
/* The function table that plugins see, for those who make the objects that
 * begin with it.  Who fills it is host/api.c. */
#ifndef API_H
#define API_H

#include <ingestlayer/plugin.h>

/* The table in use; NULL until api_use(). */
const struct il_api *api_table(void);

/* Put a table in use, which lives on.  Once, before any object is made. */
void api_use(const struct il_api *);

/* Copy a structure that a plugin filled in.  It begins with its struct_size:
 * as much of it as both sides know is copied, the rest of own is 0, and own
 * says its own size.  0, or -EINVAL: it is smaller than minimum, what the first
 * version had; own is all 0 then. */
int api_copy(void *own, size_t own_size, const void *theirs, size_t minimum);

/* The same of element i of an array whose elements are stride apart: no more
 * than that is looked at. */
int api_copy_at(void *own, size_t own_size, const void *array, size_t i,
                size_t stride, size_t minimum);

/* The size of a structure when this member was its last. */
#define API_SIZE_WITH(type, member)                                            \
    (offsetof(type, member) + sizeof(((const type *) 0)->member))

/* What the structures that plugins fill in had in ABI 1.0. */
#define API_REASON_1_0 API_SIZE_WITH(struct il_reason, rule)
#define API_CELL_1_0 API_SIZE_WITH(struct il_cell, value)
#define API_UPSERT_1_0 API_SIZE_WITH(struct il_upsert, traits_len)
#define API_MIRROR_ROW_1_0 API_SIZE_WITH(struct il_mirror_row, traits_len)
#define API_MIRROR_STATE_1_0 API_SIZE_WITH(struct il_mirror_state, asked_us)
#define API_EVENT_1_0 API_SIZE_WITH(struct il_event, refused)
#define API_DEFERRAL_1_0 API_SIZE_WITH(struct il_deferral, order_len)
#define API_INTAKE_1_0 API_SIZE_WITH(struct il_intake, order)
#define API_MARK_1_0 API_SIZE_WITH(struct il_mark, value_len)
#define API_EMISSION_1_0 API_SIZE_WITH(struct il_emission, arg)
#define API_ROUTE_1_0 API_SIZE_WITH(struct il_route, handle)

#endif

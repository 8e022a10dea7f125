/* SPDX-License-Identifier: MIT */
#include "body.h"

#include "codec/json.h"
#include "codec/msg_read.h"

#include <errno.h>
#include <string.h>

int
host_body_read(struct slice json, struct il_text *packed, struct il_value *out)
{
    struct json_error error;
    int err = json_to_msgpack(json.ptr, json.len, packed, &error);
    const char *p = packed->data;
    if (!err)
        err = msg_value(&p, packed->data + packed->len, out);
    return err ? err : out->type == IL_MAP ? 0 : -EINVAL;
}

int
host_body_position(const struct il_value *v, uint64_t *out)
{
    if (v->type != IL_UINT && (v->type != IL_INT || v->num.i < 0))
        return -EINVAL;
    *out = v->type == IL_UINT ? v->num.u : (uint64_t) v->num.i;
    return 0;
}

static int
member(const struct il_value *object, const char *key, struct il_value *out)
{
    return msg_find(object, key, strlen(key), out) && out->type != IL_NULL;
}

int
host_body_number(const struct il_value *object, const char *key, uint64_t *out)
{
    struct il_value v;
    return member(object, key, &v) ? host_body_position(&v, out) : 0;
}

int
host_body_bool(const struct il_value *object, const char *key, int *out)
{
    struct il_value v;
    if (!member(object, key, &v))
        return 0;
    if (v.type != IL_BOOL)
        return -EINVAL;
    *out = v.num.i != 0;
    return 0;
}

int
host_body_text(const struct il_value *object, const char *key, char **out)
{
    struct il_value v;
    if (!member(object, key, &v))
        return 0;
    if (v.type != IL_STRING || memchr(v.str, 0, v.len))
        return -EINVAL;
    *out = strndup(v.str, v.len);
    return *out ? 0 : -ENOMEM;
}

int
host_body_list(const struct il_value *object, const char *key, uint32_t most,
               struct il_value *out)
{
    if (!member(object, key, out)) {
        *out = (struct il_value){ .type = IL_MISSING };
        return 0;
    }
    return out->type == IL_ARRAY && out->count <= most ? 0 : -EINVAL;
}

/* SPDX-License-Identifier: MIT */
/* A setting of any shape as JSON. */
#include "private.h"

#include "codec/json_out.h"

#include <libconfig.h>
#include <string.h>

static void
put(struct json_out *o, const struct conf *conf, const config_setting_t *s,
    const char *key)
{
    const char *number;
    char whole[32];
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_GROUP:
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ARRAY:
        json_out_open(o, key, config_setting_is_group(s));
        for (int i = 0; i < config_setting_length(s); i++) {
            config_setting_t *e = config_setting_get_elem(s, (unsigned) i);
            put(o, conf, e, config_setting_is_group(s) ? e->name : NULL);
        }
        json_out_end(o);
        break;
    case CONFIG_TYPE_STRING:
        json_out_str(o, key, config_setting_get_string(s));
        break;
    case CONFIG_TYPE_BOOL:
        json_out_bool(o, key, config_setting_get_bool(s));
        break;
    case CONFIG_TYPE_FLOAT:
        number = conf_float_text(conf, s);
        json_out_raw(o, key, slice_of(number, strlen(number)));
        break;
    default:
        snprintf(whole, sizeof(whole), "%lld",
                 (long long) config_setting_get_int64(s));
        json_out_raw(o, key, slice_of(whole, strlen(whole)));
    }
}

int
conf_value_json(const struct conf *conf, const config_setting_t *s,
                struct il_text *out)
{
    struct json_out o;
    json_out_begin(&o, out);
    put(&o, conf, s, NULL);
    return json_out_done(&o);
}

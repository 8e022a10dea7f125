/* SPDX-License-Identifier: MIT */
/* The keys of `events`: declarations, which have themselves inside. */
#include "settings.h"

#define SECOND INT64_C(1000)
#define DAY (24 * 3600 * SECOND)
/* Characters and elements: an event has no more bytes. */
#define SIZE_MOST (INT64_C(1) << 30)

static const struct il_option field_options[16];
static const struct il_option value_options[14];

/* What a field and an element of an array have in common. */
#define VALUE_OPTIONS                                                         \
    { .name = "type",                                                         \
      .type = IL_OPT_STRING,                                                  \
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,                                \
      .choices = "string|number|integer|boolean|object|array|timestamp",      \
      .help = "Type of the value." },                                         \
    { .name = "nullable",                                                     \
      .type = IL_OPT_BOOL,                                                    \
      .def = "false",                                                         \
      .help = "Take null where a value has to be." },                         \
    { .name = "enum",                                                         \
      .type = IL_OPT_STRING,                                                  \
      .flags = IL_OPT_LIST | OPTION_PLAIN | OPTION_NUMBER,                    \
      .help = "The values to choose from: texts or numbers." },               \
    { .name = "format",                                                       \
      .type = IL_OPT_STRING,                                                  \
      .flags = OPTION_PLAIN,                                                  \
      .choices = "timestamp|uuid|email|uri",                                  \
      .help = "Form of a string." },                                          \
    { .name = "min",                                                          \
      .type = IL_OPT_STRING,                                                  \
      .flags = OPTION_PLAIN | OPTION_NUMBER,                                  \
      .help = "Least number." },                                              \
    { .name = "max",                                                          \
      .type = IL_OPT_STRING,                                                  \
      .flags = OPTION_PLAIN | OPTION_NUMBER,                                  \
      .help = "Greatest number." },                                           \
    { .name = "min_length",                                                   \
      .type = IL_OPT_INT,                                                     \
      .min = 0,                                                               \
      .max = SIZE_MOST,                                                       \
      .help = "Fewest characters of a string." },                             \
    { .name = "max_length",                                                   \
      .type = IL_OPT_INT,                                                     \
      .min = 0,                                                               \
      .max = SIZE_MOST,                                                       \
      .help = "Most characters of a string." },                               \
    { .name = "min_items",                                                    \
      .type = IL_OPT_INT,                                                     \
      .min = 0,                                                               \
      .max = SIZE_MOST,                                                       \
      .help = "Fewest elements of an array." },                               \
    { .name = "max_items",                                                    \
      .type = IL_OPT_INT,                                                     \
      .min = 0,                                                               \
      .max = SIZE_MOST,                                                       \
      .help = "Most elements of an array." },                                 \
    { .name = "items",                                                        \
      .type = IL_OPT_GROUP,                                                   \
      .flags = OPTION_AGAIN,                                                  \
      .children = value_options,                                              \
      .help = "What each element of an array is: as a field, but for name "   \
              "and required." },                                              \
    { .name = "unknown",                                                      \
      .type = IL_OPT_STRING,                                                  \
      .flags = OPTION_PLAIN,                                                  \
      .choices = "reject|allow",                                              \
      .help = "What becomes of events with fields that are not declared for " \
              "this object; without it, reject." },                           \
    { .name = "fields",                                                       \
      .type = IL_OPT_GROUP,                                                   \
      .flags = IL_OPT_LIST | OPTION_AGAIN,                                    \
      .children = field_options,                                              \
      .help = "The fields of an object." }

static const struct il_option value_options[] = { VALUE_OPTIONS, { 0 } };

static const struct il_option field_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .min = 1,
      .max = 128,
      .help = "Name of the field." },
    { .name = "required",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Refuse events that lack the field." },
    VALUE_OPTIONS,
    { 0 }
};

static const struct il_option key_options[] = {
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .max = 1024,
      .help = "Field whose value is the idempotency key of the event." },
    { .name = "window",
      .type = IL_OPT_DURATION,
      .min = SECOND,
      .max = 3650 * DAY,
      .help = "How long the keys of these events are remembered; without it, "
              "as long as those of others." },
    { 0 }
};

const struct il_option settings_event[] = {
    { .name = "type",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .min = 1,
      .max = 128,
      .help = "Event type that is declared." },
    { .name = "unknown",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "reject|allow",
      .def = "reject",
      .help = "What becomes of events with fields that are not declared." },
    { .name = "fields",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = field_options,
      .help = "The fields of the payload." },
    { .name = "idempotency",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = key_options,
      .help = "How repeated events of this type are recognised." },
    { 0 }
};

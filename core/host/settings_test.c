/* SPDX-License-Identifier: MIT */
/* The keys of `tests`. */
#include "settings.h"

#define DAY (INT64_C(24) * 3600 * 1000)

static const struct il_option entity_options[] = {
    { .name = "kind",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "Kind of the entity, as in \"user\"." },
    { .name = "id",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "Its id." },
    { .name = "traits",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "Its traits: a group, or JSON in a text." },
    { 0 }
};

static const struct il_option given_options[] = {
    { .name = "source",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help =
          "The source that it comes in by; may be left out where the config "
          "has only one." },
    { .name = "type",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "Its type; without one nothing comes, and `after` passes." },
    { .name = "payload",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "Its payload: a group, or JSON in a text." },
    { .name = "id",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "Its id, where the sender gives one." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "Its idempotency key, where the sender gives one." },
    { .name = "timestamp",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "The sender's time." },
    { .name = "after",
      .type = IL_OPT_DURATION,
      .min = 0,
      .max = 3650 * DAY,
      .help = "How much time passes before it." },
    { 0 }
};

static const struct il_option expect_options[] = {
    { .name = "lane",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "The lane that it is about: \"pipeline/destination\"." },
    { .name = "event",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "The event that it is about: its number among `given`, from 0 "
              "on, or its id." },
    { .name = "rows",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help =
          "The rows that the lane has written, in order: a group each, with "
          "the columns to look at; or how many." },
    { .name = "requests",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "The requests that the lane has sent, in order: a group each, as "
              "in `request`; or how many." },
    { .name = "request",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "The only request that the lane has sent: a group with any of "
              "method, url, headers, body and contains." },
    { .name = "drop",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .help = "The step that drops the event, by its name, its plugin or its "
              "number; \"when\", or \"match\": no pipeline takes it." },
    { .name = "dead",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .help = "The code of the dead letter that the event becomes." },
    { .name = "entity",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 3,
      .help = "An entity that is known in the end: \"kind/id\"." },
    { .name = "traits",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "What it has: a group with the traits to look at." },
    { .name = "gate",
      .type = IL_OPT_INT,
      .min = 200,
      .max = 599,
      .help = "The status that the sender gets." },
    { 0 }
};

const struct il_option settings_test[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .min = 1,
      .help = "What the test claims." },
    { .name = "at",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .def = "2026-01-01T12:00:00Z",
      .help = "When it begins." },
    { .name = "entities",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = entity_options,
      .help = "What is known before it begins." },
    { .name = "given",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = given_options,
      .help = "The events that come, in order." },
    { .name = "expect",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = expect_options,
      .help = "What must have come of them in the end." },
    { 0 }
};

const struct il_option settings_tests[] = {
    { .name = "config",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .max = 4000,
      .help = "The config that the tests are about, relative to this file." },
    { .name = "env",
      .type = IL_OPT_STRING,
      .flags = OPTION_ANY,
      .help = "Variables of the environment that the config looks up: a group "
              "with a text each." },
    { .name = "tests",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = settings_test,
      .help = "What is tried: a list of tests." },
    { 0 }
};

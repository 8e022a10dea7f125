/* SPDX-License-Identifier: MIT */
#include "settings.h"

#define KIB INT64_C(1024)
#define MIB (INT64_C(1024) * KIB)
#define GIB (INT64_C(1024) * MIB)
#define TIB (INT64_C(1024) * GIB)
#define SECOND INT64_C(1000)
#define DAY (24 * 3600 * SECOND)

/* --- the daemon ---------------------------------------------------------- */

static const struct il_option tls_options[] = {
    { .name = "certificate",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .min = 1,
      .help = "File with the server's certificate and those of its issuers, "
              "in PEM format." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET | OPTION_PLAIN,
      .min = 1,
      .help = "File with the certificate's private key, in PEM format." },
    { .name = "client_ca",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .help = "File with certificates of authorities: only clients with a "
              "certificate of one of them are served." },
    { .name = "priorities",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .help = "GnuTLS priority string; without it, TLS 1.2 and 1.3 with "
              "forward secrecy and authenticated encryption." },
    { 0 }
};

#define SOCKET_MODE                                                            \
    { .name = "socket_mode",                                                   \
      .type = IL_OPT_STRING,                                                   \
      .def = "0660",                                                           \
      .help = "Permissions of unix sockets, in octal." }
#define TLS                                                                    \
    { .name = "tls",                                                           \
      .type = IL_OPT_GROUP,                                                    \
      .children = tls_options,                                                 \
      .help = "Serve over TLS." }

static const struct il_option http_options[] = {
    { .name = "listen",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .def = "127.0.0.1:8080",
      .help = "Addresses to serve senders on: \"127.0.0.1:8080\", "
              "\"[::1]:8080\", \":8080\" for all, or \"unix:/PATH\"." },
    SOCKET_MODE,
    TLS,
    { .name = "trusted_proxies",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Networks of proxies whose X-Forwarded-For is believed: "
              "\"10.0.0.0/8\", \"::1/128\", \"unix\"." },
    { .name = "threads",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 64,
      .def = "1",
      .help = "Threads that serve senders; one serves tens of thousands of "
              "requests a second." },
    { .name = "max_body",
      .type = IL_OPT_SIZE,
      .min = KIB,
      .max = GIB,
      .def = "4MiB",
      .help = "Largest body of a request, also after unpacking." },
    { .name = "max_buffered",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 64 * GIB,
      .def = "64MiB",
      .help = "Most memory for the bodies of all requests, and what is read "
              "of entities, together; above it senders are asked to come "
              "again." },
    { .name = "max_connections",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1000000,
      .def = "10000",
      .help = "Most connections at a time; further ones wait." },
    { .name = "max_connections_per_address",
      .type = IL_OPT_INT,
      .min = 0,
      .max = 1000000,
      .def = "1000",
      .help = "Most connections of one address, trusted proxies apart; "
              "further ones are closed; 0: no limit." },
    { .name = "timeout",
      .type = IL_OPT_DURATION,
      .min = SECOND,
      .max = 3600 * SECOND,
      .def = "30s",
      .help = "How long a connection may be idle or a request may take to "
              "arrive." },
    { 0 }
};

static const struct il_option admin_options[] = {
    { .name = "listen",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .def = "127.0.0.1:9600",
      .help = "Addresses for /healthz, /readyz and /metrics; keep them "
              "private." },
    { .name = "hosts",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .min = 1,
      .max = 253,
      .help = "Names with a dot by which it may be asked; names without one "
              "and addresses always may." },
    SOCKET_MODE,
    TLS,
    { 0 }
};

static const struct il_option spool_options_table[] = {
    { .name = "segment",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 4 * GIB,
      .def = "64MiB",
      .help = "Size of one file of the spool." },
    { .name = "retain",
      .type = IL_OPT_DURATION,
      .min = 0,
      .max = 3650 * DAY,
      .def = "24h",
      .help = "How long events stay on disk after every pipeline has "
              "delivered them, for replay." },
    { .name = "retain_size",
      .type = IL_OPT_SIZE,
      .min = 0,
      .max = 1024 * TIB,
      .help = "Delivered events go earlier than retain says while the spool "
              "is larger than this." },
    { .name = "max_size",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 1024 * TIB,
      .help = "Senders are asked to come again while the spool is this "
              "large; without it the disk is the limit." },
    { .name = "min_free",
      .type = IL_OPT_SIZE,
      .min = 0,
      .max = 1024 * TIB,
      .def = "64MiB",
      .help = "Senders are asked to come again while the disk has less than "
              "this left." },
    { 0 }
};

static const struct il_option idempotency_options[] = {
    { .name = "window",
      .type = IL_OPT_DURATION,
      .min = SECOND,
      .max = 3650 * DAY,
      .def = "24h",
      .help = "How long an idempotency key is remembered." },
    { .name = "max_keys",
      .type = IL_OPT_INT,
      .min = 1000,
      .max = INT64_MAX,
      .def = "100000000",
      .help = "Most keys remembered; above it the oldest are forgotten "
              "early, which is logged." },
    { 0 }
};

static const struct il_option entities_options[] = {
    { .name = "map_size",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 64 * TIB,
      .def = "64GiB",
      .help = "Most disk space for entities; address space, not memory, is "
              "set aside for it." },
    { 0 }
};

/* Names of the host's own in a place; see plan_place.c, which makes the table
 * of this group.  Behind plugin and name, all of the place's table is in it. */
#define HOST_GROUP(table)                                                      \
    {                                                                          \
        .name = "host", .type = IL_OPT_GROUP, .flags = OPTION_AGAIN,           \
        .children = (table) + 2,                                               \
        .help =                                                                \
            "The options of this list that are not the plugin's, for where "   \
            "it has one of the same name; not plugin and name."                \
    }

/* --- sources ------------------------------------------------------------- */

const struct il_option settings_source[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "What pipelines call the source, and the source_id of its "
              "events." },
    { .name = "plugin",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "The plugin that receives the events." },
    { .name = "was",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .max = 64,
      .help = "The source's name before: keys of events that came in under it "
              "are known." },
    { .name = "undeclared",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "reject|accept",
      .def = "reject",
      .help = "What becomes of event types that are not declared, once any "
              "is." },
    { .name = "ids",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "made|key",
      .def = "made",
      .help = "The id of an event whose sender gives a key and no id: one that "
              "no other has, or one made of the key, the same on every node." },
    { .name = "rate",
      .type = IL_OPT_STRING,
      .help = "Most events over time that all its senders together may send, "
              "as in \"1000/s\"; without it, any number." },
    { .name = "burst",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1000000000,
      .help = "Most of them at once; without it, the first number of rate." },
    { .name = "max_undelivered",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 1024 * TIB,
      .help = "Senders are asked to come again while so much of what the "
              "source has sent is not delivered; without it, spool's limits "
              "are all." },
    HOST_GROUP(settings_source),
    { 0 }
};

/* --- pipelines ----------------------------------------------------------- */

static const struct il_option from_options[] = {
    { .name = "source",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "Name of a source." },
    { .name = "match",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .max = 128,
      .def = "*",
      .help = "Event types to take from it; * stands for any text." },
    { 0 }
};

static const struct il_option batch_options[] = {
    { .name = "events",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 1000000,
      .def = "10000",
      .help = "Most events in one batch." },
    { .name = "bytes",
      .type = IL_OPT_SIZE,
      .min = KIB,
      .max = GIB,
      .def = "4MiB",
      .help = "Most bytes of events in one batch." },
    { .name = "wait",
      .type = IL_OPT_DURATION,
      .min = 0,
      .max = 600 * SECOND,
      .def = "0s",
      .help = "How long a batch that is not full waits for further events." },
    { 0 }
};

const struct il_option settings_step[] = {
    { .name = "plugin",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "The plugin that does the step." },
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "What logs and metrics call the step; without it, its number." },
    { 0 }
};

const struct il_option settings_destination[] = {
    { .name = "plugin",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "The plugin that delivers the events." },
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "What the lane is called, unique in the pipeline; without it, "
              "the plugin's name." },
    { .name = "was",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 3,
      .max = 200,
      .help = "The lane's name before, as in \"pipeline/destination\": it goes "
              "on where that was." },
    { .name = "begin",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "oldest|now",
      .help = "Where a lane begins that is new while the spool is not: at the "
              "oldest event, or after those that are there at its first "
              "start." },
    { .name = "behind",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "hold|letter",
      .help =
          "When the spool has no room left: refuse new events (hold), or go "
          "on without what this lane has not read, with one dead letter "
          "that names the range (letter); without it, hold, and letter "
          "where the destination takes events one by one." },
    { .name = "max_age",
      .type = IL_OPT_DURATION,
      .min = 1000,
      .max = INT64_C(366) * 86400 * 1000,
      .help = "Of a destination that takes events one by one: an event that is "
              "older when its turn comes is not sent." },
    { .name = "max_age_then",
      .type = IL_OPT_STRING,
      .choices = "letter|drop",
      .def = "letter",
      .help = "What becomes of it: a dead letter, or nothing." },
    { .name = "when",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 65536,
      .help = "Deliver only the events for which this expression holds." },
    { .name = "steps",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | OPTION_RAW,
      .children = settings_step,
      .help =
          "What happens to its events on the way to it alone, after `when`, "
          "in this order." },
    { .name = "batch",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = batch_options,
      .help = "How much is delivered at once." },
    HOST_GROUP(settings_destination),
    { 0 }
};

const struct il_option settings_pipeline[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | OPTION_PLAIN,
      .help = "Name of the pipeline." },
    { .name = "status",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .choices = "active|paused|draft",
      .def = "active",
      .help = "active: delivers; paused: keeps its place and delivers "
              "nothing; draft: is checked and otherwise ignored." },
    { .name = "sources",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = from_options,
      .help = "Where its events come from." },
    { .name = "steps",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | OPTION_RAW,
      .children = settings_step,
      .help = "What happens to the events on the way, in this order." },
    { .name = "destinations",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED | OPTION_RAW,
      .children = settings_destination,
      .help = "Where the events go; each destination is a lane of its own." },
    { 0 }
};

/* --- the file ------------------------------------------------------------ */

const struct il_option settings_root[] = {
    { .name = "state_dir",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 4000,
      .help = "Directory for everything that must survive a restart." },
    { .name = "http",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = http_options,
      .help = "The server that senders talk to." },
    { .name = "admin",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = admin_options,
      .help = "The server for health checks and metrics." },
    { .name = "spool",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = spool_options_table,
      .help = "The log on disk that every accepted event is in." },
    { .name = "idempotency",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = idempotency_options,
      .help = "How repeated events are recognised." },
    { .name = "entities",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = entities_options,
      .help = "The entity store." },
    { .name = "state_memory",
      .type = IL_OPT_SIZE,
      .min = MIB,
      .max = 64 * GIB,
      .def = "64MiB",
      .help = "Most memory for what the steps of all lanes remember; what "
              "there is no room for is looked up on the disk." },
    { .name = "plugin_dir",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .min = 1,
      .max = 4000,
      .help = "Directories to look for plugins in, before the one of the "
              "installation." },
    { .name = "include_dir",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .min = 1,
      .max = 4000,
      .help = "Directory whose *.conf files are read as well, in the order of "
              "their names; relative to this file." },
    { .name = "log_level",
      .type = IL_OPT_STRING,
      .choices = "error|warn|info|debug",
      .def = "info",
      .help = "What is logged." },
    { .name = "drain",
      .type = IL_OPT_DURATION,
      .min = 0,
      .max = 3600 * SECOND,
      .def = "30s",
      .help = "How long a stop may wait for deliveries; what is left is "
              "delivered after the next start." },
    { .name = "user",
      .type = IL_OPT_STRING,
      .min = 1,
      .help = "User to become, where the daemon is started by root." },
    { .name = "group",
      .type = IL_OPT_STRING,
      .min = 1,
      .help = "Group to become; without it, the user's." },
    { .name = "core_dumps",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Allow core dumps and debuggers, which can read the secrets in "
              "memory." },
    { .name = "events",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = settings_event,
      .help = "Declared events." },
    { .name = "sources",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | OPTION_RAW,
      .children = settings_source,
      .help = "Where events enter." },
    { .name = "pipelines",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | OPTION_RAW,
      .children = settings_pipeline,
      .help = "What becomes of the events." },
    { .name = "tests",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = settings_test,
      .help = "What `ingestlayer test` tries; the daemon passes over it." },
    { 0 }
};

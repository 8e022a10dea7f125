/* SPDX-License-Identifier: MIT */
/* slack: events as messages in a channel, by an incoming webhook or by
 * chat.postMessage.
 *
 * An incoming webhook answers with a status and a word.  chat.postMessage answers
 * 200 to nearly everything, and its body decides. */
#include "../webhook.out/codes.h"
#include "../webhook.out/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API "https://slack.com/api"
/* Slack's own advice; it cuts texts off at ten times that. */
#define TEXT_UNITS 4000
/* The answer has the message in it, perhaps with each character as \uXXXX. */
#define ANSWER_MAX 65536

struct slack {
    const struct il_host *host;
    struct words words;
    const char *channel; /* NULL: an incoming webhook */
};

static const struct il_option slack_options[] = {
    { .name = "url",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "URL of an incoming webhook." },
    { .name = "token",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "Token of an app, which posts by chat.postMessage." },
    { .name = "channel",
      .type = IL_OPT_STRING,
      .min = 1,
      .max = 80,
      .help = "Channel that token posts to: its ID, or #name." },
    { .name = "api",
      .type = IL_OPT_STRING,
      .def = API,
      .help = "Where the methods of the Web API are, with token." },
#define MESSAGE_RATE "1/s"
#include "../webhook.out/message.inc"
    { 0 }
};

/* --- options -------------------------------------------------------------- */

static int
read_webhook(struct slack *s, struct out_options *o, const struct il_conf *conf)
{
    (void) s;
    if (il_conf_has(conf, "channel"))
        return il_conf_error(conf, "channel", -1,
                             "is of no use with url: an incoming webhook has "
                             "its own");
    return out_options_url(o, conf, "url", il_conf_str(conf, "url"));
}

static int
read_token(struct slack *s, struct out_options *o, const struct il_conf *conf)
{
    const char *api = il_conf_str(conf, "api");
    const size_t len = strlen(api), size = len + sizeof("/chat.postMessage");
    s->channel = il_conf_str(conf, "channel");
    if (!s->channel)
        return il_conf_error(conf, NULL, -1,
                             "channel: is required with token; write channel = "
                             "\"C0123456789\"");
    char *url = malloc(size);
    if (!url)
        return -ENOMEM;
    snprintf(url, size, "%s%schat.postMessage", api,
             len && api[len - 1] == '/' ? "" : "/");
    int err = out_options_url(o, conf, "api", url);
    free(url);
    return err ? err : out_options_bearer(o, conf, "token");
}

static int
slack_read(void *own, struct out_options *o, const struct il_host *host,
           const struct il_conf *conf)
{
    struct slack *s = own;
    const int url = il_conf_has(conf, "url"),
              token = il_conf_has(conf, "token");
    s->host = host;
    s->words.most = TEXT_UNITS;
    s->words.escape = words_escape_entities;
    s->words.before = s->words.after = "*";
    int err = url && token ? il_conf_error(conf, "token", -1,
                                           "cannot be used together with url; "
                                           "leave one of the two out")
              : url        ? read_webhook(s, o, conf)
              : token      ? read_token(s, o, conf)
                           : il_conf_error(conf, NULL, -1,
                                           "url: is required, or token and channel; "
                                                "write url = \"credential:NAME\"");
    int common = out_options_common(o, host, conf);
    o->content_type = "application/json; charset=utf-8";
    int words = words_open(&s->words, host, conf, "text");
    return err ? err : common ? common : words;
}

static void
slack_close(void *own, const struct il_host *host)
{
    struct slack *s = own;
    (void) host;
    words_close(&s->words);
}

/* --- the message ---------------------------------------------------------- */

static int
slack_body(void *own, struct il_batch *batch, uint32_t i, struct rendered *out)
{
    const struct slack *s = own;
    struct il_value text, channel = { .type = IL_MISSING };
    struct render_object m = { s->host, out->text, 0 };
    int err = words_make(&s->words, batch, i, out, &text);
    if (s->channel)
        channel = (struct il_value){ .type = IL_STRING,
                                     .str = s->channel,
                                     .len = strlen(s->channel) };
    if (!err)
        err = render_member(&m, "channel", &channel);
    if (!err)
        err = render_member(&m, "text", &text);
    /* No name becomes a mention, and no link of an event is fetched. */
    static const char *const off[] = { "link_names", "unfurl_links",
                                       "unfurl_media" };
    for (size_t k = 0; !err && k < sizeof(off) / sizeof(off[0]); k++)
        err = render_member_json(&m, off[k], "false");
    return err ? err : render_object_end(&m);
}

/* --- the answer ----------------------------------------------------------- */

#define TOKEN "takes the token no longer"
#define CHANNEL "does not let us post to the channel"
#define HOOK "does not know the webhook any more"

/* In the manual, too. */
static const struct code slack_codes[] = {
    /* The token. */
    { "not_authed", OUT_PAUSE, 0, TOKEN },
    { "invalid_auth", OUT_PAUSE, 0, TOKEN },
    { "token_revoked", OUT_PAUSE, 0, TOKEN },
    { "token_expired", OUT_PAUSE, 0, TOKEN },
    { "account_inactive", OUT_PAUSE, 0, TOKEN },
    { "not_allowed_token_type", OUT_PAUSE, 0, TOKEN },
    { "missing_scope", OUT_PAUSE, 0, TOKEN },
    { "no_permission", OUT_PAUSE, 0, TOKEN },
    { "access_denied", OUT_PAUSE, 0, TOKEN },
    { "ekm_access_denied", OUT_PAUSE, 0, TOKEN },
    { "enterprise_is_restricted", OUT_PAUSE, 0, TOKEN },
    { "org_login_required", OUT_PAUSE, 0, TOKEN },
    { "two_factor_setup_required", OUT_PAUSE, 0, TOKEN },
    { "team_access_not_granted", OUT_PAUSE, 0, TOKEN },
    { "team_not_found", OUT_PAUSE, 0, TOKEN },
    { "deprecated_endpoint", OUT_PAUSE, 0, TOKEN },
    { "method_deprecated", OUT_PAUSE, 0, TOKEN },
    /* The channel. */
    { "channel_not_found", OUT_PAUSE, 0, CHANNEL },
    { "not_in_channel", OUT_PAUSE, 0, CHANNEL },
    { "is_archived", OUT_PAUSE, 0, CHANNEL },
    { "channel_is_archived", OUT_PAUSE, 0, CHANNEL },
    { "cannot_reply_to_message", OUT_PAUSE, 0, CHANNEL },
    { "restricted_action", OUT_PAUSE, 0, CHANNEL },
    { "restricted_action_read_only_channel", OUT_PAUSE, 0, CHANNEL },
    { "restricted_action_non_threadable_channel", OUT_PAUSE, 0, CHANNEL },
    { "restricted_action_thread_only_channel", OUT_PAUSE, 0, CHANNEL },
    { "restricted_action_thread_locked", OUT_PAUSE, 0, CHANNEL },
    { "posting_to_general_channel_denied", OUT_PAUSE, 0, CHANNEL },
    { "slack_connect_canvas_sharing_blocked", OUT_PAUSE, 0, CHANNEL },
    { "user_not_found", OUT_PAUSE, 0, CHANNEL },
    { "action_prohibited", OUT_PAUSE, 0, CHANNEL },
    /* The webhook. */
    { "invalid_token", OUT_PAUSE, 0, HOOK },
    { "no_service", OUT_PAUSE, 0, HOOK },
    { "no_service_id", OUT_PAUSE, 0, HOOK },
    { "no_active_hooks", OUT_PAUSE, 0, HOOK },
    { "no_team", OUT_PAUSE, 0, HOOK },
    { "team_disabled", OUT_PAUSE, 0, HOOK },
    /* The message. */
    { "msg_too_long", OUT_DEAD, 0, NULL },
    { "no_text", OUT_DEAD, 0, NULL },
    { "invalid_payload", OUT_DEAD, 0, NULL },
    { "invalid_json", OUT_DEAD, 0, NULL },
    { "json_not_object", OUT_DEAD, 0, NULL },
    { "invalid_post_type", OUT_DEAD, 0, NULL },
    { "missing_post_type", OUT_DEAD, 0, NULL },
    { "invalid_charset", OUT_DEAD, 0, NULL },
    { "invalid_arguments", OUT_DEAD, 0, NULL },
    { "invalid_arg_name", OUT_DEAD, 0, NULL },
    { "invalid_array_arg", OUT_DEAD, 0, NULL },
    { "invalid_form_data", OUT_DEAD, 0, NULL },
    { "invalid_blocks", OUT_DEAD, 0, NULL },
    { "invalid_blocks_format", OUT_DEAD, 0, NULL },
    { "invalid_attachments", OUT_DEAD, 0, NULL },
    { "too_many_attachments", OUT_DEAD, 0, NULL },
    { "markdown_text_conflict", OUT_DEAD, 0, NULL },
    { "metadata_too_large", OUT_DEAD, 0, NULL },
    { "attachment_payload_limit_exceeded", OUT_DEAD, 0, NULL },
    { "duplicate_message_not_found", OUT_DEAD, 0, NULL },
    /* Slack, or too much at once. */
    { "ratelimited", OUT_LATER, BREAKER_BUSY, NULL },
    { "rate_limited", OUT_LATER, BREAKER_BUSY, NULL },
    { "message_limit_exceeded", OUT_LATER, BREAKER_BUSY, NULL },
    { "accesslimited", OUT_LATER, BREAKER_BUSY, NULL },
    { "team_added_to_org", OUT_LATER, BREAKER_BUSY, NULL },
    { "service_unavailable", OUT_LATER, BREAKER_BUSY, NULL },
    { "request_timeout", OUT_LATER, BREAKER_NO_ANSWER, NULL },
    { "rollup_error", OUT_LATER, BREAKER_SICK, NULL },
    { "internal_error", OUT_LATER, BREAKER_SICK, NULL },
    { "fatal_error", OUT_LATER, BREAKER_SICK, NULL },
    { NULL, 0, 0, NULL }
};

/* Of the Web API: does the body say that it was posted, and if not, why? */
static void
judge_body(const struct slack *s, const struct transport_answer *a,
           struct il_text *scratch, struct out_meaning *m)
{
    static const char begins[] = "{\"ok\":true";
    struct il_value body;
    if (!a->whole
        || il_read_json(s->host, scratch, a->body, a->body_len, &body))
        body.type = IL_MISSING;
    const struct il_value ok = code_member(s->host, &body, "ok");
    const struct il_value error = code_member(s->host, &body, "error");
    const struct code *code = error.type == IL_STRING
                                  ? code_find(slack_codes, error.str, error.len)
                                  : NULL;
    if (ok.type == IL_BOOL && ok.num.i)
        return;
    /* A long message's answer may have broken off behind what counts. */
    if (body.type == IL_MISSING && a->body_len >= sizeof(begins) - 1
        && !memcmp(a->body, begins, sizeof(begins) - 1))
        return;
    m->fate = OUT_LATER;
    m->about = BREAKER_SICK;
    m->code = ok.type == IL_BOOL ? "slack_error" : "no_slack";
    if (code)
        code_apply(code, m);
}

static void
slack_judge(void *own, const struct out_options *options,
            const struct transport_answer *a, struct il_text *scratch,
            struct out_meaning *m)
{
    const struct slack *s = own;
    (void) options;
    if (a->status == 429)
        return;
    if (s->channel && m->fate == OUT_DELIVERED) {
        judge_body(s, a, scratch, m);
        return;
    }
    size_t len = a->body_len;
    while (len && strchr(" \r\n", a->body[len - 1]))
        len--;
    const struct code *code =
        m->fate == OUT_DELIVERED ? NULL : code_find(slack_codes, a->body, len);
    if (code) {
        code_apply(code, m);
    } else if (a->status == 410) {
        m->fate = OUT_PAUSE;
        m->code = "gone";
        m->why = HOOK;
    }
}

static const struct out_kind slack = {
    .size = sizeof(struct slack),
    .answer_max = ANSWER_MAX,
    .open = slack_read,
    .close = slack_close,
    .body = slack_body,
    .judge = slack_judge,
};

static int
slack_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    return out_open(host, conf, self, &slack);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    OUT_DESTINATION,
    .name = "slack",
    .version = "1.0",
    .summary = "Post events into a Slack channel.",
    .options = slack_options,
    .open = slack_open,
};

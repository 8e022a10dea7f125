/* SPDX-License-Identifier: MIT */
/* discord: events as messages in a channel, by a webhook of it. */
#include "../webhook.out/codes.h"
#include "../webhook.out/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_UNITS 2000     /* Discord's limit */
#define ANSWER_MAX 8192     /* of a failure; a success is told by its status */
#define SUPPRESS_EMBEDS "4" /* no link of an event is fetched */

struct discord {
    const struct il_host *host;
    struct words words;
};

static const struct il_option discord_options[] = {
    { .name = "url",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET,
      .help = "URL of a webhook of the channel." },
#define MESSAGE_RATE "30/m"
#include "../webhook.out/message.inc"
    { 0 }
};

/* Each character that begins or ends something in Discord's markdown, wherever it
 * stands, and those of mentions, emojis and times. */
static size_t
discord_escape(unsigned char before, const char *ch, size_t n,
               char out[WORDS_ESCAPED])
{
    (void) before;
    return words_escape_set("\\*_~`|<>[]()#-+:@", ch, n, out);
}

/* wait: the answer comes once the message is there, and not before. */
static int
read_discord_url(struct out_options *o, const struct il_conf *conf)
{
    const char *url = il_conf_str(conf, "url");
    const size_t size = strlen(url) + sizeof("?wait=true");
    if (strchr(url, '#'))
        return il_conf_error(conf, "url", -1, "has a \"#\" in it");
    char *whole = malloc(size);
    if (!whole)
        return -ENOMEM;
    snprintf(whole, size, "%s%cwait=true", url, strchr(url, '?') ? '&' : '?');
    int err = out_options_url(o, conf, "url", whole);
    free(whole);
    return err;
}

static int
discord_read(void *own, struct out_options *o, const struct il_host *host,
             const struct il_conf *conf)
{
    struct discord *d = own;
    d->host = host;
    d->words.most = TEXT_UNITS;
    d->words.escape = discord_escape;
    d->words.before = d->words.after = "**";
    int err = read_discord_url(o, conf);
    int common = out_options_common(o, host, conf);
    int words = words_open(&d->words, host, conf, "text");
    return err ? err : common ? common : words;
}

static void
discord_close(void *own, const struct il_host *host)
{
    struct discord *d = own;
    (void) host;
    words_close(&d->words);
}

static int
discord_body(void *own, struct il_batch *batch, uint32_t i,
             struct rendered *out)
{
    const struct discord *d = own;
    struct il_value text;
    struct render_object m = { d->host, out->text, 0 };
    int err = words_make(&d->words, batch, i, out, &text);
    if (!err)
        err = render_member(&m, "content", &text);
    if (!err)
        err = render_member_json(&m, "allowed_mentions", "{\"parse\":[]}");
    if (!err)
        err = render_member_json(&m, "flags", SUPPRESS_EMBEDS);
    return err ? err : render_object_end(&m);
}

/* --- the answer ----------------------------------------------------------- */

#define HOOK "does not know the webhook any more"
#define CHANNEL "does not let us post to the channel"

/* Codes of the body; in the manual, too. */
static const struct code discord_codes[] = {
    { "10003", OUT_PAUSE, 0, CHANNEL },         /* unknown channel */
    { "10004", OUT_PAUSE, 0, CHANNEL },         /* unknown guild */
    { "10015", OUT_PAUSE, 0, HOOK },            /* unknown webhook */
    { "20016", OUT_LATER, BREAKER_BUSY, NULL }, /* slow mode */
    { "20028", OUT_LATER, BREAKER_BUSY, NULL }, /* too much for the channel */
    { "20029", OUT_LATER, BREAKER_BUSY, NULL }, /* too much for the server */
    { "40001", OUT_PAUSE, 0, HOOK },            /* unauthorized */
    { "40002", OUT_PAUSE, 0, HOOK },            /* account to be verified */
    { "40062", OUT_LATER, BREAKER_BUSY, NULL }, /* the service is limited */
    { "40333", OUT_LATER, BREAKER_SICK, NULL }, /* blocked on the way */
    { "50001", OUT_PAUSE, 0, CHANNEL },         /* missing access */
    { "50006", OUT_DEAD, 0, NULL },             /* empty message */
    { "50008", OUT_PAUSE, 0, CHANNEL }, /* not in this kind of channel */
    { "50013", OUT_PAUSE, 0, CHANNEL }, /* missing permissions */
    { "50027", OUT_PAUSE, 0, HOOK },    /* invalid webhook token */
    { "50035", OUT_DEAD, 0, NULL },     /* invalid form body: too long */
    { "50109", OUT_DEAD, 0, NULL },     /* invalid JSON */
    { "50083", OUT_PAUSE, 0, CHANNEL }, /* the thread is archived */
    { "130000", OUT_LATER, BREAKER_BUSY, NULL }, /* overloaded */
    { "160005", OUT_PAUSE, 0, CHANNEL },         /* the thread is locked */
    { "200000", OUT_DEAD, 0, NULL },     /* blocked by automatic moderation */
    { "200001", OUT_DEAD, 0, NULL },     /* likewise, its title */
    { "220001", OUT_PAUSE, 0, CHANNEL }, /* a forum, which wants a thread */
    { "220003", OUT_PAUSE, 0, CHANNEL }, /* no forum */
    { "240000", OUT_DEAD, 0, NULL },     /* a harmful link */
    { NULL, 0, 0, NULL }
};

static const struct code *
code_of(const struct discord *d, const struct il_value *body)
{
    char text[24];
    const struct il_value v = code_member(d->host, body, "code");
    if (v.type == IL_INT)
        snprintf(text, sizeof(text), "%lld", (long long) v.num.i);
    else if (v.type == IL_UINT)
        snprintf(text, sizeof(text), "%llu", (unsigned long long) v.num.u);
    else
        return NULL;
    return code_find(discord_codes, text, strlen(text));
}

static void
discord_judge(void *own, const struct out_options *options,
              const struct transport_answer *a, struct il_text *scratch,
              struct out_meaning *m)
{
    const struct discord *d = own;
    struct il_value body;
    (void) options;
    if (m->fate == OUT_DELIVERED)
        return;
    if (!a->whole
        || il_read_json(d->host, scratch, a->body, a->body_len, &body))
        body.type = IL_MISSING;
    if (a->status == 429) {
        const struct il_value wait = code_member(d->host, &body, "retry_after");
        const int64_t ms = code_seconds_ms(&wait);
        if (ms) /* finer than the header's whole seconds */
            m->asked_ms = ms;
        return;
    }
    const struct code *code = code_of(d, &body);
    if (code) {
        code_apply(code, m);
    } else if (a->status == 401 || a->status == 403 || a->status == 404
               || a->status == 410) {
        m->fate = OUT_PAUSE;
        m->about = BREAKER_OTHER;
        m->why = HOOK;
    }
}

static const struct out_kind discord = {
    .size = sizeof(struct discord),
    .answer_max = ANSWER_MAX,
    .open = discord_read,
    .close = discord_close,
    .body = discord_body,
    .judge = discord_judge,
};

static int
discord_open(const struct il_host *host, const struct il_conf *conf,
             void **self)
{
    return out_open(host, conf, self, &discord);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    OUT_DESTINATION,
    .name = "discord",
    .version = "1.0",
    .summary = "Post events into a Discord channel.",
    .options = discord_options,
    .open = discord_open,
};

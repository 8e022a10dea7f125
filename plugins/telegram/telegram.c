/* SPDX-License-Identifier: MIT */
/* telegram: events as messages of a bot to a chat. */
#include "../webhook.out/codes.h"
#include "../webhook.out/words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define API "https://api.telegram.org"
#define TEXT_UNITS 4096 /* Telegram's limit */
#define ANSWER_MAX 8192 /* of a failure; a success is told by its status */

struct telegram {
    const struct il_host *host;
    struct words words;
    const char *chat;
    const char *parse_mode;   /* NULL: none */
    _Atomic int64_t moved_to; /* the chat's new id; 0: it is where it was */
};

static const struct il_option telegram_options[] = {
    { .name = "token",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_SECRET,
      .help = "Token of the bot, as in 123456:ABC." },
    { .name = "chat_id",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 64,
      .help = "Number of the chat, or @name of a channel." },
    { .name = "parse_mode",
      .type = IL_OPT_STRING,
      .def = "none",
      .choices = "none|HTML|MarkdownV2",
      .help = "How what the operator wrote in text is read." },
    { .name = "api",
      .type = IL_OPT_STRING,
      .def = API,
      .help = "Where the Bot API is." },
#define MESSAGE_RATE "20/m"
#include "../webhook.out/message.inc"
    { 0 }
};

/* --- texts ---------------------------------------------------------------- */

/* An @ that would begin somebody's name is parted from it, for nobody can see:
 * there is no way to say that names are no mentions. */
static size_t
no_mention(unsigned char before, const char *ch, size_t n,
           char out[WORDS_ESCAPED])
{
    static const char joiner[] = "\xe2\x81\xa0";
    const int inside = before == '_' || (before >= '0' && before <= '9')
                       || (before >= 'a' && before <= 'z')
                       || (before >= 'A' && before <= 'Z');
    memcpy(out, ch, n);
    if (*ch != '@' || inside)
        return n;
    memcpy(out + n, joiner, sizeof(joiner) - 1);
    return n + sizeof(joiner) - 1;
}

static size_t
escape_html(unsigned char before, const char *ch, size_t n,
            char out[WORDS_ESCAPED])
{
    return *ch == '@' ? no_mention(before, ch, n, out)
                      : words_escape_entities(before, ch, n, out);
}

static size_t
escape_markdown(unsigned char before, const char *ch, size_t n,
                char out[WORDS_ESCAPED])
{
    return *ch == '@' ? no_mention(before, ch, n, out)
                      : words_escape_set("\\_*[]()~`>#+-=|{}.!", ch, n, out);
}

static void
choose_words(struct telegram *t, const struct il_conf *conf)
{
    const char *mode = il_conf_str(conf, "parse_mode");
    const int html = !strcmp(mode, "HTML"), none = !strcmp(mode, "none");
    t->parse_mode = none ? NULL : mode;
    t->words.most = TEXT_UNITS;
    t->words.escape = none ? no_mention : html ? escape_html : escape_markdown;
    t->words.before = none ? "" : html ? "<b>" : "*";
    t->words.after = none ? "" : html ? "</b>" : "*";
}

/* --- options -------------------------------------------------------------- */

static int
read_telegram_token(struct out_options *o, const struct il_conf *conf)
{
    const char *token = il_conf_str(conf, "token");
    const char *api = il_conf_str(conf, "api");
    const size_t digits = strspn(token, "0123456789");
    const char *key = token + digits + (token[digits] == ':');
    if (!digits || token[digits] != ':' || !*key
        || key[strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")])
        return il_conf_error(conf, "token", -1,
                             "is no token of a bot; it is written as in "
                             "\"123456:ABC\", without \"bot\" before it");
    const size_t len = strlen(api);
    const size_t size = len + strlen(token) + sizeof("/bot/sendMessage");
    char *url = malloc(size);
    if (!url)
        return -ENOMEM;
    snprintf(url, size, "%s%sbot%s/sendMessage", api,
             len && api[len - 1] == '/' ? "" : "/", token);
    int err = out_options_url(o, conf, "api", url);
    explicit_bzero(url, size);
    free(url);
    if (!err)
        err = out_options_hide(o, token);
    return err ? err : out_options_hide(o, key);
}

static int
read_chat(struct telegram *t, const struct il_conf *conf)
{
    const char *chat = t->chat = il_conf_str(conf, "chat_id");
    const char *number = chat + (*chat == '-');
    if ((*chat == '@' && chat[1])
        || (*number && !number[strspn(number, "0123456789")]))
        return 0;
    return il_conf_error(conf, "chat_id", -1,
                         "is neither a number, as in \"-1001234567890\", nor "
                         "the @name of a channel");
}

static int
telegram_read(void *own, struct out_options *o, const struct il_host *host,
              const struct il_conf *conf)
{
    struct telegram *t = own;
    t->host = host;
    choose_words(t, conf);
    int err = read_telegram_token(o, conf);
    int chat = read_chat(t, conf);
    int common = out_options_common(o, host, conf);
    int words = words_open(&t->words, host, conf, "text");
    return err ? err : chat ? chat : common ? common : words;
}

static void
telegram_close(void *own, const struct il_host *host)
{
    struct telegram *t = own;
    (void) host;
    words_close(&t->words);
}

/* --- the message ---------------------------------------------------------- */

static struct il_value
text_value(const char *text)
{
    return (struct il_value){ .type = text ? IL_STRING : IL_MISSING,
                              .str = text,
                              .len = text ? strlen(text) : 0 };
}

static int
telegram_body(void *own, struct il_batch *batch, uint32_t i,
              struct rendered *out)
{
    struct telegram *t = own;
    char moved[24];
    const int64_t to = atomic_load(&t->moved_to);
    snprintf(moved, sizeof(moved), "%" PRId64, to);
    const struct il_value chat = text_value(to ? moved : t->chat);
    const struct il_value mode = text_value(t->parse_mode);
    struct render_object m = { t->host, out->text, 0 };
    struct il_value text;
    int err = words_make(&t->words, batch, i, out, &text);
    if (!err)
        err = render_member(&m, "chat_id", &chat);
    if (!err)
        err = render_member(&m, "text", &text);
    if (!err)
        err = render_member(&m, "parse_mode", &mode);
    /* No link of an event is fetched; the older name, too, for servers of one's
     * own that know no other. */
    if (!err)
        err = render_member_json(&m, "link_preview_options",
                                 "{\"is_disabled\":true}");
    if (!err)
        err = render_member_json(&m, "disable_web_page_preview", "true");
    return err ? err : render_object_end(&m);
}

/* --- the answer ----------------------------------------------------------- */

#define TOKEN "does not know the bot's token any more"
#define CHAT "does not let the bot write to the chat"

/* Telegram has no codes but the status: what its description says, in small
 * letters.  In the manual, too. */
static const struct {
    const char *says;
    struct code code;
} descriptions[] = {
    { "chat not found", { "chat_not_found", OUT_PAUSE, 0, CHAT } },
    { "chat_id is empty", { "chat_not_found", OUT_PAUSE, 0, CHAT } },
    { "peer_id_invalid", { "chat_not_found", OUT_PAUSE, 0, CHAT } },
    { "group chat was deactivated", { "chat_gone", OUT_PAUSE, 0, CHAT } },
    { "chat was deleted", { "chat_gone", OUT_PAUSE, 0, CHAT } },
    { "user is deactivated", { "chat_gone", OUT_PAUSE, 0, CHAT } },
    { "bot was blocked", { "blocked", OUT_PAUSE, 0, CHAT } },
    { "bot was kicked", { "kicked", OUT_PAUSE, 0, CHAT } },
    { "not enough rights", { "no_rights", OUT_PAUSE, 0, CHAT } },
    { "need administrator rights", { "no_rights", OUT_PAUSE, 0, CHAT } },
    { "have no rights", { "no_rights", OUT_PAUSE, 0, CHAT } },
    { "chat_write_forbidden", { "no_rights", OUT_PAUSE, 0, CHAT } },
    { "topic_closed", { "no_rights", OUT_PAUSE, 0, CHAT } },
    { "message is too long", { "too_long", OUT_DEAD, 0, NULL } },
    { "message text is empty", { "no_text", OUT_DEAD, 0, NULL } },
    { "text must be non-empty", { "no_text", OUT_DEAD, 0, NULL } },
    { "can't parse entities", { "no_markup", OUT_DEAD, 0, NULL } },
    { "strings must be encoded in utf-8", { "no_text", OUT_DEAD, 0, NULL } },
    { "can't parse", { "bad_request", OUT_DEAD, 0, NULL } },
};

static const struct code unauthorized = { "unauthorized", OUT_PAUSE, 0, TOKEN };
static const struct code forbidden = { "forbidden", OUT_PAUSE, 0, CHAT };

/* Does text (any case) have the words in it? */
static int
says(const struct il_value *text, const char *words)
{
    const size_t n = strlen(words);
    if (text->type != IL_STRING)
        return 0;
    for (size_t at = 0; at + n <= text->len; at++)
        if (!strncasecmp(text->str + at, words, n))
            return 1;
    return 0;
}

static const struct code *
telegram_code(const struct transport_answer *a, const struct il_value *text)
{
    for (size_t k = 0; k < sizeof(descriptions) / sizeof(descriptions[0]); k++)
        if ((a->status == 400 || a->status == 403)
            && says(text, descriptions[k].says))
            return &descriptions[k].code;
    /* Telegram says 404 where the token is no token at all. */
    return a->status == 401 || a->status == 404 ? &unauthorized
           : a->status == 403                   ? &forbidden
                                                : NULL;
}

/* The group has become a supergroup, which has another number: it is used until
 * the next start, which finds it the same way. */
static int
follow(struct telegram *t, int64_t to)
{
    if (!to || to == atomic_load(&t->moved_to))
        return 0;
    atomic_store(&t->moved_to, to);
    il_log(t->host, IL_LOG_WARN,
           "chat %s has become %" PRId64 ", which is used from now on; write "
           "chat_id = \"%" PRId64 "\"",
           t->chat, to, to);
    return 1;
}

static void
telegram_judge(void *own, const struct out_options *options,
               const struct transport_answer *a, struct il_text *scratch,
               struct out_meaning *m)
{
    struct telegram *t = own;
    struct il_value body;
    (void) options;
    if (m->fate == OUT_DELIVERED)
        return;
    if (!a->whole
        || il_read_json(t->host, scratch, a->body, a->body_len, &body))
        body.type = IL_MISSING;
    const struct il_value more = code_member(t->host, &body, "parameters");
    const struct il_value to =
        code_member(t->host, &more, "migrate_to_chat_id");
    const struct il_value wait = code_member(t->host, &more, "retry_after");
    const struct il_value text = code_member(t->host, &body, "description");
    const int64_t ms = code_seconds_ms(&wait);
    if (ms)
        m->asked_ms = ms;
    if (a->status == 429)
        return;
    if (to.type == IL_INT && follow(t, to.num.i)) {
        m->fate = OUT_AT_ONCE;
        m->about = BREAKER_OTHER;
        m->code = "moved";
        return;
    }
    const struct code *code = telegram_code(a, &text);
    if (code)
        code_apply(code, m);
}

static const struct out_kind telegram = {
    .size = sizeof(struct telegram),
    .answer_max = ANSWER_MAX,
    .open = telegram_read,
    .close = telegram_close,
    .body = telegram_body,
    .judge = telegram_judge,
};

static int
telegram_open(const struct il_host *host, const struct il_conf *conf,
              void **self)
{
    return out_open(host, conf, self, &telegram);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    OUT_DESTINATION,
    .name = "telegram",
    .version = "1.0",
    .summary = "Send events to a Telegram chat.",
    .options = telegram_options,
    .open = telegram_open,
};

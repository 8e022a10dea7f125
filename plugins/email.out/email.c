/* SPDX-License-Identifier: MIT */
/* email.out: events as mails, by SMTP.
 *
 * Whom a mail goes to is the operator's; where an event has a say in it, within
 * what the operator wrote as recipients.  Nothing of an event can make a header,
 * an address or a command: texts are encoded, addresses are of one strict form. */
#include "mailbox.h"
#include "mime.h"
#include "replies.h"

#include "../webhook.out/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS 50
#define SUBJECT_UNITS 200 /* a line of a list of mails */
#define TEXT_UNITS 100000
#define WHY_MAX (MAILBOX_ADDRESS_MAX + 40)

struct recipient {
    struct mailbox is;
    struct il_template *of; /* the event decides; `is` is empty then */
};

struct email {
    const struct il_host *host;
    const struct out_options *options;
    struct words subject, text;
    struct mailbox from;
    struct recipient *to;
    size_t to_count;
    struct il_field *received_at;
    char *place;       /* of message ids: ".lane@domain" */
    char why[WHY_MAX]; /* judge's */
};

static const struct il_option email_options[] = {
    { .name = "url",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Server: smtp://HOST:PORT, or smtps:// where TLS comes first." },
    { .name = "from",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Who mails are from: an address, or \"Name <address>\"." },
    { .name = "to",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED | IL_OPT_LIST,
      .help = "Who they go to, in the same form; templates need recipients." },
    { .name = "recipients",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .min = 1,
      .max = MAILBOX_ADDRESS_MAX,
      .help = "Addresses that a template in to may come to; * stands for any "
              "text." },
    { .name = "subject",
      .type = IL_OPT_STRING,
      .help = "Template of the subject; without it, the event's type." },
    { .name = "starttls",
      .type = IL_OPT_STRING,
      .choices = "required|none",
      .help = "What comes after EHLO with smtp://; without it, required." },
    { .name = "username",
      .type = IL_OPT_STRING,
      .help = "Name to log in with." },
    { .name = "password",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "Password to log in with." },
/* What Microsoft 365 takes of one mailbox. */
#define MESSAGE_RATE "30/m"
#define OUT_IS_MAIL
#define OUT_TIMEOUT "1m"
#include "../webhook.out/message.inc"
    { 0 }
};

/* --- options -------------------------------------------------------------- */

static int
read_server(struct out_options *o, const struct il_conf *conf)
{
    const char *url = il_conf_str(conf, "url");
    int err = out_options_url(o, conf, "url", url);
    if (err)
        return err;
    const char *name = url + strlen(o->origin);
    name += *name == '/';
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
        return il_conf_error(conf, "url", -1,
                             "has more than a name behind the host; write it "
                             "as in \"smtp://mail.example.com:587\"");
    const int tls = !strncasecmp(url, "smtps:", 6);
    if (tls && il_conf_has(conf, "starttls"))
        return il_conf_error(conf, "starttls", -1,
                             "is of no use: with smtps:// TLS comes first");
    const char *starttls = il_conf_str(conf, "starttls");
    o->plain = starttls && !strcmp(starttls, "none");
    return out_options_login(o, conf);
}

#define FORMS "write \"alerts@example.com\" or \"Alerts <alerts@example.com>\""

static int
read_from(struct email *e, struct out_options *o, const struct il_conf *conf)
{
    const char *text = il_conf_str(conf, "from");
    int err = mailbox_parse(text, &e->from);
    o->from = e->from.address;
    return err == -EINVAL ? il_conf_error(conf, "from", -1,
                                          "\"%s\" is no address; " FORMS, text)
                          : err;
}

static int
read_recipient(struct email *e, const struct il_conf *conf, size_t i)
{
    const char *text = il_conf_str_at(conf, "to", i);
    struct recipient *r = &e->to[i];
    if (out_is_template(text))
        return il_template_from_at(e->host, conf, "to", i, &r->of);
    int err = mailbox_parse(text, &r->is);
    return err == -EINVAL ? il_conf_error_at(
               conf, "to", i, -1, "\"%s\" is no address; " FORMS, text)
                          : err;
}

static int
read_to(struct email *e, const struct il_conf *conf)
{
    const size_t n = il_conf_count(conf, "to");
    int err = 0;
    if (!n || n > RECIPIENTS)
        return il_conf_error(conf, "to", -1,
                             "has %s recipients, and not 1 to %d",
                             n ? "too many" : "no", RECIPIENTS);
    if (!(e->to = calloc(n, sizeof(*e->to))))
        return -ENOMEM;
    e->to_count = n;
    for (size_t i = 0; i < n; i++) {
        int bad = read_recipient(e, conf, i);
        err = err ? err : bad;
    }
    return err;
}

/* Does the domain have a letter that an event cannot choose? */
static int
read_glob(const struct il_conf *conf, size_t i, const char *text)
{
    const char *at = strchr(text, '@');
    for (const char *p = text; *p; p++)
        if (isupper((unsigned char) *p))
            at = NULL;
    if (!at || at == text || strchr(at + 1, '@'))
        return il_conf_error_at(conf, "recipients", i, -1,
                                "\"%s\" is no address; write it in lower case, "
                                "as in \"*@example.com\"",
                                text);
    if (!strpbrk(at, "abcdefghijklmnopqrstuvwxyz0123456789"))
        return il_conf_error_at(conf, "recipients", i, -1,
                                "\"%s\" would let events send mail to anybody; "
                                "name a domain",
                                text);
    return 0;
}

static int
read_globs(struct email *e, struct out_options *o, const struct il_conf *conf)
{
    const size_t n = il_conf_count(conf, "recipients");
    int templates = 0, err = 0;
    for (size_t i = 0; i < e->to_count; i++)
        templates |= e->to[i].of != NULL;
    if (!templates)
        return n ? il_conf_error(conf, "recipients", -1,
                                 "is of no use: nothing in to is a template")
                 : 0;
    if (!n)
        return il_conf_error(conf, NULL, -1,
                             "recipients: is required, because the event "
                             "decides who gets mail; write recipients = ( "
                             "\"*@example.com\" )");
    if (!(o->hosts = calloc(n, sizeof(*o->hosts))))
        return -ENOMEM;
    o->host_count = n;
    for (size_t i = 0; i < n; i++) {
        o->hosts[i] = il_conf_str_at(conf, "recipients", i);
        int bad = read_glob(conf, i, o->hosts[i]);
        err = err ? err : bad;
    }
    return err;
}

/* What follows the event in each message id: the lane, so that two mails of one
 * event are two, and the sender's domain, which is the same wherever the lane
 * runs. */
static int
make_place(struct email *e)
{
    const char *lane = il_lane(e->host);
    const char *domain = e->from.address ? strchr(e->from.address, '@') : NULL;
    if (!domain)
        return 0; /* that was a finding */
    const size_t size = 3 * (lane ? strlen(lane) : 0) + strlen(domain) + 2;
    char *p = e->place = malloc(size);
    if (!p)
        return -ENOMEM;
    *p++ = '.';
    for (; lane && *lane; lane++)
        if (isalnum((unsigned char) *lane) || strchr("-_/", *lane))
            *p++ = *lane;
        else
            p += sprintf(p, "=%02X", (unsigned char) *lane);
    strcpy(p, domain);
    return 0;
}

static int
read_words(struct email *e, const struct il_conf *conf)
{
    e->subject.most = SUBJECT_UNITS;
    e->subject.instead = WORDS_TITLE;
    e->subject.line = 1;
    e->text.most = TEXT_UNITS;
    e->text.instead = WORDS_FIELDS;
    e->subject.escape = e->text.escape = words_as_it_is;
    e->subject.before = e->subject.after = "";
    int subject = words_open(&e->subject, e->host, conf, "subject");
    int text = words_open(&e->text, e->host, conf, "text");
    return subject ? subject : text;
}

static int
email_read(void *own, struct out_options *o, const struct il_host *host,
           const struct il_conf *conf)
{
    struct email *e = own;
    int err = 0;
    e->host = host;
    e->options = o;
    const int all[] = { read_server(o, conf),
                        read_from(e, o, conf),
                        read_to(e, conf),
                        read_globs(e, o, conf),
                        out_options_common(o, host, conf),
                        read_words(e, conf),
                        make_place(e),
                        il_field_named(host, IL_FIELD_ANY, "received_at",
                                       &e->received_at) };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        err = err ? err : all[i];
    return err;
}

static void
email_close(void *own, const struct il_host *host)
{
    struct email *e = own;
    words_close(&e->subject);
    words_close(&e->text);
    mailbox_free(&e->from);
    for (size_t i = 0; i < e->to_count; i++) {
        mailbox_free(&e->to[i].is);
        il_template_free(host, e->to[i].of);
    }
    free(e->to);
    free(e->place);
    il_field_free(host, e->received_at);
}

/* --- the mail ------------------------------------------------------------- */

static int
refuse(struct rendered *out, const char *why)
{
    snprintf(out->why, sizeof(out->why), "%s", why);
    return -EINVAL;
}

/* The address that an event gives, which no text shows but the mail. */
static int
address_of(const struct email *e, const struct il_template *of,
           struct il_batch *batch, uint32_t i, struct rendered *out,
           struct il_value *v)
{
    char lower[MAILBOX_ADDRESS_MAX + 1];
    int err = il_template_render(of, batch, i, v);
    if (err)
        return err;
    if (v->type != IL_STRING || !mailbox_is_address(v->str, v->len))
        return refuse(out, "a recipient that comes out is no address");
    for (size_t k = 0; k < v->len; k++)
        lower[k] = (char) tolower((unsigned char) v->str[k]);
    lower[v->len] = 0;
    return out_host_fits(e->options, lower)
               ? 0
               : refuse(out,
                        "a recipient that comes out is none of recipients");
}

static int
email_to(void *own, struct il_batch *batch, uint32_t i, struct rendered *out)
{
    const struct email *e = own;
    for (size_t k = 0; k < e->to_count; k++) {
        struct il_value v = { .str = e->to[k].is.address };
        int err = 0;
        if (e->to[k].of)
            err = address_of(e, e->to[k].of, batch, i, out, &v);
        else
            v.len = strlen(v.str);
        if (!err)
            err = il_text_reserve(e->host, out->text, v.len + 1);
        if (err)
            return err;
        memcpy(out->text->data + out->text->len, v.str, v.len);
        out->text->data[out->text->len + v.len] = 0;
        out->text->len += v.len + 1;
        out->to_count++;
    }
    return 0;
}

static int
put_people(const struct email *e, struct rendered *out)
{
    const struct il_host *host = e->host;
    struct il_text *text = out->text;
    int err = mime_put(host, text, "From: ");
    if (!err)
        err = mime_mailbox(host, text, e->from.name, e->from.address);
    size_t at = out->to_at;
    for (size_t k = 0; k < e->to_count && !err; k++) {
        char address[MAILBOX_ADDRESS_MAX + 1]; /* the text moves as it grows */
        snprintf(address, sizeof(address), "%s", text->data + at);
        at += strlen(address) + 1;
        err = mime_put(host, text, k ? ",\r\n " : "\r\nTo: ");
        if (!err)
            err = mime_mailbox(host, text, e->to[k].is.name, address);
    }
    return err ? err : mime_put(host, text, "\r\n");
}

/* What says which mail it is, and of what kind. */
static int
put_marks(const struct email *e, struct il_batch *batch, uint32_t i,
          struct rendered *out)
{
    char date[MIME_DATE_MAX];
    struct il_value received;
    if (!il_get(batch, i, e->received_at, &received)
        || received.type != IL_TIME)
        received.num.i = 0;
    mime_date(received.num.i, date);
    const int replayed = (il_batch_flags(batch, i) & IL_REPLAYED) != 0;
    const char *const parts[] = { "Date: ",
                                  date,
                                  "\r\nMessage-ID: <",
                                  out->id,
                                  e->place,
                                  ">\r\n",
                                  replayed ? "Webhook-Replay: true\r\n" : "",
                                  "Auto-Submitted: auto-generated\r\n"
                                  "MIME-Version: 1.0\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: "
                                  "quoted-printable\r\n"
                                  "\r\n" };
    int err = 0;
    for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]) && !err; k++)
        err = mime_put(e->host, out->text, parts[k]);
    return err;
}

static int
email_body(void *own, struct il_batch *batch, uint32_t i, struct rendered *out)
{
    const struct email *e = own;
    struct il_value subject, text;
    int err = words_make(&e->subject, batch, i, out, &subject);
    if (err == -EINVAL)
        return refuse(out, "the subject that comes out is empty");
    if (!err)
        err = words_make(&e->text, batch, i, out, &text);
    if (!err)
        err = put_people(e, out);
    if (!err)
        err = mime_header(e->host, out->text, "Subject", subject.str,
                          subject.len);
    if (!err)
        err = put_marks(e, batch, i, out);
    return err ? err : mime_body(e->host, out->text, text.str, text.len);
}

/* --- the answer ----------------------------------------------------------- */

/* A recipient whom the operator named is refused for every event, and what holds
 * him up holds up all; one whom the event named is the event's own matter. */
static void
judge_recipient(struct email *e, const struct transport_answer *a,
                struct out_meaning *m)
{
    if (a->recipient >= e->to_count)
        return;
    const struct recipient *r = &e->to[a->recipient];
    if (r->of && m->fate == OUT_LATER && a->status != 421) {
        m->about = BREAKER_OTHER;
    } else if (!r->of && m->fate == OUT_DEAD) {
        snprintf(e->why, sizeof(e->why), "takes no mail for %s", r->is.address);
        m->fate = OUT_PAUSE;
        m->why = e->why;
    }
}

static void
email_judge(void *own, const struct out_options *options,
            const struct transport_answer *a, struct il_text *scratch,
            struct out_meaning *m)
{
    struct email *e = own;
    const struct code *code = reply_code(a->stage, a->status);
    (void) options;
    (void) scratch;
    if (code)
        code_apply(code, m);
    if (a->stage == TRANSPORT_TO)
        judge_recipient(e, a, m);
}

static const struct out_kind email = {
    .speech = TRANSPORT_MAIL,
    .size = sizeof(struct email),
    .open = email_read,
    .close = email_close,
    .to = email_to,
    .body = email_body,
    .judge = email_judge,
};

static int
email_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    return out_open(host, conf, self, &email);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    OUT_DESTINATION,
    .name = "email.out",
    .version = "1.0",
    .summary = "Send events as mails.",
    .options = email_options,
    .open = email_open,
};

/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
transport_stage_word(enum transport_stage stage)
{
    return smtp_stage_word(stage);
}

int
transfer_new(const struct easy_options *options,
             const struct transport_request *r, struct transfer **out)
{
    char target[TRANSPORT_TARGET_MAX];
    *out = NULL;
    if (!r->timeout_ms
        || (!r->url_known && transport_target(TRANSPORT_MAIL, r->url, target)))
        return -EINVAL;
    const size_t keep = options->of.answer_max > TRANSPORT_BODY_MAX
                            ? options->of.answer_max
                            : TRANSPORT_BODY_MAX;
    struct transfer *t = calloc(1, sizeof(*t) + keep);
    if (!t)
        return -ENOMEM;
    t->keep = keep;
    t->options = options;
    t->body = r->body;
    t->len = r->len;
    t->timeout_ms = r->timeout_ms;
    t->done = r->done;
    t->arg = r->arg;
    t->url = strdup(r->url);
    int err = t->url ? smtp_take(&t->smtp, r) : -ENOMEM;
    if (err)
        transfer_free(t);
    else
        *out = t;
    return err;
}

void
transfer_free(struct transfer *t)
{
    if (!t)
        return;
    if (t->easy)
        curl_easy_cleanup(t->easy);
    smtp_free(&t->smtp);
    free(t->url);
    free(t);
}

void
transfer_keep(struct transfer *t, const char *bytes, size_t len)
{
    size_t room = 0;
    if (t->body_len < t->keep)
        room = t->keep - t->body_len;
    memcpy(t->kept + t->keep - room, bytes, len < room ? len : room);
    t->body_len += len;
}

int
transfer_begin(struct transfer *t)
{
    CURL *e = t->easy = easy_new(&t->call, t->options);
    if (!e)
        return -ENOMEM;
    smtp_set(e, &t->options->of);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) t->timeout_ms);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    /* All that copies comes last: the first that fails has no memory. */
    return smtp_begin(e, t) || curl_easy_setopt(e, CURLOPT_URL, t->url)
               ? -ENOMEM
               : 0;
}

static void
tell_error(struct transfer *t, CURLcode code, enum transport_class what,
           char out[EASY_ERROR_MAX])
{
    const enum transport_stage at = t->smtp.stage;
    if (what == TRANSPORT_CANCELLED || what == TRANSPORT_NO_MEMORY) {
        easy_words(what, "", out);
        return;
    }
    easy_error(&t->call, code, what, t->url, out);
    const size_t n = strlen(out);
    if (what != TRANSPORT_ADDRESS && at > TRANSPORT_GREETING)
        snprintf(out + n, EASY_ERROR_MAX - n, ", at %s", smtp_stage_word(at));
}

void
transfer_end(struct transfer *t, CURLcode code, int cancelled)
{
    char error[EASY_ERROR_MAX] = "", remote[TRANSPORT_REMOTE_MAX] = "";
    struct transport_answer a = { .error = error,
                                  .remote = remote,
                                  .body = "" };
    curl_off_t us = 0;
    if (t->easy) {
        curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &us);
        easy_remote(t->easy, remote);
    }
    a.ms = us / 1000;
    a.stage = t->smtp.stage;
    a.recipient = t->smtp.recipient - (t->smtp.recipient > 0);
    if (smtp_answered(&t->smtp)) {
        a.what = TRANSPORT_ANSWERED;
        a.status = t->smtp.code;
        a.body = t->kept;
        a.body_len = t->body_len < t->keep ? t->body_len : t->keep;
        a.whole = code == CURLE_OK && !cancelled && t->body_len <= t->keep;
    } else {
        a.what = cancelled ? TRANSPORT_CANCELLED
                           : easy_class(t->easy, &t->call, code);
        tell_error(t, code, a.what, error);
    }
    t->done(t->arg, &a);
}

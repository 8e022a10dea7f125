/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 32
#define NO_MESSAGE 10037
#define NO_STREAM 10059
#define HEADERS_ROOM 4096 /* of what a message may have: headers and subject */

/* --- connecting ------------------------------------------------------------ */

static int
fail(struct link *k, int outcome, const char *what, natsStatus s, int code)
{
    const char *more = nats_GetLastError(NULL);
    snprintf(k->why, sizeof(k->why), "%s: %s%s%s%s", what,
             natsStatus_GetText(s), more && *more ? " (" : "",
             more && *more ? more : "", more && *more ? ")" : "");
    if (code) {
        const size_t n = strlen(k->why);
        snprintf(k->why + n, sizeof(k->why) - n, " [%d]", code);
    }
    return outcome;
}

int
link_check_options(const struct il_conf *conf)
{
    static const char *const ways[] = { "credentials", "token", "user" };
    const char *first = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!il_conf_has(conf, ways[i]))
            continue;
        if (first)
            return il_conf_error(conf, ways[i], -1,
                                 "there is %s already: one of the two", first);
        first = ways[i];
    }
    if (il_conf_has(conf, "user") != il_conf_has(conf, "password"))
        return il_conf_error(conf,
                             il_conf_has(conf, "user") ? "user" : "password",
                             -1, "user and password belong together");
    const struct il_conf *tls = il_conf_group(conf, "tls", 0);
    if (tls && il_conf_has(tls, "certificate") != il_conf_has(tls, "key"))
        return il_conf_error(tls,
                             il_conf_has(tls, "key") ? "key" : "certificate",
                             -1, "certificate and key belong together");
    if (strpbrk(il_conf_str(conf, "stream"), " .*>/\\\t"))
        return il_conf_error(conf, "stream", -1,
                             "no blank and none of . * > / \\ may be in it");
    if (strpbrk(il_conf_str(conf, "subject"), " .*>\t"))
        return il_conf_error(conf, "subject", -1,
                             "one word, without a dot and without * and >");
    return 0;
}

static natsStatus
set_tls(natsOptions *o, const struct il_conf *tls)
{
    natsStatus s = natsOptions_SetSecure(o, true);
    if (s == NATS_OK && il_conf_has(tls, "ca"))
        s = natsOptions_LoadCATrustedCertificates(o, il_conf_str(tls, "ca"));
    if (s == NATS_OK && il_conf_has(tls, "certificate"))
        s = natsOptions_LoadCertificatesChain(
            o, il_conf_str(tls, "certificate"), il_conf_str(tls, "key"));
    return s;
}

static natsStatus
set_options(struct link *k, natsOptions *o)
{
    const struct il_conf *c = k->opt.conf;
    const char *servers[SERVERS_MAX];
    size_t n = 0;
    for (; n < il_conf_count(c, "servers") && n < SERVERS_MAX; n++)
        servers[n] = il_conf_str_at(c, "servers", n);
    natsStatus s = natsOptions_SetServers(o, servers, (int) n);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, k->opt.timeout_ms);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(o, false);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, il_lane(k->host));
    if (s == NATS_OK && il_conf_has(c, "credentials"))
        s = natsOptions_SetUserCredentialsFromFiles(
            o, il_conf_str(c, "credentials"), NULL);
    if (s == NATS_OK && il_conf_has(c, "user"))
        s = natsOptions_SetUserInfo(o, il_conf_str(c, "user"),
                                    il_conf_str(c, "password"));
    if (s == NATS_OK && il_conf_has(c, "token"))
        s = natsOptions_SetToken(o, il_conf_str(c, "token"));
    if (s == NATS_OK && il_conf_group(c, "tls", 0))
        s = set_tls(o, il_conf_group(c, "tls", 0));
    return s;
}

void
link_close(struct link *k)
{
    jsCtx_Destroy(k->js);
    natsConnection_Destroy(k->conn);
    k->js = NULL;
    k->conn = NULL;
}

static int
connect_now(struct link *k)
{
    natsOptions *o = NULL;
    jsOptions wait;
    natsStatus s = natsOptions_Create(&o);
    if (s == NATS_OK)
        s = set_options(k, o);
    if (s == NATS_OK)
        s = natsConnection_Connect(&k->conn, o);
    natsOptions_Destroy(o);
    if (s == NATS_OK) {
        jsOptions_Init(&wait);
        wait.Wait = k->opt.timeout_ms;
        s = natsConnection_JetStream(&k->js, k->conn, &wait);
    }
    if (s == NATS_OK) {
        k->max_payload = (size_t) natsConnection_GetMaxPayload(k->conn);
        return IL_OK;
    }
    const int outcome = s == NATS_CONNECTION_AUTH_FAILED
                                || s == NATS_INVALID_ARG || s == NATS_SSL_ERROR
                                || s == NATS_NOT_FOUND
                            ? IL_PAUSE
                            : IL_RETRY;
    fail(k, outcome, "connecting", s, 0);
    link_close(k);
    return outcome;
}

/* --- the stream ------------------------------------------------------------ */

/* What of its settings may lose what was acknowledged, or take it away. */
static const char *
flaw_of(const struct link *k, const jsStreamConfig *c, char *text, size_t size)
{
    if (c->Retention != js_LimitsPolicy)
        return "its retention is not limits";
    if (c->Discard != js_DiscardNew)
        return "it discards old messages: discard = new is needed";
    if (c->Storage != js_FileStorage)
        return "it keeps messages in memory";
    if (c->MaxMsgsPerSubject > 0)
        return "it has max_msgs_per_subject";
    if (c->MaxAge > 0)
        return "it has max_age, which takes messages away unread";
    if (c->NoAck)
        return "it does not acknowledge (no_ack)";
    if (!c->DenyDelete)
        return "messages can be deleted: deny_delete is needed";
    if (c->Mirror || c->Sealed)
        return "it is a mirror, or sealed";
    if (c->Replicas < (int64_t) k->opt.replicas) {
        snprintf(text, size, "it has %" PRId64 " replicas, not %u", c->Replicas,
                 k->opt.replicas);
        return text;
    }
    return NULL;
}

static int
create(struct link *k)
{
    char subject[128];
    const char *subjects[] = { subject };
    jsStreamConfig c;
    jsErrCode code = 0;
    snprintf(subject, sizeof(subject), "%s.>", k->opt.subject);
    jsStreamConfig_Init(&c);
    c.Name = k->opt.stream;
    c.Subjects = subjects;
    c.SubjectsLen = 1;
    c.Discard = js_DiscardNew;
    c.DenyDelete = true;
    c.Replicas = k->opt.replicas;
    natsStatus s = js_AddStream(NULL, k->js, &c, NULL, &code);
    if (s == NATS_OK)
        il_log(k->host, IL_LOG_INFO, "made the stream %s for %s", k->opt.stream,
               subject);
    return s == NATS_OK ? IL_OK
                        : fail(k, IL_RETRY, "making the stream", s, code);
}

static int
check_stream(struct link *k)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    char text[80];
    natsStatus s = js_GetStreamInfo(&info, k->js, k->opt.stream, NULL, &code);
    if (s != NATS_OK && code == NO_STREAM) {
        if (k->opt.create)
            return create(k);
        snprintf(k->why, sizeof(k->why),
                 "there is no stream %s; create = true makes it",
                 k->opt.stream);
        return IL_PAUSE;
    }
    if (s != NATS_OK)
        return fail(k, IL_RETRY, "asking for the stream", s, code);
    const char *flaw = flaw_of(k, info->Config, text, sizeof(text));
    if (flaw)
        snprintf(k->why, sizeof(k->why), "the stream %s will not do: %s",
                 k->opt.stream, flaw);
    jsStreamInfo_Destroy(info);
    return flaw ? IL_PAUSE : IL_OK;
}

int
link_ready(struct link *k, int *anew)
{
    *anew = 0;
    if (k->conn && natsConnection_Status(k->conn) == NATS_CONN_STATUS_CONNECTED)
        return IL_OK;
    link_close(k);
    int outcome = connect_now(k);
    if (!outcome && (outcome = check_stream(k)))
        link_close(k);
    *anew = !outcome;
    return outcome;
}

/* --- messages -------------------------------------------------------------- */

static int
header(natsMsg *m, const char *name, uint64_t max, uint64_t *out)
{
    const char *text = NULL;
    return natsMsgHeader_Get(m, name, &text) == NATS_OK
           && bundle_number(text, max, out);
}

static int
read_headers(natsMsg *m, struct link_last *out)
{
    const char *spool = NULL, *lane = NULL;
    uint64_t format, set_backs;
    if (!header(m, "Il-Format", UINT32_MAX, &format) || format != BUNDLE_FORMAT
        || !header(m, "Il-Set-Backs", UINT32_MAX, &set_backs)
        || !header(m, "Il-First", UINT64_MAX, &out->said.first)
        || !header(m, "Il-Last", UINT64_MAX, &out->said.last)
        || !header(m, "Il-Prev", UINT64_MAX, &out->said.prev)
        || natsMsgHeader_Get(m, "Il-Spool", &spool) != NATS_OK
        || natsMsgHeader_Get(m, "Il-Lane", &lane) != NATS_OK)
        return 0;
    out->said.set_backs = (uint32_t) set_backs;
    snprintf(out->said.spool, sizeof(out->said.spool), "%s", spool);
    snprintf(out->lane, sizeof(out->lane), "%s", lane);
    return 1;
}

int
link_last(struct link *k, const char *subject, struct link_last *out)
{
    natsMsg *m = NULL;
    jsErrCode code = 0;
    memset(out, 0, sizeof(*out));
    natsStatus s =
        js_GetLastMsg(&m, k->js, k->opt.stream, subject, NULL, &code);
    if (s != NATS_OK && code == NO_MESSAGE)
        return IL_OK;
    if (s != NATS_OK) {
        const int outcome =
            fail(k, IL_RETRY, "asking for the last message", s, code);
        link_close(k);
        return outcome;
    }
    out->seq = natsMsg_GetSequence(m);
    const int ours = read_headers(m, out);
    natsMsg_Destroy(m);
    if (ours)
        return IL_OK;
    snprintf(k->why, sizeof(k->why),
             "message %" PRIu64 " of %s is none of ours: somebody else "
             "publishes there",
             out->seq, subject);
    return IL_PAUSE;
}

static natsStatus
set_number(natsMsg *m, const char *name, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, n);
    return natsMsgHeader_Set(m, name, text);
}

static natsStatus
set_headers(natsMsg *m, const char *lane, const struct bundle_said *said)
{
    natsStatus s = set_number(m, "Il-Format", BUNDLE_FORMAT);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Il-Spool", said->spool);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Il-Lane", lane);
    if (s == NATS_OK)
        s = set_number(m, "Il-Set-Backs", said->set_backs);
    if (s == NATS_OK)
        s = set_number(m, "Il-First", said->first);
    if (s == NATS_OK)
        s = set_number(m, "Il-Last", said->last);
    return s == NATS_OK ? set_number(m, "Il-Prev", said->prev) : s;
}

int
link_publish(struct link *k, const char *subject, const char *lane,
             const struct bundle_said *said, const char *data, size_t len,
             uint64_t *seq)
{
    natsMsg *m = NULL;
    jsPubAck *ack = NULL;
    jsPubOptions o;
    jsErrCode code = 0;
    jsPubOptions_Init(&o);
    o.ExpectStream = k->opt.stream;
    o.ExpectLastSubjectSeq = *seq;
    o.ExpectNoMessage = !*seq;
    natsStatus s = natsMsg_Create(&m, subject, NULL, data, (int) len);
    if (s == NATS_OK)
        s = set_headers(m, lane, said);
    if (s == NATS_OK)
        s = js_PublishMsg(&ack, k->js, m, &o, &code);
    natsMsg_Destroy(m);
    /* A duplicate is of a message id, and we give none. */
    const int taken = s == NATS_OK && !ack->Duplicate;
    if (taken)
        *seq = ack->Sequence;
    jsPubAck_Destroy(ack);
    if (taken)
        return IL_OK;
    fail(k, IL_RETRY, "publishing", s, code);
    if (!code) /* the answer may come yet, to nobody */
        link_close(k);
    return IL_RETRY;
}

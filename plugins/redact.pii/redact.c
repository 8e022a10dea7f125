/* SPDX-License-Identifier: MIT */
/* redact.pii: take personal data out of what goes on from here.
 *
 * Fields are named, or what is in any text of the payload is found.  An event
 * in which nothing is found is left as it is, untouched; else its payload is
 * written anew, with every other value as it was, numbers digit for digit. */
#include <ingestlayer/plugin.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"

#define PATH_TEXT 1100 /* a path of 1 KiB, and what is before it */
#define NUMBER_TEXT 24 /* "-9223372036854775808" and a NUL */
#define KEY_MIN 16     /* bytes: what is shorter can be tried out */
#define HASH_BYTES 32

enum how { HOW_MASK, HOW_HASH, HOW_REMOVE };

struct field {
    struct il_field *field;
    struct il_place *place;
    enum how how;
};

struct redact {
    const struct il_host *host;
    struct field *fields;
    struct il_field *whole; /* the payload */
    size_t field_count;
    unsigned detect;       /* kinds */
    enum how how;          /* of what is found */
    gnutls_hmac_hd_t hmac; /* with the key in it; NULL: nothing is hashed */
    struct il_text *payload, *text; /* that are being made */
    struct il_counter *redacted;
    uint64_t count; /* of this batch */
};

static const struct il_option field_options[] = {
    { .name = "path",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Path of a field of the payload; of an object or array, all "
              "values in it." },
    { .name = "how",
      .type = IL_OPT_STRING,
      .choices = "mask|hash|remove",
      .help = "What becomes of this field; without it, as the step's." },
    IL_OPTIONS_END
};

static const struct il_option redact_options[] = {
    { .name = "fields",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_SHORT,
      .children = field_options,
      .help = "Fields whose values are personal data." },
    { .name = "detect",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .choices = "email|phone|ip|card|iban",
      .help = "What is looked for in all texts of the payload." },
    { .name = "how",
      .type = IL_OPT_STRING,
      .def = "mask",
      .choices = "mask|hash|remove",
      .help = "What becomes of it: shown in part, replaced by its "
              "HMAC-SHA-256, or taken out." },
    { .name = "key",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "Secret that hashes are made with, 16 bytes or more." },
    IL_OPTIONS_END
};

/* --- open and close -------------------------------------------------------- */

static void
pii_close(void *self)
{
    struct redact *r = self;
    for (size_t i = 0; r->fields && i < r->field_count; i++) {
        il_field_free(r->host, r->fields[i].field);
        il_place_free(r->host, r->fields[i].place);
    }
    free(r->fields);
    il_field_free(r->host, r->whole);
    if (r->hmac)
        gnutls_hmac_deinit(r->hmac, NULL);
    il_text_free(r->host, r->payload);
    il_text_free(r->host, r->text);
    free(r);
}

static enum how
how_of(const struct il_conf *conf, enum how otherwise)
{
    const char *how = il_conf_str(conf, "how");
    return !how                     ? otherwise
           : !strcmp(how, "hash")   ? HOW_HASH
           : !strcmp(how, "remove") ? HOW_REMOVE
                                    : HOW_MASK;
}

static int
open_field(struct redact *r, const struct il_conf *conf, size_t i)
{
    const struct il_conf *group = il_conf_group(conf, "fields", i);
    struct field *f = &r->fields[i];
    const char *path = il_conf_str(group, "path");
    char text[PATH_TEXT];
    f->how = how_of(group, r->how);
    int err = il_place_from(r->host, group, "path", &f->place);
    if (err)
        return err;
    const char *root = *path == '$'   ? ""
                       : *path == '[' ? "$event.payload"
                                      : "$event.payload.";
    int n = snprintf(text, sizeof text, "%s%s", root, path);
    if (n < 0 || n >= PATH_TEXT
        || il_field_parse(r->host, NULL, NULL, 0, -1, text, (size_t) n,
                          &f->field))
        return il_conf_error(group, "path", -1, "this path is too long");
    return 0;
}

static int
open_fields(struct redact *r, const struct il_conf *conf)
{
    int err = 0, each;
    r->field_count = il_conf_count(conf, "fields");
    r->fields = calloc(r->field_count + 1, sizeof *r->fields);
    if (!r->fields)
        return -ENOMEM;
    for (size_t i = 0; i < r->field_count; i++)
        if ((each = open_field(r, conf, i)))
            err = each;
    return err;
}

static void
open_detect(struct redact *r, const struct il_conf *conf)
{
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = { { "email", PII_EMAIL },
                  { "phone", PII_PHONE },
                  { "ip", PII_IP },
                  { "card", PII_CARD },
                  { "iban", PII_IBAN } };
    for (size_t i = 0; i < il_conf_count(conf, "detect"); i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (!strcmp(il_conf_str_at(conf, "detect", i), kinds[k].name))
                r->detect |= kinds[k].kind;
}

static int
hashes(const struct redact *r)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (r->fields[i].how == HOW_HASH)
            return 1;
    return r->detect && r->how == HOW_HASH;
}

static int
open_key(struct redact *r, const struct il_conf *conf)
{
    const char *key = il_conf_str(conf, "key");
    if (!hashes(r))
        return key ? il_conf_error(conf, "key", -1,
                                   "nothing is hashed that it would be for")
                   : 0;
    if (!key)
        return il_conf_error(conf, "how", -1,
                             "\"hash\" needs a key, a secret of %d bytes or "
                             "more, as in key = \"credential:pii_key\"",
                             KEY_MIN);
    if (strlen(key) < KEY_MIN)
        return il_conf_error(conf, "key", -1,
                             "this is shorter than %d bytes, and could be "
                             "found by trying",
                             KEY_MIN);
    if (gnutls_hmac_init(&r->hmac, GNUTLS_MAC_SHA256, key, strlen(key)) < 0) {
        r->hmac = NULL;
        return il_conf_error(conf, "key", -1, "GnuTLS has no HMAC-SHA-256");
    }
    return 0;
}

static int
pii_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct redact *r = calloc(1, sizeof *r);
    if (!r)
        return il_conf_error(conf, NULL, -1, "out of memory");
    r->host = host;
    r->how = how_of(conf, HOW_MASK);
    r->redacted = il_counter_new(host, "redacted", IL_UNIT_NONE,
                                 "Values and pieces of text that were masked, "
                                 "hashed or removed.");
    r->payload = il_text_new(host);
    r->text = il_text_new(host);
    int err = r->payload && r->text ? 0 : -ENOMEM;
    if (!err)
        err = il_field_named(host, IL_FIELD_ANY, "payload", &r->whole);
    if (!err)
        err = open_fields(r, conf);
    open_detect(r, conf);
    if (!err && !r->field_count && !r->detect)
        err = il_conf_error(conf, NULL, -1,
                            "it changes nothing: write fields or detect");
    if (!err)
        err = open_key(r, conf);
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        pii_close(r);
        return err;
    }
    *self = r;
    return 0;
}

/* --- texts ----------------------------------------------------------------- */

static int
append(struct redact *r, const char *bytes, size_t len)
{
    if (il_text_reserve(r->host, r->text, len))
        return -ENOMEM;
    memcpy(r->text->data + r->text->len, bytes, len);
    r->text->len += len;
    return 0;
}

static int
append_hash(struct redact *r, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES];
    if (gnutls_hmac(r->hmac, bytes, len) < 0)
        return -ENOMEM;
    gnutls_hmac_output(r->hmac, hash);
    for (size_t i = 0; i < HASH_BYTES; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    return append(r, hex, sizeof hex);
}

/* What stands for a piece of a text; kind 0: a value of which nothing is
 * known. */
static int
append_redacted(struct redact *r, enum how how, unsigned kind, const char *p,
                size_t len)
{
    r->count++;
    if (how == HOW_REMOVE)
        return 0;
    if (!kind)
        return how == HOW_MASK ? append(r, "***", 3) : append_hash(r, p, len);
    if (il_text_reserve(r->host, r->text, PII_ROOM(len)))
        return -ENOMEM;
    char *room = r->text->data + r->text->len;
    if (how == HOW_MASK) {
        r->text->len += pii_mask(kind, p, len, room);
        return 0;
    }
    /* The plain form stands where its hash will, which is made of it first. */
    return append_hash(r, room, pii_plain(kind, p, len, room));
}

/* A text without what is found in it: r->text.  1, 0: there is nothing, and it
 * is not made, or -ENOMEM. */
static int
search(struct redact *r, const char *p, size_t len)
{
    struct pii found;
    size_t from = 0;
    int err = 0;
    r->text->len = 0;
    while (!err && pii_find(r->detect, p, len, from, &found)) {
        err = append(r, p + from, found.at - from);
        if (!err)
            err =
                append_redacted(r, r->how, found.kind, p + found.at, found.len);
        from = found.at + found.len;
    }
    if (err || !from)
        return err;
    err = append(r, p + from, len - from);
    return err ? err : 1;
}

/* A number as its sender wrote it. */
static struct il_value
text_of(const struct il_value *v, char room[NUMBER_TEXT])
{
    struct il_value text = { IL_STRING, 0, { 0 }, v->str, v->len };
    int n = 0;
    if (v->type == IL_INT)
        n = snprintf(room, NUMBER_TEXT, "%lld", (long long) v->num.i);
    else if (v->type == IL_UINT)
        n = snprintf(room, NUMBER_TEXT, "%llu", (unsigned long long) v->num.u);
    else if (v->type == IL_BOOL)
        n = snprintf(room, NUMBER_TEXT, "%s", v->num.i ? "true" : "false");
    else
        return text;
    text.str = room;
    text.len = (size_t) n;
    return text;
}

/* --- payloads -------------------------------------------------------------- */

static int
is_container(const struct il_value *v)
{
    return v->type == IL_MAP || v->type == IL_ARRAY;
}

/* May something be found in it?  Of numbers only cards are. */
static int
is_searched(const struct redact *r, const struct il_value *v)
{
    return v->type == IL_STRING
           || ((v->type == IL_INT || v->type == IL_UINT)
               && r->detect & PII_CARD);
}

/* 1: there is something in it, 0 or -ENOMEM. */
static int
holds(struct redact *r, const struct il_value *v)
{
    struct il_value key, value;
    char room[NUMBER_TEXT];
    struct pii found;
    size_t at = 0;
    int rc = 0;
    if (is_searched(r, v)) {
        struct il_value text = text_of(v, room);
        return pii_find(r->detect, text.str, text.len, 0, &found);
    }
    while (is_container(v) && !rc && il_item(r->host, v, &at, &key, &value))
        rc = holds(r, &value);
    return rc;
}

static int
write_text(struct redact *r)
{
    struct il_value v = { IL_STRING, 0, { 0 }, r->text->data, r->text->len };
    if (!v.str)
        v.str = "";
    return il_write_msgpack(r->host, r->payload, &v);
}

static int rewrite(struct redact *, const struct il_value *,
                   int (*leaf)(struct redact *, const struct il_value *,
                               const struct field *),
                   const struct field *);

static int
rewrite_items(struct redact *r, const struct il_value *v,
              int (*leaf)(struct redact *, const struct il_value *,
                          const struct field *),
              const struct field *f)
{
    struct il_value head = { v->type, v->count, { 0 }, NULL, 0 }, key, value;
    size_t at = 0;
    int err = il_write_msgpack(r->host, r->payload, &head);
    while (!err && il_item(r->host, v, &at, &key, &value)) {
        if (v->type == IL_MAP)
            err = il_write_msgpack(r->host, r->payload, &key);
        if (!err)
            err = rewrite(r, &value, leaf, f);
    }
    return err;
}

/* A value with each leaf written by a function.  The gate bounds its depth. */
static int
rewrite(struct redact *r, const struct il_value *v,
        int (*leaf)(struct redact *, const struct il_value *,
                    const struct field *),
        const struct field *f)
{
    return is_container(v) ? rewrite_items(r, v, leaf, f) : leaf(r, v, f);
}

static int
write_searched(struct redact *r, const struct il_value *v,
               const struct field *f)
{
    char room[NUMBER_TEXT];
    (void) f;
    if (!is_searched(r, v))
        return il_write_msgpack(r->host, r->payload, v);
    struct il_value text = text_of(v, room);
    int rc = search(r, text.str, text.len);
    return rc < 0 ? rc
           : rc   ? write_text(r)
                  : il_write_msgpack(r->host, r->payload, v);
}

/* A value of a field that is personal as a whole. */
static int
write_redacted(struct redact *r, const struct il_value *v,
               const struct field *f)
{
    char room[NUMBER_TEXT];
    if (v->type == IL_NULL)
        return il_write_msgpack(r->host, r->payload, v);
    struct il_value text = text_of(v, room);
    r->text->len = 0;
    int err = append_redacted(r, f->how, pii_whole(text.str, text.len),
                              text.str, text.len);
    return err ? err : write_text(r);
}

/* --- events ---------------------------------------------------------------- */

/* An object or array with all that is in it redacted: written to r->payload, of
 * which *out is a view. */
static int
redact_items(struct redact *r, const struct il_value *v, const struct field *f,
             struct il_value *out)
{
    struct il_value head = { v->type, v->count, { 0 }, NULL, 0 };
    r->payload->len = 0;
    int err = il_write_msgpack(r->host, r->payload, &head);
    const size_t items = r->payload->len;
    r->payload->len = 0;
    if (!err)
        err = rewrite_items(r, v, write_redacted, f);
    *out = head;
    if (!err) {
        out->str = r->payload->data + items;
        out->len = r->payload->len - items;
    }
    return err;
}

static int
redact_field(struct redact *r, struct il_batch *batch, uint32_t i,
             const struct field *f)
{
    struct il_value v, text, items;
    char room[NUMBER_TEXT];
    if (!il_get(batch, i, f->field, &v))
        return 0;
    if (f->how == HOW_REMOVE) {
        r->count++;
        int rc = il_remove(batch, i, f->place);
        return rc < 0 ? rc : 0;
    }
    if (v.type == IL_NULL)
        return 0;
    if (is_container(&v)) {
        int err = v.count ? redact_items(r, &v, f, &items) : 0;
        return err || !v.count ? err : il_set(batch, i, f->place, &items);
    }
    text = text_of(&v, room);
    r->text->len = 0;
    int err = append_redacted(r, f->how, pii_whole(text.str, text.len),
                              text.str, text.len);
    return err ? err
               : il_set_str(batch, i, f->place, r->text->data, r->text->len);
}

static int
redact_found(struct redact *r, struct il_batch *batch, uint32_t i)
{
    struct il_value payload;
    if (!il_get(batch, i, r->whole, &payload))
        return 0;
    int rc = holds(r, &payload);
    if (rc <= 0)
        return rc;
    r->payload->len = 0;
    rc = rewrite(r, &payload, write_searched, NULL);
    return rc ? rc
              : il_set_payload(batch, i, IL_MSGPACK, r->payload->data,
                               r->payload->len);
}

static int
pii_process(void *self, struct il_batch *batch)
{
    struct redact *r = self;
    uint32_t count = il_batch_count(batch);
    int err = 0;
    r->count = 0;
    for (uint32_t i = 0; i < count && !err; i++) {
        for (size_t k = 0; k < r->field_count && !err && il_live(batch, i); k++)
            err = redact_field(r, batch, i, &r->fields[k]);
        if (r->detect && !err && il_live(batch, i))
            err = redact_found(r, batch, i);
    }
    if (!err)
        il_counter_add(r->host, r->redacted, r->count);
    return err;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .flags = IL_REDACTS,
    .name = "redact.pii",
    .version = "1.0",
    .summary = "Mask, hash or remove personal data.",
    .options = redact_options,
    .open = pii_open,
    .process = pii_process,
    .close = pii_close,
};

/* SPDX-License-Identifier: MIT */
/* What webhook.in reads before it knows who sent it: signature headers, times
 * and forms, and the forms that Twilio signs.  The first byte says which. */
#include "../../plugins/webhook.in/form.c"
#include "../../plugins/webhook.in/signature.c"

#include "fuzz.h"
#include "base/api.h"
#include "host/api.h"

#include <strings.h>

/* All of a host that is needed to make texts. */
static struct il_host *
host(void)
{
    static struct {
        const struct il_api *api;
    } made;
    if (!made.api) {
        host_api_init();
        made.api = api_table();
    }
    return (struct il_host *) (void *) &made;
}

static const struct signature_form forms[] = {
    { .split = ", ", .prefix = "sha256=", .prefix_optional = 1, .size = 32 },
    { .split = ", ", .prefix = "v1=", .timestamp_prefix = "t=", .size = 32 },
    { .split = " ",
      .prefix = "v1,",
      .public_prefix = "v1a,",
      .encoding = SIGNATURE_BASE64,
      .size = 32 },
    { .split = ", ", .prefix = "", .encoding = SIGNATURE_BASE64, .size = 64 },
    /* Paddle, PagerDuty, and Twilio with HubSpot and Zendesk */
    { .split = SIGNATURE_SPLIT,
      .prefix = "h1=",
      .timestamp_prefix = "ts=",
      .size = 32 },
    { .split = SIGNATURE_SPLIT, .prefix = "v1=", .size = 32 },
    { .split = SIGNATURE_SPLIT,
      .prefix = "",
      .encoding = SIGNATURE_BASE64,
      .size = 20 },
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* Between 1969-12-31 and the year 10000, for zones move what they are of. */
static void
time_of(const char *text, size_t len)
{
    int64_t us;
    if (signature_time(text, len, &us) == 0)
        CLAIM(us >= INT64_C(-86400000000) && us < INT64_C(253402387200000000));
}

static void
header(const struct signature_form *form, const char *text, size_t len)
{
    struct signatures got;
    size_t item_len = 0;
    int err = signature_read(form, text, &got);
    CLAIM(got.count <= SIGNATURE_MAX);
    CLAIM(err || got.count);
    for (size_t i = 0; i < got.count; i++)
        CLAIM(!got.at[i].is_public || form->public_prefix);
    if (got.timestamp) {
        CLAIM(got.timestamp >= text
              && got.timestamp + got.timestamp_len <= text + len);
        time_of(got.timestamp, got.timestamp_len);
    }
    const char *item = signature_item(form, text, "n=", &item_len);
    CLAIM(!item || (item >= text && item + item_len <= text + len));
}

/* What is decoded never outgrows its buffer, and hex can be written back. */
static void
decoded(const char *text, size_t len)
{
    unsigned char *out = malloc(len + 1);
    long n = signature_unbase64(text, len, out, len);
    CLAIM(n <= (long) (len * 3 / 4 + 1));
    n = signature_unhex(text, len, out, len / 2);
    CLAIM(n == -EINVAL || (size_t) n * 2 == len);
    for (long i = 0; i < n; i++) {
        char pair[3];
        snprintf(pair, sizeof(pair), "%02x", out[i]);
        CLAIM(!strncasecmp(pair, text + 2 * i, 2));
    }
    free(out);
}

/* A form is JSON that the gate takes, unless a name comes twice in what a
 * field "payload" holds; and it is an object. */
static void
form(const char *text, size_t len)
{
    struct il_text *json = il_text_new(host()), *read = il_text_new(host());
    struct il_value v;
    int err = form_to_json(host(), text, len, json);
    CLAIM(err == 0 || err == -E2BIG);
    if (!err) {
        CLAIM(il_read_json(host(), read, json->data, json->len, &v) == 0);
        CLAIM(v.type == IL_MAP);
    }
    il_text_free(host(), json);
    il_text_free(host(), read);
}

/* It never outgrows what it is made of, whatever the order of the fields. */
static void
sorted(const char *text, size_t len)
{
    struct il_text *out = il_text_new(host());
    int err = form_sorted(host(), text, len, out);
    CLAIM(err == 0 || err == -E2BIG);
    CLAIM(out->len <= 3 * len);
    CLAIM(err || out->data);
    il_text_free(host(), out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    /* with a NUL behind it, in memory of just that size */
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    const size_t which = *data % (FORMS + 4);
    if (which < FORMS)
        header(&forms[which], text, strlen(text));
    else if (which == FORMS)
        decoded(text, size - 1);
    else if (which == FORMS + 1)
        form(text, size - 1);
    else if (which == FORMS + 2)
        sorted(text, size - 1);
    else
        time_of(text, size - 1);
    free(text);
    return 0;
}

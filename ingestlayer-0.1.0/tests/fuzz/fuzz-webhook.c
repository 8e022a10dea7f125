/* SPDX-License-Identifier: MIT */
/* What webhook.in reads before it knows who sent it: signature headers, times
 * and forms.  The first byte says which. */
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
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

static void
header(const struct signature_form *form, const char *text, size_t len)
{
    struct signatures got;
    int64_t seconds;
    int err = signature_read(form, text, &got);
    CLAIM(got.count <= SIGNATURE_MAX);
    CLAIM(err || got.count);
    for (size_t i = 0; i < got.count; i++)
        CLAIM(!got.at[i].is_public || form->public_prefix);
    if (got.timestamp) {
        CLAIM(got.timestamp >= text
              && got.timestamp + got.timestamp_len <= text + len);
        if (signature_time(got.timestamp, got.timestamp_len, &seconds) == 0)
            CLAIM(seconds >= 0 && seconds < INT64_C(1000000000000));
    }
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    /* with a NUL behind it, in memory of just that size */
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (*data % (FORMS + 2) < FORMS)
        header(&forms[*data % (FORMS + 2)], text, strlen(text));
    else if (*data % (FORMS + 2) == FORMS)
        decoded(text, size - 1);
    else
        form(text, size - 1);
    free(text);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
text_reserve(struct il_text *t, size_t more)
{
    if (t->cap - t->len > more)
        return 0;
    if (more > SIZE_MAX / 4 || t->len > SIZE_MAX / 4)
        return -ENOMEM;
    size_t need = t->len + more + 1, cap = t->cap ? t->cap * 2 : 256;
    if (cap < need)
        cap = need;
    char *data = realloc(t->data, cap);
    if (!data)
        return -ENOMEM;
    t->data = data;
    t->cap = cap;
    return 0;
}

int
text_put(struct il_text *t, const void *bytes, size_t len)
{
    if (text_reserve(t, len))
        return -ENOMEM;
    if (len)
        memcpy(t->data + t->len, bytes, len);
    t->len += len;
    return 0;
}

int
text_puts(struct il_text *t, const char *string)
{
    return text_put(t, string, strlen(string));
}

int
text_putc(struct il_text *t, char c)
{
    return text_put(t, &c, 1);
}

int
text_vprintf(struct il_text *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    int err = n < 0 ? -ENOMEM : text_reserve(t, (size_t) n);
    if (!err) {
        vsnprintf(t->data + t->len, (size_t) n + 1, fmt, again);
        t->len += (size_t) n;
    }
    va_end(again);
    return err;
}

int
text_printf(struct il_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = text_vprintf(t, fmt, ap);
    va_end(ap);
    return err;
}

const char *
text_str(struct il_text *t)
{
    if (!t->data || t->len == t->cap)
        return t->data && !text_reserve(t, 1) ? (t->data[t->len] = 0, t->data)
                                              : "";
    t->data[t->len] = 0;
    return t->data;
}

void
text_clear(struct il_text *t)
{
    free(t->data);
    *t = (struct il_text){ 0 };
}

struct il_text *
text_new(void)
{
    return calloc(1, sizeof(struct il_text));
}

void
text_free(struct il_text *t)
{
    if (t)
        text_clear(t);
    free(t);
}

/* SPDX-License-Identifier: MIT */
/* Patterns of origins, and origins: two lines.  What fits a pattern begins with
 * its scheme and has its host, whole or after a dot, right before the port or
 * the end. */
#include "fuzz.h"
#include "http/origin.h"

#include <stdlib.h>
#include <string.h>

/* An origin has no place for what would mean another host to a browser. */
static void
check_fit(const struct origin_pattern *p, const char *origin)
{
    const char *host = p->text + p->scheme_len + 3;
    size_t len = p->host_len;
    CLAIM(!strncmp(origin, p->text, p->scheme_len + 3));
    const char *rest = origin + p->scheme_len + 3;
    CLAIM(!strpbrk(rest, "/?#@\\% \t*"));
    size_t end = *rest == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":");
    if (p->below) {
        host++;
        len--;
        CLAIM(end > len);
    } else {
        CLAIM(end == len);
    }
    CLAIM(!memcmp(rest + end - len, host, len));
    CLAIM(p->any_port || !strcmp(rest + end, host + len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct origin_pattern p;
    char *text = malloc(size + 1);
    CLAIM(text);
    memcpy(text, data, size);
    text[size] = 0;
    char *origin = strchr(text, '\n');
    if (origin) {
        *origin++ = 0;
        if (!http_origin_compile(text, &p) && http_origin_fits(&p, origin)
            && !p.all)
            check_fit(&p, origin);
    }
    free(text);
    return 0;
}

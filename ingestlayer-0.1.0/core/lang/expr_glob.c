/* SPDX-License-Identifier: MIT */
#include "expr_private.h"

#include <string.h>

int
expr_glob_match(struct slice glob, struct slice text)
{
    size_t g = 0, t = 0, star = SIZE_MAX, again = 0;
    while (t < text.len) {
        if (g < glob.len && glob.ptr[g] == '*') {
            star = ++g;
            again = t;
        } else if (g < glob.len && glob.ptr[g] == text.ptr[t]) {
            g++;
            t++;
        } else if (star == SIZE_MAX) {
            return 0;
        } else {
            /* Only the last star is ever tried again: what the ones before
             * it took can stay as short as it is. */
            g = star;
            t = ++again;
        }
    }
    while (g < glob.len && glob.ptr[g] == '*')
        g++;
    return g == glob.len;
}

void
expr_glob_prepare(struct slice whole, struct glob *out)
{
    const char *star = memchr(whole.ptr, '*', whole.len);
    memset(out, 0, sizeof *out);
    out->whole = whole;
    if (!star)
        return;
    out->before = slice_of(whole.ptr, (size_t) (star - whole.ptr));
    out->after = slice_of(star + 1, whole.len - out->before.len - 1);
    out->simple = !memchr(out->after.ptr, '*', out->after.len);
}

/* Most texts differ in the first byte, which needs no call. */
static inline int
same(const char *a, const char *b, size_t len)
{
    return len == 0 || (*a == *b && memcmp(a, b, len) == 0);
}

int
expr_glob_holds(const struct glob *g, struct folded text)
{
    if (text.fold)
        return fold_glob(g->whole, text);
    if (!g->simple)
        return expr_glob_match(g->whole, text.s);
    size_t before = g->before.len, after = g->after.len;
    return text.s.len >= before + after
           && same(g->before.ptr, text.s.ptr, before)
           && same(g->after.ptr, text.s.ptr + text.s.len - after, after);
}

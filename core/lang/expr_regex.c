/* SPDX-License-Identifier: MIT */
/* Regular expressions: PCRE2, kept on a short lead.
 *
 * PCRE2 backtracks, and its own limit counts per starting point, so that alone
 * it does not bound a search.  Three limits together do: on the length of the
 * text, on the steps per starting point, and on memory.  Of a text that runs
 * into one of them it is not known whether it matches, and "not" makes no pass
 * of that: the event has no answer. */
#include "config.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "expr_private.h"

#include <errno.h>
#include <string.h>

/* A pattern such as \s+$ takes time by the square of the text: a fifth of a
 * second at this length, and sixteen times that at four times the length. */
#define TEXT_MAX 16384   /* bytes searched */
#define STEPS_MAX 100000 /* from one starting point; several times the text */
#define DEPTH_MAX 100000
#define HEAP_MAX 4096 /* KiB */
#define JIT_STACK_MAX 262144
#define PATTERN_MAX 8192 /* bytes */

struct regex {
    struct regex *next;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* Newer ones match around bytes that are not UTF-8 (events may hold lone
 * surrogates); older ones refuse such a text as a whole. */
#ifdef PCRE2_MATCH_INVALID_UTF
#define UTF_OPTIONS (PCRE2_UTF | PCRE2_MATCH_INVALID_UTF)
#else
#define UTF_OPTIONS PCRE2_UTF
#endif

static int
regex_prepare(struct regex *r)
{
    r->data = pcre2_match_data_create(1, NULL);
    r->context = pcre2_match_context_create(NULL);
    if (!r->data || !r->context)
        return -ENOMEM;
    pcre2_set_match_limit(r->context, STEPS_MAX);
    pcre2_set_depth_limit(r->context, DEPTH_MAX);
    pcre2_set_heap_limit(r->context, HEAP_MAX);
    /* Where the system forbids making code, the interpreter does the same. */
    if (pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0) {
        r->stack = pcre2_jit_stack_create(16384, JIT_STACK_MAX, NULL);
        if (!r->stack)
            return -ENOMEM;
        pcre2_jit_stack_assign(r->context, NULL, r->stack);
    }
    return 0;
}

int
expr_regex_compile(struct pool *pool, struct slice pattern, struct regex **out,
                   struct lang_error *error)
{
    /* "$" is the end and nothing else: a line end after it would let through
     * what the pattern was to keep out. */
    const uint32_t options =
        UTF_OPTIONS | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
    PCRE2_UCHAR why[160];
    PCRE2_SIZE at;
    int code;
    if (pattern.len > PATTERN_MAX)
        return lang_fail(error, 0, "a regular expression has at most %d bytes",
                         PATTERN_MAX);
    struct regex *r = expr_pool_alloc(pool, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->next = pool->regexes;
    pool->regexes = r;
    r->code = pcre2_compile((PCRE2_SPTR) pattern.ptr, pattern.len, options,
                            &code, &at, NULL);
    if (!r->code && code == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    if (!r->code) {
        pcre2_get_error_message(code, why, sizeof why);
        return lang_fail(error, at, "bad regular expression: %s", why);
    }
    *out = r;
    return regex_prepare(r);
}

int
expr_regex_search(struct regex *r, struct slice text)
{
    if (text.len > TEXT_MAX)
        return -E2BIG;
    int rc = pcre2_match(r->code, (PCRE2_SPTR) text.ptr, text.len, 0, 0,
                         r->data, r->context);
    return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}

void
expr_regex_free(struct regex *r)
{
    for (; r; r = r->next) {
        pcre2_match_data_free(r->data);
        pcre2_match_context_free(r->context);
        pcre2_jit_stack_free(r->stack);
        pcre2_code_free(r->code);
    }
}

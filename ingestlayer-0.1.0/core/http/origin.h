/* SPDX-License-Identifier: MIT */
/* Origins of web pages, and patterns of them: who may read our answers in a
 * browser. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stddef.h>

/* A longer one is nobody's: a host name has at most 253 bytes. */
#define ORIGIN_MAX 320

struct origin_pattern {
    const char *text; /* scheme://host[:port], as browsers write it */
    size_t scheme_len;
    size_t host_len;  /* of what follows "://" */
    int all;          /* "*" */
    int below;        /* the host begins with "*.": names below the rest */
    int any_port;     /* ends with ":*" */
};

/* Understand one: "https://app.example.com", "http://localhost:*", or "*"; "*."
 * before a host is every name below it, not itself.  text must live on.
 * NULL, or what is wrong, completing "the origin is no good: it ...". */
const char *http_origin_compile(const char *text, struct origin_pattern *out);
/* Is an Origin header's value one of it?  Whatever is not exactly an origin is
 * none, "null" included, but for "*". */
int http_origin_fits(const struct origin_pattern *, const char *origin);

#endif

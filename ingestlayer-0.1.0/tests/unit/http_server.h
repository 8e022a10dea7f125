/* SPDX-License-Identifier: MIT */
/* The server that the tests of core/http*.c start and talk to. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http_talk.h"
#include "base/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/http.h"

static struct il_api api;
static struct http *http;
static _Atomic int may_answer, handled;

static inline void
echo(void *self, struct il_request *req)
{
    size_t len;
    const void *body = il_request_body(req, &len);
    (void) self;
    handled++;
    il_respond(req, 200, "application/octet-stream", body, len);
}

static inline int
nobody(void *self, struct il_request *req)
{
    (void) self;
    (void) req;
    return IL_NOT_MINE;
}

static inline void
route(const char *method, const char *where,
      int (*admit)(void *, struct il_request *),
      void (*handle)(void *, struct il_request *), const void *self)
{
    struct il_route r = { .struct_size = sizeof(r), .method = method,
                          .path = where, .admit = admit, .handle = handle };
    ck_assert_int_eq(http_route(http, &r, (void *) (uintptr_t) self, NULL), 0);
}

/* One that will listen there; its routes come next. */
static inline void
server_new(struct http_options o, const char *listen)
{
    o.name = "test";
    o.listen = &listen;
    o.listen_count = 1;
    log_level_set(IL_LOG_ERROR);
    http_fill_request_api(&api);
    api_use(&api);
    may_answer = handled = 0;
    ck_assert_int_eq(http_new(&o, &http), 0);
}

static inline int
server_start(void)
{
    int err = http_start(http);
    port = err ? 0 : http_port(http, 0);
    return err;
}

static inline void
teardown(void)
{
    may_answer = 1;
    http_stop(http, clock_monotonic_us() + 3000000);
    http_free(http);
    http = NULL;
}

#endif

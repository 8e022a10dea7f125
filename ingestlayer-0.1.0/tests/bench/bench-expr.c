/* SPDX-License-Identifier: MIT */
/* What an expression costs per event, in nanoseconds of CPU: the best of five
 * rounds over a thousand events of workload W1.  Not a test: look at it, before
 * and after a change.
 *
 *   make tests/bench/bench-expr && tests/bench/bench-expr */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../unit/event_fixture.h"
#include "lang/expr.h"

enum { EVENTS = 1000, ROUNDS = 5, PASSES = 1000 };

static const char *const expressions[] = {
    "feature in {export, *.export, api, api.*, webhook, webhook.*}",
    "feature in {export, api, webhook}",
    "feature == export",
    "plan == pro and count > 1",
    "plan == pro and feature in {export, api} and not user_id like test_*",
    "user_id in {a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z}",
    "lower(feature) == export",
    "lower(feature) contains export",
    "len(user_id) > 5",
    "number(user_id) > 5",
    "count > 1.5",
    "feature matches '^(csv\\\\.)?export$'",
    "$event.type == feature.used",
    "$entity.user.plan == pro",
};

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double
measure(const struct il_expr *expr, const struct event_fixture *events,
        unsigned long *held)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double from = seconds();
        *held = 0;
        for (int pass = 0; pass < PASSES; pass++)
            for (int i = 0; i < EVENTS; i++)
                *held += (unsigned long) expr_true(expr, &events[i].event);
        double took = seconds() - from;
        if (took < best)
            best = took;
    }
    return best * 1e9 / ((double) PASSES * EVENTS);
}

int
main(void)
{
    static struct event_fixture events[EVENTS];
    static const char *const features[] = {
        "csv.export", "api.call",    "report.view", "sso.login",
        "chart.edit", "team.invite", "file.upload", "webhook.send",
        "search.run", "audit.read",
    };
    for (unsigned i = 0; i < EVENTS; i++) {
        char payload[200];
        snprintf(payload, sizeof payload,
                 "{\"user_id\":\"u_%06u\",\"feature\":\"%s\",\"count\":%u,"
                 "\"plan\":\"%s\"}",
                 i * 7919 % 100000, features[i * 31 % 10], i % 4,
                 i % 3 ? "free" : "pro");
        fixture_open(&events[i], payload);
    }
    for (size_t k = 0; k < sizeof expressions / sizeof *expressions; k++) {
        struct il_expr *expr;
        struct lang_error error;
        unsigned long held;
        if (expr_compile(expressions[k], strlen(expressions[k]), &expr,
                         &error)) {
            fprintf(stderr, "%s: %s\n", expressions[k], error.message);
            return 1;
        }
        double ns = measure(expr, events, &held);
        printf("%7.1f ns  %5.1f%%  %s\n", ns,
               100.0 * (double) held / ((double) PASSES * EVENTS),
               expressions[k]);
        expr_free(expr);
    }
    for (unsigned i = 0; i < EVENTS; i++)
        fixture_close(&events[i]);
    return 0;
}

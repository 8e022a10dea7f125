/* SPDX-License-Identifier: MIT */
/* Write workload W1 to standard output.
 *   gen ndjson N    one event a line
 *   gen copy N      the rows of the bench table as a binary COPY stream
 *   gen copy N K M  part K, counted from 0, of M: 64 in a row to each in turn
 *   gen kept N      those of the three features that W1f keeps
 *   gen syslog N    one event a line, for a program that reads syslog
 *   gen users       the 100,000 users as entities, NDJSON */
#include "w1.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
put16(uint16_t v)
{
    v = htobe16(v);
    fwrite(&v, 2, 1, stdout);
}

static void
put_bytes(const void *bytes, size_t len)
{
    uint32_t n = htobe32((uint32_t) len);
    fwrite(&n, 4, 1, stdout);
    fwrite(bytes, len, 1, stdout);
}

static void
put_int64(int64_t v)
{
    uint64_t n = htobe64((uint64_t) v);
    put_bytes(&n, 8);
}

/* Columns: event_id, received_at, type, user_id, feature, count, plan,
 * account, payload.  PostgreSQL manual, COPY, "Binary Format"; timestamps
 * count from 2000-01-01. */
static void
copy_row(const struct w1 *e)
{
    char json[W1_TEXT_MAX + 1];
    json[0] = 1; /* jsonb_recv's version */
    size_t len = 1 + w1_payload(json + 1, e);
    put16(9);
    put_bytes(e->id, strlen(e->id));
    put_int64(e->time_us - INT64_C(946684800000000));
    put_bytes("feature.used", 12);
    put_bytes(e->user_id, strlen(e->user_id));
    put_bytes(e->feature, strlen(e->feature));
    put_int64(e->count);
    put_bytes(e->plan, strlen(e->plan));
    put_bytes(e->account, strlen(e->account));
    put_bytes(json, len);
}

static int
kept(const struct w1 *e)
{
    return !strcmp(e->feature, "csv.export") || !strcmp(e->feature, "api.call")
           || !strcmp(e->feature, "report.view");
}

int
main(int argc, char **argv)
{
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    const char *what = argc > 1 ? argv[1] : "";
    uint64_t part = argc > 4 ? strtoull(argv[3], NULL, 10) : 0;
    uint64_t parts = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    struct w1 e;
    char text[W1_TEXT_MAX];

    int rows = !strcmp(what, "copy"), some = !strcmp(what, "kept");
    if (!strcmp(what, "ndjson") || !strcmp(what, "syslog")) {
        for (uint64_t i = 0; i < n; i++) {
            w1_make(&e, i);
            w1_json(text, &e);
            if (*what == 's')
                fputs("<14>Jun  1 00:00:00 host w1: @cee: ", stdout);
            puts(text);
        }
    } else if ((rows || some) && parts) {
        fwrite("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19, 1, stdout);
        for (uint64_t i = 0; i < n; i++) {
            w1_make(&e, i);
            if (i / 64 % parts == part && (rows || kept(&e)))
                copy_row(&e);
        }
        put16(0xffff);
    } else if (!strcmp(what, "users")) {
        for (uint32_t u = 0; u < 100000; u++)
            printf("{\"kind\":\"user\",\"external_id\":\"u_%06u\",\"traits\":"
                   "{\"account\":\"acc_%05u\"}}\n", u, u / 10);
    } else {
        fputs("usage: gen ndjson|copy|kept|syslog N [K M] | users\n", stderr);
        return 2;
    }
    return fflush(stdout) ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* What `ddl --save` is said to have written, taken by warehouse.pg for its table:
 * any JSON is a table, or it is said why it is none; and of a table each event
 * makes a row, which is an object of texts and nulls, or is refused with a
 * SQLSTATE. */
#include <config.h>

#include "../../plugins/warehouse.pg/decimal.c"
#include "../../plugins/warehouse.pg/encode.c"
#include "../../plugins/warehouse.pg/encode_field.c"
#define is_null fold_is_null
#define by_set fold_by_set
#define arrange fold_arrange
#define add_event fold_add_event
#include "../../plugins/warehouse.pg/fold.c"
#undef is_null
#undef by_set
#undef arrange
#undef add_event
#include "../../plugins/warehouse.pg/partition_row.c"
#include "../../plugins/warehouse.pg/fault.c"
#include "../../plugins/warehouse.pg/put_numeric.c"
#undef _GNU_SOURCE /* it defines it itself */
#include "../../plugins/warehouse.pg/put_scalar.c"
#include "../../plugins/warehouse.pg/put_text.c"
#include "../../plugins/warehouse.pg/put_time.c"
#include "../../plugins/warehouse.pg/sql.c"

/* Their own words for the same. */
#define is_null record_is_null
#define member record_member
#define add record_add
#define quote record_quote
#include "../../plugins/warehouse.pg/put_record.c"
#undef is_null
#undef member
#undef add
#undef quote
#include "../../plugins/warehouse.pg/catalog.c"
#define regclass conflict_regclass
#include "../../plugins/warehouse.pg/conflict.c"
#undef regclass
#include "../../plugins/warehouse.pg/ddl.c"
#include "../../plugins/warehouse.pg/partition.c"
#define number plan_number
#define types plan_types
#include "../../plugins/warehouse.pg/plan.c"
#undef number
#undef types
#define is_null show_is_null
#include "../../plugins/warehouse.pg/show.c"
#undef is_null

#include "fuzz.h"
#include "base/api.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "host/api.h"

/* --- a link that leads nowhere ---------------------------------------------- */

int
link_init(struct link *l, const struct il_host *host,
          const struct connection *connection, const struct options *opt,
          struct link_stop *stop)
{
    (void) connection;
    memset(l, 0, sizeof *l);
    l->host = host;
    l->opt = opt;
    l->stop = stop;
    return sql_open(&l->sql, host);
}
void
link_free(struct link *l)
{
    sql_close(&l->sql);
}
int
link_open(struct link *l)
{
    return link_no_memory(l);
}
int
link_exec(struct link *l, const char *sql, PGresult **last)
{
    (void) sql;
    (void) last;
    CLAIM(0); /* what is known answers all questions */
    return link_no_memory(l);
}
void
link_begin_sql(struct link *l, struct sql *s, uint32_t ms)
{
    (void) l;
    (void) s;
    (void) ms;
}
void
link_rollback(struct link *l)
{
    (void) l;
}
int
link_no_memory(struct link *l)
{
    fault_set(&l->fault, PG_ACT_RETRY, "no memory");
    return -1;
}

/* --- a host without declarations --------------------------------------------- */

static int
no_field(const struct il_host *host, size_t i, struct il_declared *out)
{
    (void) host;
    (void) i;
    (void) out;
    return -ENOENT;
}
static int
nothing_at(const struct il_host *host, size_t i, const char *reference,
           struct il_declared *out)
{
    (void) host;
    (void) i;
    (void) reference;
    (void) out;
    return -ENOENT;
}

static struct il_host *
host(void)
{
    static struct il_api table;
    static struct {
        const struct il_api *api;
    } made;
    if (!made.api) {
        host_api_init();
        table = *api_table();
        table.declared_field = no_field;
        table.declared_at = nothing_at;
        made.api = &table;
    }
    return (struct il_host *) (void *) &made;
}

/* --- events --------------------------------------------------------------------- */

static const char *const payloads[] = {
    "{}",
    "{\"a\":1,\"b\":\"x\",\"c\":null,\"d\":[1,[2]],\"e\":{\"a\":\"y\"},\"f\":"
    "true}",
    "{\"a\":\"2026-11-28T10:00:00Z\",\"b\":1e400,\"c\":[],\"d\":{},\"e\":[{"
    "\"a\":"
    "1}],\"f\":\"\\u0000\\ud800\"}",
    "{\"a\":-0.10,\"b\":\"{1,2}\",\"c\":\"\\\\N\",\"d\":\"(1,2)\",\"e\":\"10.0."
    "0.1/"
    "8\",\"f\":18446744073709551615}",
};
#define EVENTS (sizeof payloads / sizeof *payloads)

static struct il_batch *
make_batch(struct il_text *packed)
{
    struct il_batch *batch = batch_new();
    struct json_error error;
    CLAIM(batch);
    for (size_t i = 0; i < EVENTS; i++) {
        CLAIM(!json_to_msgpack(payloads[i], strlen(payloads[i]), &packed[i],
                               &error));
        struct event e = { .id = SLICE("evt_1"),
                           .type = SLICE("t"),
                           .source_id = SLICE("app"),
                           .received_us = INT64_C(1795000000000000),
                           .timestamp_us = EVENT_NO_TIME,
                           .payload = slice_of(packed[i].data, packed[i].len) };
        CLAIM(!batch_add_event(batch, i + 1, NULL, 0, &e));
    }
    batch_seal(batch);
    batch_enter(batch, BATCH_AT_DESTINATION, NULL);
    return batch;
}

static void
check_row(const struct il_text *row)
{
    struct il_text packed = { 0 };
    struct json_error error = { JSON_OK };
    struct il_value v, key, value;
    size_t iter = 0;
    int err = json_to_msgpack(row->data, row->len, &packed, &error);
    CLAIM(!err || error.code == JSON_DUPLICATE); /* a column twice */
    if (!err) {
        const char *p = packed.data;
        CLAIM(!msg_value(&p, packed.data + packed.len, &v) && v.type == IL_MAP);
        while (msg_item(&v, &iter, &key, &value))
            CLAIM(value.type == IL_STRING || value.type == IL_NULL);
    }
    text_clear(&packed);
}

static void
show_rows(struct pg *pg)
{
    struct il_text packed[EVENTS] = { { 0 } };
    struct il_batch *batch = make_batch(packed);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct il_text row = { 0 };
        int err = show_row(pg, batch, i, &row);
        const struct batch_event *e = &batch->events[i];
        CLAIM(!err == (e->state != BATCH_REJECTED) && row.len);
        if (err)
            CLAIM(err == -EINVAL && strlen(e->reason->code) == 5);
        else
            check_row(&row);
        text_clear(&row);
    }
    batch_enter(batch, BATCH_NOBODY, NULL);
    batch_free(batch);
    for (size_t i = 0; i < EVENTS; i++)
        text_clear(&packed[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char table[] = "\"t\"";
    struct pg pg = { .host = host(),
                     .opt = { .unique_column = "event_id",
                              .payload_column = "payload",
                              .lanes_schema = "ingestlayer",
                              .table = { .quoted = table } } };
    struct il_text why = { 0 };
    CLAIM(!encode_open(&pg.lane_enc, pg.host, (int) (size & 1)));
    int err = show_assume(&pg, (const char *) data, size, &why);
    CLAIM(!err == (pg.shown != NULL) && !err == !why.len);
    if (!err)
        show_rows(&pg);
    encode_close(&pg.lane_enc);
    plan_unref(pg.shown);
    text_clear(&why);
    return 0;
}

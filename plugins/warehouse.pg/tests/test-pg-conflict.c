/* SPDX-License-Identifier: MIT */
/* on_conflict: whatever the batches are cut like, the table has what the same
 * events leave that a person writes one by one, and the letters are the same. */
#include "pgtest.h"

#define TABLE "table = \"events.t\"; "
#define COLUMNS                                                                \
    "columns = ( { name = \"k\"; value = \"$event.payload.k\"; },"             \
    " { name = \"a\"; value = \"$event.payload.a\"; },"                        \
    " { name = \"b\"; value = \"$event.payload.b\"; },"                        \
    " { name = \"d\"; value = \"$event.payload.d\"; },"                        \
    " { name = \"v\"; value = \"$event.payload.v\"; } ); "

static struct pgtest t;

static void
setup(void)
{
    memset(&t, 0, sizeof t);
    sql(&t, "set client_min_messages = error;"
            "drop schema if exists events cascade;"
            "drop schema if exists ingestlayer cascade;"
            "create schema events");
}

static void
teardown(void)
{
    pgtest_free(&t);
}

static void
up_as(const char *user, const char *more)
{
    char text[2048];
    snprintf(text, sizeof text,
             "connection = \"dbname=postgres user=%s\"; " TABLE "%s", user,
             more);
    int err = pgtest_up(&t, text);
    if (err)
        ck_abort_msg("%d: %s", err, testhost_log(t.host));
}

static void
up(const char *more)
{
    up_as("ingest", more);
}

static const char *
rows(void)
{
    return sql(&t, "select coalesce(string_agg(r::text, ' ' order by r::text),"
                   " '') from events.t r");
}

/* --- by chance, beside SQL that is run one by one -------------------------- */

enum { K, A, B, D, V, FIELDS };
static const char *const names[FIELDS] = { "k", "a", "b", "d", "v" };

struct chance {
    const char *title, *table, *options;
    const char *set[2]; /* columns that an update leaves alone; see below */
    int on, newer, null_missing;
    int texts; /* keys of which two are the same by the type alone */
};

struct one {
    char values[FIELDS][24]; /* as JSON; "": missing */
};

static void
pick(struct one *e, const char *const *keys, unsigned key_count)
{
    static const char *const of[FIELDS][6] = {
        { NULL },
        { "1", "2", "3", "13", "\"x\"", "7" },
        { "\"p\"", "\"q\"", "\"r\"", "\"s\"", "\"u\"", "\"w\"" },
        { "\"one\"", "\"two\"", "\"dd\"", "\"\"", "\"four\"", "\"five\"" },
        { "1", "2", "3", "4", "5", "6" },
    };
    for (int f = 0; f < FIELDS; f++) {
        unsigned r = (unsigned) random() % 100;
        const char *value = f == K ? keys[(unsigned) random() % key_count]
                                   : of[f][random() % 6];
        int bad = f == A && *value == '"' && random() % 4;
        snprintf(e->values[f], sizeof e->values[f], "%s",
                 f == K          ? (r < 2 ? "null" : value)
                 : r < 40 || bad ? ""
                 : r < 48        ? "null"
                                 : value);
    }
}

static void
send_one(const struct one *e)
{
    char payload[200] = "";
    for (int f = 0; f < FIELDS; f++)
        if (*e->values[f])
            snprintf(payload + strlen(payload),
                     sizeof payload - strlen(payload), "%s\"%s\":%s",
                     *payload ? "," : "", names[f], e->values[f]);
    event(&t, "{\"type\":\"t\",\"payload\":{%s}}", payload);
}

static const char *
literal(char *to, size_t size, const char *json)
{
    if (*json == '"')
        snprintf(to, size, "'%.*s'", (int) strlen(json) - 2, json + 1);
    else
        snprintf(to, size, "%s", json);
    return to;
}

static int
is_updated(const struct chance *c, int f)
{
    for (int i = 0; i < 2; i++)
        if (c->set[i] && strcmp(c->set[i], names[f]) == 0)
            return 0;
    return f != K;
}

/* As a person would write it.  1: the event does not fit. */
static int
by_hand(PGconn *db, const struct chance *c, const struct one *e)
{
    char text[2000], list[200] = "", values[400] = "", set[600] = "", v[40];
    if (strcmp(e->values[K], "null") == 0)
        return 1;
    for (int f = 0; f < FIELDS; f++) {
        int there = *e->values[f] != 0;
        if (there) {
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                     *list ? ", " : "", names[f]);
            snprintf(values + strlen(values), sizeof values - strlen(values),
                     "%s%s", *values ? ", " : "",
                     literal(v, sizeof v, e->values[f]));
        }
        if (is_updated(c, f)
            && (there || c->null_missing || (c->newer && f == V)))
            snprintf(set + strlen(set), sizeof set - strlen(set), "%s%s = %s%s",
                     *set ? ", " : "", names[f],
                     there ? "excluded." : "default", there ? names[f] : "");
    }
    snprintf(text, sizeof text,
             "insert into events.m (%s) values (%s) on conflict (k) do %s%s%s",
             list, values, c->on == 1 || !*set ? "nothing" : "update set ",
             c->on == 1 ? "" : set,
             c->on == 2 && c->newer && *set
                 ? " where m.v is null or excluded.v >= m.v"
                 : "");
    PGresult *res = PQexec(db, text);
    int bad = PQresultStatus(res) != PGRES_COMMAND_OK;
    PQclear(res);
    return bad;
}

static void
by_chance(const struct chance *c, unsigned seed)
{
    static const char *const plain[] = { "\"k1\"", "\"k2\"", "\"k3\"",
                                         "\"k4\"", "\"k5\"", "\"k6\"" };
    static const char *const same[] = { "\"k1\"", "\"K1\"", "\"k2\"",
                                        "\"K2\"", "\"k3\"", "\"k4\"" };
    enum { MANY = 250 };
    static struct one events[MANY];
    uint64_t counts[4] = { 0 };
    srandom(seed);
    sql(&t,
        "drop table if exists events.t, events.m; create table events.t %s;"
        " create table events.m %s",
        c->table, c->table);
    up(c->options);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"first\",\"b\":\"f\"}}");
    deliver(&t);
    sql(&t, "insert into events.m (k, b) values ('first', 'f')");
    for (int i = 0; i < MANY; i++)
        pick(&events[i], c->texts ? same : plain, 6);
    for (int i = 0; i < MANY;) {
        int n = 1 + (int) (random() % (random() % 3 ? 5 : 60)), letters = 0;
        if (i + n > MANY)
            n = MANY - i;
        testhost_clear(t.host);
        for (int k = 0; k < n; k++)
            send_one(&events[i + k]);
        deliver(&t);
        for (int k = 0; k < n; k++) {
            int bad = by_hand(t.db, c, &events[i + k]);
            const struct il_reason *r = testhost_reason(t.host, (uint32_t) k);
            if (bad != (r != NULL))
                ck_abort_msg("%s, seed %u, event %d (%d of %d): %s", c->title,
                             seed, i + k, k, n,
                             r ? r->message : "should be a letter");
            letters += bad;
        }
        counts[3] += (uint64_t) letters;
        sql(&t, "select count(*) from ((table events.t except table events.m)"
                " union all (table events.m except table events.t)) x");
        if (strcmp(t.value, "0") != 0) {
            char got[2000];
            snprintf(got, sizeof got, "%s", rows());
            ck_abort_msg("%s, seed %u, up to event %d:\n  %s\n  instead of\n"
                         "  %s",
                         c->title, seed, i + n, got,
                         sql(&t, "select string_agg(r::text, ' ' order by"
                                 " r::text) from events.m r"));
        }
        i += n;
    }
    counts[0] = counted(&t, "rows") - 1;
    counts[1] = counted(&t, "folded");
    counts[2] = counted(&t, "ignored");
    ck_assert_uint_eq(counts[3], counted(&t, "rejects"));
    if (counts[0] + counts[1] + counts[2] + counts[3] != MANY)
        ck_abort_msg("%s: %llu rows + %llu folded + %llu ignored + %llu"
                     " letters",
                     c->title, (unsigned long long) counts[0],
                     (unsigned long long) counts[1],
                     (unsigned long long) counts[2],
                     (unsigned long long) counts[3]);
    pgtest_down(&t);
    pgtest_state_remove(&t);
    sql(&t, "delete from ingestlayer.lanes");
}

#define PLAIN "(k text primary key, a int, b text, d text default 'dd', v int)"
#define UPDATE COLUMNS "on_conflict = \"update\"; conflict = ( \"k\" ); "
static const struct chance chances[] = {
    { "update", PLAIN, UPDATE, .on = 2 },
    { "update, null", PLAIN, UPDATE "missing = \"null\";", .on = 2,
      .null_missing = 1 },
    { "newer", PLAIN, UPDATE "newer = \"v\";", .on = 2, .newer = 1 },
    { "newer, null", PLAIN, UPDATE "newer = \"v\"; missing = \"null\";",
      .on = 2, .newer = 1, .null_missing = 1 },
    { "some",
      PLAIN,
      UPDATE "update = ( \"a\", \"v\" );",
      { "b", "d" },
      .on = 2 },
    { "some, newer",
      PLAIN,
      UPDATE "update = ( \"a\" ); newer = \"v\";",
      { "b", "d" },
      .on = 2,
      .newer = 1 },
    { "some, null",
      PLAIN,
      UPDATE "update = ( \"a\", \"b\" ); missing = \"null\"; newer = \"v\";",
      { "d" },
      .on = 2,
      .newer = 1,
      .null_missing = 1 },
    { "ignore", PLAIN, COLUMNS "on_conflict = \"ignore\"; conflict = (\"k\");",
      .on = 1 },
    { "check",
      "(k text primary key, a int check (a <> 13), b text, d text"
      " default 'dd', v int)",
      UPDATE, .on = 2 },
    { "check, newer",
      "(k text primary key, a int check (a <> 13), b text,"
      " d text default 'dd', v int)",
      UPDATE "newer = \"v\";", .on = 2, .newer = 1 },
    { "check, ignore",
      "(k text primary key, a int check (a <> 13), b text,"
      " d text default 'dd', v int)",
      COLUMNS "on_conflict = \"ignore\"; conflict = (\"k\");", .on = 1 },
    { "another key",
      "(k text primary key, a int, b text unique, d text default"
      " 'dd', v int)",
      UPDATE, .on = 2 },
    { "another key, ignore",
      "(k text primary key, a int, b text unique,"
      " d text default 'dd', v int)",
      COLUMNS "on_conflict = \"ignore\"; conflict = (\"k\");", .on = 1 },
    { "not null",
      "(k text primary key, a int not null default 5, b text, d"
      " text not null default 'dd', v numeric)",
      UPDATE "newer = \"v\";", .on = 2, .newer = 1 },
    { "collation",
      "(k text collate events.loose primary key, a int, b text,"
      " d text default 'dd', v int)",
      UPDATE, .on = 2, .texts = 1 },
    { "collation, ignore",
      "(k text collate events.loose primary key, a int,"
      " b text, d text default 'dd', v int)",
      COLUMNS "on_conflict = \"ignore\"; conflict = (\"k\");", .on = 1,
      .texts = 1 },
};

START_TEST(batches_may_be_cut_anywhere)
{
    const struct chance *c = &chances[_i];
    const char *seed = getenv("SEED");
    sql(&t, "do $$ begin create collation events.loose (provider = icu, locale"
            " = 'und-u-ks-level2', deterministic = false); exception when"
            " others then null; end $$;"
            "select count(*) from pg_collation where collname = 'loose'");
    if (c->texts && strcmp(t.value, "0") == 0)
        return; /* a server without ICU */
    for (unsigned i = 0; i < 2; i++)
        by_chance(c,
                  seed ? (unsigned) atoi(seed) : 1000 + 10 * i + (unsigned) _i);
}
END_TEST

/* --- one by one ------------------------------------------------------------ */

/* Nothing in the table may refuse a value, as far as the catalog tells, and one
 * is refused: events go in by themselves, and the letter is the one that is
 * wrong. */
START_TEST(a_folded_row_that_is_refused_is_taken_apart)
{
    char big[9001];
    for (size_t i = 0; i + 1 < sizeof big; i++)
        big[i] = (char) ('a' + random() % 26);
    big[sizeof big - 1] = 0;
    sql(&t, "create table events.t (k text primary key, a int, b text, d text,"
            " v int); create index on events.t (b)");
    up(UPDATE);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"b\":\"%s\",\"a\":2}}",
          big);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"2\",\"a\":3}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"d\":\"x\"}}");
    deliver(&t);
    kept(&t, 0);
    rejected(&t, 1, "54000", NULL, NULL);
    kept(&t, 2);
    kept(&t, 3);
    ck_assert_str_eq(rows(), "(1,1,,x,) (2,3,,,)");
    ck_assert_uint_eq(counted(&t, "rows"), 3);
    ck_assert_uint_eq(counted(&t, "folded"), 0);
    ck_assert_uint_eq(counted(&t, "rejects"), 1);
}
END_TEST

START_TEST(ignored_events_are_counted)
{
    sql(&t, "create table events.t (k text primary key, a int, b text, d text,"
            " v int); insert into events.t values ('2', 0)");
    up(COLUMNS "on_conflict = \"ignore\"; conflict = (\"k\");");
    for (int i = 0; i < 6; i++)
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"%d\",\"a\":%d}}", i % 3,
              i);
    deliver(&t);
    ck_assert_str_eq(rows(), "(0,0,,,) (1,1,,,) (2,0,,,)");
    ck_assert_uint_eq(counted(&t, "rows"), 2);
    ck_assert_uint_eq(counted(&t, "ignored"), 4);
    ck_assert_ptr_nonnull(strstr(testhost_status(t.host), " 4 events were"));
}
END_TEST

/* What was brought in is known by its position: events that come again change
 * nothing, whatever has been in the table since. */
START_TEST(what_is_in_is_not_written_again)
{
    sql(&t, "create table events.t (k text primary key, a int, b text, d text,"
            " v int)");
    up(UPDATE);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":2}}");
    deliver(&t);
    sql(&t, "update events.t set a = 7");
    pgtest_down(&t);
    up(UPDATE);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":2}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"2\",\"a\":3}}");
    deliver(&t);
    ck_assert_str_eq(rows(), "(1,7,,,) (2,3,,,)");
}
END_TEST

/* Without `newer` an event that is brought again is the last one, as it is by its
 * position; with it, it has lost. */
START_TEST(an_old_event_that_comes_again)
{
    for (int newer = 0; newer < 2; newer++) {
        sql(&t, "drop table if exists events.t;"
                "create table events.t (k text primary key, a int, b text,"
                " d text, v timestamptz)");
        up(newer ? UPDATE "newer = \"v\";" : UPDATE);
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1,"
                  "\"v\":\"2026-01-01T00:00:00Z\"}}");
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":2,"
                  "\"v\":\"2026-01-02T00:00:00Z\"}}");
        deliver(&t);
        testhost_clear(t.host);
        testhost_origin(t.host, 1);
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1,"
                  "\"v\":\"2026-01-01T00:00:00Z\"}}");
        deliver(&t);
        ck_assert_str_eq(sql(&t, "select a from events.t"), newer ? "2" : "1");
        ck_assert_uint_eq(counted(&t, "ignored"), (uint64_t) newer);
        pgtest_down(&t);
        pgtest_state_remove(&t);
        sql(&t, "delete from ingestlayer.lanes");
    }
}
END_TEST

/* What only Postgres reads goes as text, and is the same key all the same. */
START_TEST(keys_that_only_postgres_reads)
{
    sql(&t, "create table events.t (k date primary key, a int, b text, d text,"
            " v int)");
    up(UPDATE);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"2024-01-05\",\"a\":1}}");
    event(&t,
          "{\"type\":\"t\",\"payload\":{\"k\":\"Jan 5 2024\",\"b\":\"x\"}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"2024-01-05\",\"a\":3}}");
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"Jan 5 2024\",\"a\":4}}");
    deliver(&t);
    ck_assert_str_eq(rows(), "(2024-01-05,4,x,,)");
}
END_TEST

/* A view that Postgres writes through, policies, and a table in partitions. */
START_TEST(views_policies_and_partitions)
{
    static const char *const tables[] = {
        "create table events.r (k text primary key, a int, b text, d text,"
        " v int); create view events.t as select * from events.r",
        "create table events.t (k text primary key, a int, b text, d text,"
        " v int) partition by list (k); create table events.p partition of"
        " events.t default",
        "create table events.t (k text primary key, a int, b text, d text,"
        " v int); alter table events.t enable row level security; alter table"
        " events.t force row level security; create policy p on events.t using"
        " (true) with check (a is null or a < 10); grant usage on schema"
        " events to plain; grant select, insert, update on events.t to plain;"
        "grant all on schema ingestlayer to plain; grant all on"
        " ingestlayer.lanes to plain",
    };
    sql(&t, "do $$ begin if exists (select from pg_roles where rolname ="
            " 'plain') then drop owned by plain; drop role plain; end if;"
            " end $$; create role plain login");
    for (int i = 0; i < 3; i++) {
        sql(&t, "drop view if exists events.t"),
            sql(&t, "drop table if exists events.r");
        sql(&t, "%s", tables[i]);
        up_as(i < 2 ? "ingest" : "plain", UPDATE);
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1}}");
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"b\":\"x\"}}");
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":%d}}",
              i == 2 ? 11 : 2);
        event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"2\",\"a\":5}}");
        deliver(&t);
        ck_assert_str_eq(rows(),
                         i == 2 ? "(1,1,x,,) (2,5,,,)" : "(1,2,x,,) (2,5,,,)");
        if (i == 2)
            rejected(&t, 2, "42501", NULL, NULL);
        pgtest_down(&t);
        pgtest_state_remove(&t);
        sql(&t, "delete from ingestlayer.lanes");
        if (i)
            sql(&t, "drop table events.t");
    }
}
END_TEST

/* An index that goes, and a role that may not use the table of positions. */
START_TEST(what_is_missing_pauses)
{
    sql(&t, "create table events.t (k text, a int, b text, d text, v int)");
    up(UPDATE);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":1}}");
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host),
                                 "create unique index on"
                                 " \"events\".\"t\" (\"k\")"));
    sql(&t, "create unique index on events.t (k)");
    deliver(&t);
    sql(&t, "drop index events.t_k_idx");
    testhost_clear(t.host);
    event(&t, "{\"type\":\"t\",\"payload\":{\"k\":\"1\",\"a\":2}}");
    ck_assert_int_ne(testhost_write(t.host, WAIT_MS), IL_OK);
    ck_assert_int_eq(testhost_write(t.host, WAIT_MS), IL_PAUSE);
    ck_assert_ptr_nonnull(strstr(testhost_why(t.host), "no unique index"));
    sql(&t, "create unique index on events.t (k)");
    deliver(&t);
    ck_assert_str_eq(rows(), "(1,2,,,)");
}
END_TEST

/* What the config says wrongly. */
START_TEST(options_that_cannot_be)
{
    static const char *const cases[][2] = {
        { "on_conflict = \"update\";", "needs `conflict`" },
        { "conflict = ( \"k\" );", "on_conflict" },
        { "on_conflict = \"ignore\"; conflict = ( \"k\" ); newer = \"v\";",
          "on_conflict = \"update\" only" },
        { UPDATE "update = ( \"k\" );", "is of the key" },
        { UPDATE "newer = \"k\";", "is of the key" },
        { UPDATE "update = ( \"z\" );", "nothing fills column" },
        { COLUMNS "on_conflict = \"update\"; conflict = ( \"k\", \"k\" );",
          "listed twice" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "connection = \"dbname=postgres\"; " TABLE "%s", cases[i][0]);
        t.host = testhost_new();
        ck_assert_int_ne(testhost_open(t.host, getenv("IL_PLUGIN"), text), 0);
        if (!strstr(testhost_findings(t.host), cases[i][1]))
            ck_abort_msg("%s: %s", cases[i][0], testhost_findings(t.host));
        pgtest_down(&t);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("conflict");
    TCase *c = tcase_create("conflict");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, batches_may_be_cut_anywhere, 0,
                        sizeof chances / sizeof *chances);
    tcase_add_test(c, a_folded_row_that_is_refused_is_taken_apart);
    tcase_add_test(c, ignored_events_are_counted);
    tcase_add_test(c, what_is_in_is_not_written_again);
    tcase_add_test(c, an_old_event_that_comes_again);
    tcase_add_test(c, keys_that_only_postgres_reads);
    tcase_add_test(c, views_policies_and_partitions);
    tcase_add_test(c, what_is_missing_pauses);
    tcase_add_test(c, options_that_cannot_be);
    suite_add_tcase(s, c);
    return pgtest_run(s);
}

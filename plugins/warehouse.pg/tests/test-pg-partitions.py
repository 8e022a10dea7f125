# SPDX-License-Identifier: MIT
"""Partitions by time: made ahead and where rows need one, beside readers and
writers; old ones are dropped, and nobody else's; what has none is a letter, or
holds the lane where nothing goes in."""
import datetime
import os
import subprocess

from system import HEAD, System, contains, equal, event, eventually

CONF = HEAD + """
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; create = %s;
                       partition = { %s }; } ); }
);
"""
NOW = datetime.datetime.now(datetime.timezone.utc)


def conf(create, partition):
    return CONF.replace("%s", create, 1).replace("%s", partition, 1)


def day(days):
    return (NOW + datetime.timedelta(days=days)).strftime("%Y%m%d")


def at(i, days=0.0, **more):
    when = (NOW + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return dict(event(i), timestamp=when, **more)


def partitions(s):
    return sorted(s.pg.lines("select relname from pg_inherits join pg_class on oid = inhrelid"
                             " where inhparent = 't.rows'::regclass"))


def rows(s):
    return s.pg.sql("select count(*) from t.rows")


def made_by_the_daemon():
    with System(conf("true", 'by = "received_at"; every = "1 day"; ahead = 2;'), table=None) as s:
        s.post([event(i) for i in range(10)])
        s.delivered()
        equal(rows(s), "10", "rows")
        eventually(lambda: len(partitions(s)) >= 3, "partitions are made")
        equal(partitions(s)[:3], ["rows_p" + day(n) for n in range(3)], "partitions")
        said = s.daemon.command("check", "--online", "-c", s.conf)
        contains(said.stdout.decode(), "partitioned by received_at, one a day", "check --online")
        equal(s.pg.sql("select string_agg(attname, ',' order by attnum) from pg_index i, pg_attribute a where"
                       " a.attrelid = i.indexrelid and indisprimary and indrelid = 't.rows'::regclass"),
              "event_id,received_at", "the key")


def made_where_rows_need_one():
    with System(conf("true", 'by = "timestamp"; every = "1 day"; range = "-7d..1d";'), table=None) as s:
        s.post([at(1)])
        s.delivered()
        # A reader's transaction and a writer's, which both go on.
        with Beside(s):
            s.pg.sql("drop table t.rows_p" + day(-5))
            s.post([at(2, -5), at(3), at(4, -7.5), at(5, 1.5), event(6)])
            s.delivered()
        equal(rows(s), "3", "rows")
        equal("rows_p" + day(-5) in partitions(s), True, "the partition of five days ago is there")
        equal(sorted((d["code"], d["field"]) for d in s.dead()),
              [("23502", "timestamp"), ("out_of_range", "timestamp"), ("out_of_range", "timestamp")], "letters")


class Beside:
    """A transaction that has read and written, until the end."""

    def __init__(self, s):
        self.s = s

    def __enter__(self):
        self.p = subprocess.Popen(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", self.s.pg.dsn], stdin=subprocess.PIPE)
        self.p.stdin.write(b"begin; select count(*) from t.rows_p%s;\n" % day(0).encode())
        self.p.stdin.flush()

    def __exit__(self, *_):
        self.p.communicate(b"commit;\n", timeout=30)
        equal(self.p.returncode, 0, "exit code of the transaction beside")


def old_ones_are_dropped():
    table = """create schema t; create table t.rows (event_id text, received_at timestamptz, type text, payload jsonb,
        primary key (event_id, received_at)) partition by range (received_at);
        create table t.rows_p20200101 partition of t.rows
            for values from ('2020-01-01 00:00:00+00') to ('2020-01-02 00:00:00+00');
        create table t.somebodys partition of t.rows
            for values from ('2020-01-02 00:00:00+00') to ('2020-01-03 00:00:00+00');
        create table t.rows_p20200103 partition of t.rows
            for values from ('2020-01-03 00:00:00+00') to ('2020-01-05 00:00:00+00')"""
    options = 'by = "received_at"; every = "1 day"; ahead = 1; keep = "30d"; drop = true; create = true;'
    with System(conf("false", options), table=table) as s:
        eventually(lambda: "rows_p20200101" not in partitions(s), "the old one is dropped")
        equal(s.pg.sql("select to_regclass('t.rows_p20200101') is null"), "t", "it is gone")
        eventually(lambda: len(partitions(s)) >= 4, "new ones are made")
        equal(partitions(s)[:3], ["rows_p20200103", "rows_p" + day(0), "rows_p" + day(1)], "what stays")
        equal("somebodys" in partitions(s), True, "somebody's own stays")


def none_for_some():
    table = """create schema t; create table t.rows (event_id text, timestamp timestamptz, type text, payload jsonb)
        partition by range (timestamp); create table t.now partition of t.rows
            for values from ('%s') to ('%s')""" % (NOW - datetime.timedelta(days=1), NOW + datetime.timedelta(days=1))
    options = 'by = "timestamp"; every = "1 day"; range = "-30d..1d";'
    with System(conf("false", options), table=table) as s:
        s.post([at(1), at(2, -3), at(3)])
        s.delivered()
        equal(rows(s), "2", "rows")
        equal([d["code"] for d in s.dead()], ["no_partition"], "letters")
        said = s.daemon.command("check", "--online", "-c", s.conf)
        contains(said.stdout.decode(), "are missing", "check --online")
        s.pg.sql("create table t.old partition of t.rows for values from ('%s') to ('%s')" % (
            NOW - datetime.timedelta(days=9), NOW - datetime.timedelta(days=1)))
        equal(s.daemon.command("dead", "retry", "--all", "--wait", "--reason", "no_partition", "-c", s.conf).returncode, 0, "dead retry")
        eventually(lambda: rows(s) == "3", "the row is there")
        # None goes in: it is not the rows.
        s.pg.sql("drop table t.now")
        s.post([at(i) for i in range(10, 14)])
        eventually(lambda: "no partition" in (s.lane()["last_error"] or ""), "the lane says what is missing")
        equal(s.dead(), [], "letters")
        s.pg.sql("create table t.now partition of t.rows for values from ('%s') to ('%s')" % (
            NOW - datetime.timedelta(days=1), NOW + datetime.timedelta(days=1)))
        s.delivered(90)
        equal(rows(s), "5", "rows")


def told_by_the_key():
    """Without the table of positions."""
    table = """create schema t; create table t.rows (event_id text, received_at timestamptz, n bigint,
        primary key (event_id, received_at)) partition by range (received_at);
        create table t.all_of_it partition of t.rows for values from ('2020-01-01') to ('2120-01-01');
        create role writer login; grant usage on schema t to writer; grant insert, select on t.rows to writer;
        revoke create on database postgres from public; grant temporary on database postgres to writer"""
    options = 'by = "received_at"; every = "1 month";'
    with System(conf("false", options), table=table, start=False) as s:
        s.daemon.env["DSN"] = s.pg.dsn.replace("user=il", "user=writer")
        s.daemon.start()
        for n in range(5):
            s.post([event(100 * n + i) for i in range(50)])
            s.daemon.kill()
            s.daemon.start()
        s.delivered()
        equal(rows(s), "250", "rows")
        equal(s.dead(), [], "letters")


def not_so_partitioned():
    with System(conf("false", 'by = "received_at"; every = "1 day";'),
                table="create schema t; create table t.rows (event_id text, received_at timestamptz)") as s:
        s.post([event(1)])
        eventually(lambda: "not partitioned by range" in (s.lane()["last_error"] or ""), "the lane says so")


def refused(s):
    long = "t." + "x" * 54
    for options, table, want in (
            ('by = "nothing"; every = "1 day";', "t.rows", 'nothing fills a column "nothing"'),
            ('by = "received_at"; every = "1 week";', "t.rows", "every"),
            ('by = "timestamp"; every = "1 day";', "t.rows", 'bound it with range'),
            ('by = "received_at"; every = "1 day"; range = "-1d..1d";', "t.rows", "means nothing here"),
            ('by = "timestamp"; every = "1 day"; range = "1d..7d";', "t.rows", "expected how long before"),
            ('by = "timestamp"; every = "1 day"; range = "-1d";', "t.rows", "expected how long before"),
            ('by = "timestamp"; every = "1 day"; range = "-1w..1d";', "t.rows", "expected how long before"),
            ('by = "received_at"; every = "1 day"; keep = "30d";', "t.rows", "drop = true"),
            ('by = "received_at"; every = "1 day"; drop = true;', "t.rows", "for how long they stay"),
            ('by = "timestamp"; every = "1 day"; range = "-90d..1d"; keep = "30d"; drop = true;', "t.rows",
             "shorter than what `range` lets in"),
            ('by = "received_at"; every = "1 day";', long, "Postgres keeps 63"),
            ('by = "received_at"; every = "1 day"; }; on_conflict = "update"; conflict = ( "event_id" );'
             ' host = {', "t.rows", "not in `conflict`"),
            ('every = "1 day";', "t.rows", "by"),
            ('by = "n"; every = "1 day"; range = "-1d..1d";', "t.rows", "declared as integer")):
        text = conf("true", options).replace('"t.rows"', '"%s"' % table) + """
            events = ( { type = "test.event"; fields = ( { name = "n"; type = "integer"; } ); } );"""
        path = os.path.join(s.base, "bad.conf")
        with open(path, "w") as f:
            f.write(text.replace("%(base)s", s.base))
        r = s.daemon.command("check", "-c", path)
        equal(r.returncode, 1, "exit code of check: " + options)
        contains((r.stdout + r.stderr).decode(), want, "check of " + options)


made_by_the_daemon()
made_where_rows_need_one()
old_ones_are_dropped()
none_for_some()
told_by_the_key()
not_so_partitioned()
with System(HEAD, table=None, start_postgres=False) as s:
    refused(s)

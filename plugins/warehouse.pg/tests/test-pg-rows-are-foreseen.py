# SPDX-License-Identifier: MIT
"""What `ingestlayer test` shows of a row is what Postgres has of it afterwards,
column by column, against a table saved with `ddl --save`; what Postgres refuses is
the same dead letter there; and a table that has changed since is found out."""
import json
import os

from system import HEAD, System, contains, equal

CONF = HEAD + """
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; } ); }
);
"""
TABLE = """create schema t;
create domain t.small as smallint not null default 7;
create type t.mood as enum ('glad', 'sad');
create type t.place as (city text, "at" numeric);
create table t.rows (event_id text primary key, received_at timestamptz,
  n bigint, i integer, s t.small, r real, d double precision, num numeric(6, 2), yes boolean,
  txt text, short varchar(5), fixed character(4), blob bytea, uid uuid, day date, at time, ts timestamp, tz timestamptz,
  j json, payload jsonb, addr inet, net cidr, tags text[], nums bigint[], mood t.mood, place t.place,
  must text not null default 'x', gen bigint generated always as (n * 2) stored, big bigint default 40)"""
GOOD = [
    {"n": 1}, {"n": 2, "i": -7, "s": 3, "r": 1.5, "d": "1e300", "num": "1234.567", "yes": True},
    {"n": 3, "txt": "a\tb\\c\nd\u00e9\U0001f600", "short": "12345", "fixed": "ab", "blob": "\\x6869"},
    {"n": 4, "uid": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "day": "2026-11-28", "at": "10:00", "ts": "2026-11-28T10:00:00",
     "tz": "2026-11-28T10:00:00.25+02:00"},
    {"n": 5, "j": {"a": [1, {"b": None}]}, "addr": "10.0.0.1", "net": "10.0.0.0/8", "tags": ["a", "b c", None, '"'],
     "nums": [1, 2, 3]},
    {"n": 6, "mood": "glad", "place": {"city": "Ulm, old", "at": 1.10}, "must": "y", "big": None, "s": 1},
    {"n": 9007199254740993, "txt": "\\N", "num": 0, "yes": "off"},
]
BAD = [{"n": "many"}, {"n": 1, "i": 3000000000}, {"n": 1, "short": "123456"}, {"n": 1, "num": 12345}, {"n": 1, "must": None},
       {"n": 1, "uid": "no"}, {"n": 1, "day": "2026-02-30"}, {"n": 1, "yes": "perhaps"}, {"n": 1, "nums": [1, "x"]},
       {"n": 1, "addr": "nowhere"}, {"n": 1, "blob": "\\xzz"}, {"n": 1, "s": 40000}]


def quoted(text):
    return '"%s"' % "".join("\\" + c if c in '"\\' else c for c in text)


def test(name, events, expect):
    given = ",\n".join('{ id = "%s"; type = "t"; payload = %s; }' % (e["id"], quoted(json.dumps(e["payload"]))) for e in events)
    return '{ name = "%s"; given = ( %s ); expect = ( { lane = "all/warehouse.pg"; %s; } ); }' % (name, given, expect)


def run(s, tests, *options):
    path = os.path.join(s.base, "t.tests.conf")
    with open(path, "w") as f:
        f.write('config = "ingestlayer.conf"; tests = (\n%s\n);\n' % ",\n".join(tests))
    r = s.daemon.command("test", "--catalog", os.path.join(s.base, "tables.json"), *options, path)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def save(s):
    return s.daemon.command("ddl", "-c", s.conf, "--save", os.path.join(s.base, "tables.json"))


def insert(s, row):
    names = ['"%s"' % name for name in row]
    values = ["null" if v is None else "'%s'" % v.replace("'", "''") for v in row.values()]
    s.pg.sql("insert into t.foreseen (%s) values (%s)" % (", ".join(names), ", ".join(values)))


with System(CONF, table=TABLE) as s:
    good = [{"id": "g%d" % i, "type": "t", "payload": p} for i, p in enumerate(GOOD)]
    bad = [{"id": "b%d" % i, "type": "t", "payload": p} for i, p in enumerate(BAD)]
    s.post(good + bad)
    s.delivered()
    letters = {d["event_id"]: d["code"] for d in s.dead()}
    equal(sorted(letters), sorted(e["id"] for e in bad), "letters")
    r = save(s)
    equal((r.returncode, r.stdout, r.stderr), (0, b"", b""), "ddl --save")
    s.daemon.kill()
    s.pg.stop()

    # Without a server: the letters are those, and the rows ...
    code, out, err = run(s, [test("rows", good, "rows = %d" % len(good))] + [
        test(e["id"], [e], 'dead = "%s"' % letters[e["id"]]) for e in bad], "--json")
    equal((code, err), (0, ""), "tests: " + out)
    came = json.loads(out.splitlines()[0])["came"]
    equal([c["event"] for c in came], [e["id"] for e in good], "events that were sent")

    # ... go into such a table as they are, and are the same there.
    s.pg.start()
    s.pg.sql("create table t.foreseen (like t.rows including all)")
    for c in came:
        insert(s, json.loads(c["sent"]))
    for table, other in (("rows", "foreseen"), ("foreseen", "rows")):
        equal(s.pg.sql("select to_jsonb(w) - 'received_at' from t.%s w except select to_jsonb(w) - 'received_at' from t.%s w"
                       % (table, other)), "", "rows that are only in " + table)

    # A column that must not be null and that nothing fills; one that is gone.
    one = [test("one", good[:1], "rows = 1")]
    s.pg.sql("alter table t.rows add owner text; update t.rows set owner = 'x'; alter table t.rows alter owner set not null")
    equal(save(s).returncode, 0, "ddl --save")
    code, out, _ = run(s, one)
    equal(code, 1, "exit code where the table has one more column")
    contains(out, '23502: null value in column "owner" violates not-null constraint', "what is said of it")
    with open(s.conf) as f:
        conf = f.read()
    for column, said in (("n", '23502: null value in column "owner", which nothing fills, violates not-null constraint'),
                         ("gone", 'lane all/warehouse.pg: table "t"."rows" has no column "gone"')):
        with open(s.conf, "w") as f:
            f.write(conf.replace('table = "t.rows";', 'table = "t.rows"; columns = ( { name = "%s"; value = "$event.payload.n"; } );' % column))
        code, out, _ = run(s, one)
        equal(code, 1, "exit code with the column " + column)
        contains(out, said, "what is said of it")

    # Nobody answers: nothing is written.
    s.pg.stop()
    with open(os.path.join(s.base, "tables.json")) as f:
        kept = f.read()
    r = save(s)
    equal((r.returncode, r.stdout), (1, b""), "ddl --save without a server")
    contains(r.stderr.decode(), "warehouse.pg: ", "what it says")
    with open(os.path.join(s.base, "tables.json")) as f:
        equal(f.read(), kept, "the file")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the team's database has of users is what events are enriched with: at first
all of it, then what is newer, with types kept, with what is gone removed, and with
what others wrote left alone; through a transaction that stays open, a database that
is away, a schema that changes, and a daemon that is killed."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "tests/lib"))
from system import HEAD, System, contains, equal, event, eventually  # noqa: E402

CONF = HEAD.replace('"env:KEY"', '{ key = "env:KEY"; entities = "all"; }')
MIRROR = """{ name = "crm"; plugin = "entities.pg"; connection = "env:DSN";
  mirrors = ( { kind = "user"; key = "id"; every = "1s"; watermark = "updated_at"; gone = "delete"; full = "%s";
    query = "%s"; } ); } );
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
  steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; seen = true; } );
  destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "n"; value = "$event.payload.n"; }, { name = "plan"; value = "$entity.user.plan"; },
                { name = "seen"; value = "$entity.user.@seen"; } ); } ); } );
"""
QUERY = "select id, plan, updated_at, x, j, ts, arr, f, b, u from t.users"
TABLE = """create schema t; create table t.rows (n int, plan text, seen timestamptz);
create table t.users (id bigint primary key, plan text, updated_at timestamptz not null default now(),
  x numeric, j jsonb, ts timestamp, arr text[], f float8, b boolean, u uuid);
insert into t.users (id, plan) select i, 'free' from generate_series(1, 25000) i;
insert into t.users values (30000, E'tab\\tback\\\\slash\\nü', now(), 12345678901234567890.1200, '{"a":[1.10,null]}',
  '2026-01-02 03:04:05', array['a','b'], 0.1, true, '00000000-0000-0000-0000-000000000001')"""


def conf(query=QUERY, full="24h"):
    head = CONF.rstrip()
    assert head.endswith(");"), head
    return head[:-2].rstrip() + ",\n" + MIRROR.replace("%s", full, 1).replace("%s", query, 1)


with System(conf(), table=TABLE) as s:
    def entity(uid):
        status, body, _ = s.http("GET", "/v1/entities/user/%s" % uid)
        return body["data"] if status == 200 else None

    def traits(uid):
        one = entity(uid)
        return one and one["traits"]

    def plan(uid, want, what):
        eventually(lambda: (traits(uid) or {}).get("plan") == want, what, 60)

    plan(25000, "free", "the first run")
    eventually(lambda: traits(30000), "all rows", 60)

    # every type has its form, numbers digit for digit
    raw = s.daemon.command("entity", "get", "-c", s.conf, "user", "30000").stdout.decode()
    contains(raw, '"x":12345678901234567890.1200', "numeric")
    contains(raw, '"j":{"a":[1.10,null]}', "jsonb")
    got = traits(30000)
    equal(got["ts"], "2026-01-02T03:04:05", "timestamp")
    equal(got["arr"], ["a", "b"], "array")
    equal(got["f"], 0.1, "float8")
    equal(got["b"], True, "boolean")
    equal(got["plan"], "tab\tback\\slash\nü", "text")
    equal(got["u"], "00000000-0000-0000-0000-000000000001", "uuid")
    equal(traits(1)["x"], None, "null")

    # an event has it
    s.post(event(1, user_id="7"))
    s.delivered()
    equal(s.pg.sql("select n, plan from t.rows"), "1|free", "row")
    equal(s.pg.sql("select now() - seen between '0' and '1 minute' from t.rows"), "t", "how old it was")

    # what is newer comes by itself
    s.pg.sql("update t.users set plan = 'pro', updated_at = now() where id = 7")
    plan(7, "pro", "a change")

    # what others wrote stays, and goes on being theirs
    s.http("PATCH", "/v1/entities/user/8", {"traits": {"plan": "gift", "score": 5}})
    s.pg.sql("update t.users set plan = 'team', b = true, updated_at = now() where id = 8")
    eventually(lambda: traits(8)["b"] is True, "the other column", 60)
    equal((traits(8)["plan"], traits(8)["score"]), ("gift", 5), "the API's traits")

    # a transaction that began before others and ends after them
    slow = subprocess.Popen(["psql", "-qX", s.pg.dsn], stdin=subprocess.PIPE)
    slow.stdin.write(b"begin; update t.users set plan = 'late', updated_at = now() where id = 9;\n")
    slow.stdin.flush()
    eventually(lambda: s.pg.sql("select count(*) from pg_stat_activity where state = 'idle in transaction'") == "1",
               "it is open", 30)
    s.pg.sql("update t.users set plan = 'soon', updated_at = now() where id = 10")
    plan(10, "soon", "a later transaction")
    time.sleep(2.5)
    slow.stdin.write(b"commit;\n")
    slow.stdin.close()
    slow.wait()
    plan(9, "late", "the earlier transaction")

    # a row of tomorrow holds nothing up
    s.pg.sql("update t.users set plan = 'future', updated_at = now() + '1 day' where id = 11")
    plan(11, "future", "a clock that is ahead")
    s.pg.sql("update t.users set plan = 'now', updated_at = now() where id = 12")
    plan(12, "now", "what comes after it")

    # what is gone, when somebody asks for all of it
    s.pg.sql("delete from t.users where id in (8, 13)")
    r = s.daemon.command("entity", "mirror", "run", "-c", s.conf, "crm/user")
    equal(r.returncode, 0, "entity mirror run (%s)" % r.stderr.decode())
    eventually(lambda: traits(13) is None, "it is gone", 60)
    eventually(lambda: traits(8) == {"plan": "gift", "score": 5}, "of the other what is not the mirror's stays", 60)
    shown = json.loads(s.daemon.command("entity", "mirror", "status", "-c", s.conf, "--json").stdout.decode())
    equal(shown["mirror"], "crm/user", "status")

    # half of the rows and less is suspicious once
    s.pg.sql("create table t.kept as select * from t.users; delete from t.users where id > 100")
    s.daemon.command("entity", "mirror", "run", "-c", s.conf, "crm/user")
    eventually(lambda: "nothing is removed" in open(s.daemon.log).read(), "it says so", 60)
    equal(traits(200)["plan"], "free", "and keeps")
    s.pg.sql("insert into t.users select * from t.kept where id > 100")
    s.daemon.command("entity", "mirror", "run", "-c", s.conf, "crm/user")

    # a query that is another one reads all rows again, by a reload
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("select id, plan,", "select id, 'x' as extra, plan,"))
    equal(s.daemon.command("reload", "-c", s.conf).returncode, 0, "reload")
    eventually(lambda: traits(200).get("extra") == "x" and traits(99).get("extra") == "x", "the new column", 60)

    # a column that is gone is said, and then comes back; the store answers meanwhile
    s.pg.sql("alter table t.users rename plan to tariff")
    eventually(lambda: 'column "plan" does not exist' in open(s.daemon.log).read(), "the log names the column", 60)
    equal(traits(7)["plan"], "pro", "meanwhile")
    s.pg.sql("alter table t.users rename tariff to plan; update t.users set plan = 'back', updated_at = now() where id = 14")
    plan(14, "back", "it goes on by itself")

    # the database is away, and so is the daemon for a moment
    s.pg.stop()
    time.sleep(1.5)
    equal(traits(7)["plan"], "pro", "the store answers")
    s.daemon.kill()
    s.daemon.start()
    equal(traits(7)["plan"], "pro", "after a restart, too")
    s.pg.start()
    s.pg.sql("update t.users set plan = 'again', updated_at = now() where id = 15")
    plan(15, "again", "it is back")
    if s.pg.dsn in open(s.daemon.log).read():
        raise SystemExit("the connection string is in the log")

# SPDX-License-Identifier: MIT
"""`ingestlayer plan` says what the database lacks, and changes nothing; `apply`
runs a plan that was saved, as the owner where the role may not, and never changes
a type or drops anything."""
import json
import os
import subprocess
import time

from servers import INGESTLAYER
from system import HEAD, System, contains, equal, event, eventually

CONF = HEAD + """
events = ( { type = "test.event"; fields = ( { name = "n"; type = "integer"; },%s
                                             { name = "at"; type = "timestamp"; } ); } );
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; %s } ); }
);
"""
PARTITION = 'partition = { by = "received_at"; every = "1 day"; ahead = 2; };'
ROLE = """create role writer login; revoke create on database postgres from public"""


def conf(more="", options=""):
    return CONF.replace("%s", more, 1).replace("%s", options, 1)


def ask(s, *args, code):
    r = s.daemon.command(*args, "-c", s.conf)
    equal(r.returncode, code, "exit code of %s: %s" % (" ".join(args), (r.stdout + r.stderr).decode()))
    return (r.stdout + r.stderr).decode()


def rewrite(s, text):
    with open(s.conf, "w") as f:
        f.write(text.replace("%(base)s", s.base))


def as_owner(s):
    path = os.path.join(s.base, "owner")
    with open(path, "w") as f:
        f.write(s.pg.dsn + "\n")
    return path


def all_of_it():
    """From nothing, by an owner, for a role that may change nothing."""
    with System(conf(options=PARTITION), table=ROLE, start=False) as s:
        s.daemon.env["DSN"] = s.pg.dsn.replace("user=il", "user=writer")
        plan = os.path.join(s.base, "plan.json")
        said = ask(s, "plan", "--save", plan, code=3)
        contains(said, 'create table if not exists "t"."rows"', "plan")
        contains(said, 'grant insert, select on "t"."rows" to "writer"', "plan")
        contains(said, 'grant select, insert, update on "ingestlayer".lanes to "writer"', "plan")
        equal(s.pg.sql("select count(*) from pg_namespace where nspname in ('t', 'ingestlayer')"), "0", "schemas")
        equal(ask(s, "plan", code=3), said, "another plan")
        contains(ask(s, "apply", plan, code=1), "permission denied", "apply by a role that may not")
        said = ask(s, "apply", "--connection-file", as_owner(s), plan, code=0)
        contains(said, "create table", "apply")
        contains(ask(s, "plan", code=0), "nothing to change", "plan afterwards")
        contains(ask(s, "apply", "--connection-file", as_owner(s), plan, code=1), "not what it was", "the same plan again")
        s.daemon.start()
        s.post([event(i) for i in range(5)])
        s.delivered()
        equal(s.pg.sql("select count(*) from t.rows"), "5", "rows")


def grown_and_never_retyped():
    table = """create schema t; create table t.rows (event_id text primary key, type varchar(40), at text, n bigint,
        mine integer); insert into t.rows values ('old', 'x', 'y', 1, 2); analyze t.rows"""
    with System(conf(), table=table) as s:
        s.post([event(1)])
        s.delivered()
        said = ask(s, "plan", code=0)
        contains(said, '"at" is text, and declared as timestamptz', "plan")
        contains(said, "about 1 rows are written anew", "plan")
        rewrite(s, conf(' { name = "plan"; type = "string"; },'))
        plan = os.path.join(s.base, "plan.json")
        said = ask(s, "plan", "--save", plan, code=3)
        contains(said, 'alter table "t"."rows" add column if not exists "plan" text;', "plan")
        contains(said, "ACCESS EXCLUSIVE", "plan")
        with open(plan) as f:
            equal([c["sql"] for c in json.load(f)["all/warehouse.pg"]["changes"]],
                  ['alter table "t"."rows" add column if not exists "plan" text;\n'], "what is saved")
        waits_for_a_lock(s, plan)
        equal(s.pg.sql("select string_agg(attname || ' ' || atttypid::regtype, ', ' order by attnum) from pg_attribute"
                       " where attrelid = 't.rows'::regclass and attnum > 0"),
              "event_id text, type character varying, at text, n bigint, mine integer, plan text", "columns")
        equal(s.daemon.command("reload", "-c", s.conf).returncode, 0, "reload")
        s.post([dict(event(2), payload={"n": 2, "plan": "pro"})])
        eventually(lambda: s.pg.sql("select plan from t.rows where event_id = 'e000002'") == "pro", "it is filled")
        # Somebody changes the table in between.
        s.pg.sql("alter table t.rows drop column plan")
        ask(s, "plan", "--save", plan, code=3)
        s.pg.sql("alter table t.rows add column other text")
        contains(ask(s, "apply", plan, code=1), "make another one", "apply")
        equal(s.pg.sql("select count(*) from pg_attribute where attrelid = 't.rows'::regclass and attname = 'plan'"), "0",
              "columns named plan")


def waits_for_a_lock(s, plan):
    """Those that come after it are not held up for longer than two seconds."""
    reader = subprocess.Popen(["psql", "-Xq", s.pg.dsn], stdin=subprocess.PIPE)
    reader.stdin.write(b"begin; table t.rows limit 0;\n")
    reader.stdin.flush()
    eventually(lambda: s.pg.sql("select count(*) from pg_locks where relation = 't.rows'::regclass") != "0", "it reads")
    apply = subprocess.Popen([INGESTLAYER, "apply", plan, "-c", s.conf], env=s.daemon.env)
    eventually(lambda: s.pg.sql("select count(*) from pg_locks where not granted") != "0", "it waits")
    begun = time.monotonic()
    s.pg.sql("select count(*) from t.rows")
    waited = time.monotonic() - begun
    if waited > 10:
        raise SystemExit("a reader waited %.1f s behind it" % waited)
    equal(apply.poll(), None, "it goes on trying")
    reader.communicate(b"commit;\n", timeout=30)
    equal(apply.wait(60), 0, "exit code of apply")


def partitions_and_rights():
    table = """create schema t; create role writer login; create table t.rows (event_id text, received_at timestamptz,
        primary key (event_id, received_at)) partition by range (received_at)"""
    with System(conf(options=PARTITION + ' columns = ( { name = "received_at"; value = "$event.received_at"; } );'),
                table=table, start=False) as s:
        s.daemon.env["DSN"] = s.pg.dsn.replace("user=il", "user=writer")
        plan = os.path.join(s.base, "plan.json")
        said = ask(s, "plan", "--save", plan, code=3)
        contains(said, 'grant usage on schema t to "writer";', "plan without the right to see the table")
        contains(said, "what else there is", "the same")
        ask(s, "apply", "--connection-file", as_owner(s), plan, code=0)
        said = ask(s, "plan", "--save", plan, code=3)
        equal(said.count("attach partition"), 3, "partitions in the plan")
        ask(s, "apply", "--connection-file", as_owner(s), plan, code=0)
        contains(ask(s, "plan", code=0), "nothing to change", "plan afterwards")
        s.daemon.start()
        s.post([event(1)])
        s.delivered()
        equal(s.pg.sql("select count(*) from t.rows"), "1", "rows")


def wrong(s):
    path = os.path.join(s.base, "wrong.json")
    for text in ("", "[]", "{", '{"all/warehouse.pg": {}}', '{"all/warehouse.pg": {"table": "x", "signature": "1"}}'):
        with open(path, "w") as f:
            f.write(text)
        ask(s, "apply", path, code=1)
    ask(s, "apply", path + ".none", code=1)
    ask(s, "apply", code=2)
    ask(s, "plan", "nobody", code=1)
    s.pg.stop()
    ask(s, "plan", code=1)


all_of_it()
grown_and_never_retyped()
partitions_and_rights()
with System(conf(), start=False) as s:
    wrong(s)

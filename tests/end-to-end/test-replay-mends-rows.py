# SPDX-License-Identifier: MIT
"""`ingestlayer replay`: what was delivered beside what the config would deliver
today: rows that are missing, differ or should not be there are found; what is
missing is brought in and what differs is mended, each once, also where the daemon
dies on the way, and what somebody changes meanwhile is left alone."""
import json
import threading
import time

from reloads import take
from system import HEAD, System, contains, equal, event

TABLE = """create schema t; create table t.rows (event_id text primary key, n bigint, twice bigint, plan text, note text,
            doc json, at timestamptz default now());
           create table t.bare (event_id text, n bigint);
           create view t.seen as select * from t.rows"""
LANE = """
  { name = "%(name)s"; sources = ( { source = "app"; } );
    steps = ( { plugin = "filter.match"; where = "%(where)s"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "pass"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.%(table)s"; %(more)s
                       columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; }
                                   %(columns)s ); } ); }"""
WRONG = ', { name = "twice"; value = "$event.payload.n"; }, { name = "plan"; value = "$entity.user.plan"; }, ' \
        '{ name = "doc"; value = "$event.payload.doc"; }'
RIGHT = WRONG.replace("$event.payload.n", "$event.payload.twice")
N = 3000


def lane(where="n >= 0", columns=WRONG, table="rows", name="all", more=""):
    return LANE % {"name": name, "where": where, "columns": columns, "table": table, "more": more}


def conf(*lanes):
    return HEAD + "pipelines = (" + ",".join(lanes) + ");"


def replay(s, *options, lane="all/pg", since="1h", code=0):
    """The lines that it has to say, by what they have, and its report."""
    r = s.daemon.command("replay", "-c", s.conf, "--lane", lane, "--since", since, "--json", *options)
    equal(r.returncode, code, "exit code of replay (%s %s)" % (r.stdout[-500:], r.stderr))
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    reports = [x["report"] for x in lines if "report" in x]
    return (reports[0] if reports else None), [x for x in lines if "sample" in x], \
        {x["column"]: x["different"] for x in lines if "column" in x}, r.stderr.decode()


def counts(report):
    keys = ("events", "delivered_today", "same", "missing", "different", "only_there", "refused", "inserted", "updated",
            "changed_meanwhile")
    return {k: report[k] for k in keys if report[k]}


with System(conf(lane()), table=TABLE) as s:
    s.http("POST", "/v1/entities", [{"kind": "user", "external_id": "u1", "traits": {"plan": "free"}}])
    for i in range(0, N, 500):
        s.post([event(k, twice=2 * k, user="u1", doc={"k": [k, "x"]}) for k in range(i, i + 500)])
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows where twice = n and plan = 'free'"), str(N), "rows, with a wrong mapping")
    report, samples, columns, _ = replay(s)
    equal(counts(report), {"events": N, "delivered_today": N, "same": N}, "as they are")
    equal((samples, columns), ([], {}), "as they are")

    # a wrong mapping went live; somebody deletes rows, and changes others
    s.pg.sql("delete from t.rows where n between 10 and 19; update t.rows set note = 'by hand', n = -n where n in (5, 6)")
    take(s, conf(lane(columns=RIGHT)))
    s.http("POST", "/v1/entities", [{"kind": "user", "external_id": "u1", "traits": {"plan": "pro"}}])
    report, samples, columns, _ = replay(s, "--samples", "1000")
    # 0 is its own double
    equal(counts(report), {"events": N, "delivered_today": N, "same": 1, "missing": 10, "different": N - 11}, "what differs")
    equal(columns, {"n": 2, "twice": N - 11, "plan": N - 10}, "columns that differ")
    missing = sorted(x["id"] for x in samples if x["sample"] == "missing")
    equal(missing, ["e%06d" % k for k in range(10, 20)], "what is missing")
    one = [x for x in samples if x["id"] == "e000005"][0]
    equal((one["sample"], one["columns"]["n"], one["columns"]["twice"]),
          ("different", {"there": "-5", "today": "5"}, {"there": "5", "today": "10"}), "what is shown of one")
    equal(s.pg.sql("select count(*) from t.rows where twice = n"), str(N - 12), "nothing is changed by that")
    equal(s.pg.sql("select count(*) from ingestlayer.lanes"), "1", "nor does it leave a row")
    text = s.daemon.command("replay", "-c", s.conf, "--lane", "all/pg", "--since", "1h").stdout.decode()
    contains(text, "10 are not there", "for people")
    contains(text, "column twice differs in %d\n" % (N - 11), "for people")
    contains(text, "column plan differs in %d (it says how an entity or a step is today)" % (N - 10), "for people")

    # where, since, until; what today's rule would not let through
    report = replay(s, "--where", "n < 100")[0]
    equal(counts(report), {"events": 100, "delivered_today": 100, "same": 1, "missing": 10, "different": 89}, "--where")
    equal(replay(s, "--until", "30m")[0]["events"], 0, "--until")
    take(s, conf(lane(columns=RIGHT, where="n >= 100")))
    report, samples, _, _ = replay(s)
    equal((report["delivered_today"], report["only_there"]), (N - 100, 90), "what would not be delivered today")
    equal({x["sample"] for x in samples} >= {"only_there"}, True, "samples: %s" % samples)
    take(s, conf(lane(columns=RIGHT)))

    # what is missing
    report = replay(s, "--insert")[0]
    equal((report["missing"], report["inserted"], report["updated"]), (10, 10, 0), "--insert")
    equal(s.pg.sql("select count(*) || ' ' || count(distinct event_id) from t.rows"), "%d %d" % (N, N), "rows")
    equal(replay(s, "--insert")[0]["inserted"], 0, "--insert again")

    # what differs, one column of it, then all
    report = replay(s, "--update", "--columns", "n")[0]
    equal((report["updated"], s.pg.sql("select count(*) from t.rows where n < 0")), (2, "0"), "--update --columns n")
    equal(s.pg.sql("select count(*) from t.rows where note = 'by hand'"), "2", "columns that are not the lane's")
    report = replay(s, "--update")[0]
    equal(report["updated"], N - 11, "--update")
    equal(s.pg.sql("select count(*) from t.rows where twice = 2 * n"), str(N), "rows that are mended")
    equal(s.pg.sql("select plan || ' ' || count(*) from t.rows group by plan order by 1"), "free %d\npro 10" % (N - 10),
          "what an entity was stays")
    equal(counts(replay(s)[0]), {"events": N, "delivered_today": N, "same": N}, "afterwards")
    report = replay(s, "--update", "--columns", "plan")[0]
    equal(report["updated"], N - 10, "unless it is named")
    equal(s.pg.sql("select count(*) from ingestlayer.lanes"), "1", "rows of replays are gone")

    # the live lane goes on meanwhile, and the daemon dies
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    s.pg.sql("update t.rows set twice = 0; delete from t.rows where n % 7 = 3")
    gone = int(s.pg.sql("select %d - count(*) from t.rows" % N))
    for k in range(3):
        thread = threading.Thread(target=s.daemon.command, args=(
            "replay", "-c", s.conf, "--lane", "all/pg", "--since", since, "--insert"))
        thread.start()
        time.sleep(0.03 * k)
        s.daemon.kill()
        thread.join()
        s.daemon.start()
        s.post([event(N + k, twice=2 * (N + k), user="u1")])
    replay(s, "--insert", since=since)
    s.delivered()
    equal(s.pg.sql("select count(*) || ' ' || count(distinct event_id) from t.rows"), "%d %d" % (N + 3, N + 3),
          "rows after kills")
    replay(s, "--update", since=since)
    equal(s.pg.sql("select count(*) from t.rows where twice = 2 * n"), str(N + 3), "rows that are mended")

    # a row that does not fit is told, and the others are not held up
    s.pg.sql("delete from t.rows where n between 50 and 59; alter table t.rows add check (n <> 55)")
    report, samples, _, _ = replay(s, "--insert", "--where", "n < 100")
    equal((report["inserted"], report["refused"]), (9, 1), "with a row that does not fit")
    equal([(x["id"], "check constraint" in x["why"]) for x in samples if x["sample"] == "refused"], [("e000055", True)],
          "what is told of it")

    # what cannot be done is said
    take(s, conf(lane(columns=RIGHT), lane(name="bare", table="bare", columns="", more='begin = "oldest";')))
    s.delivered()
    equal(counts(replay(s, lane="bare/pg")[0]), {"events": N + 3, "delivered_today": N + 3, "same": N + 3}, "without a key")
    contains(replay(s, "--insert", lane="bare/pg", code=1)[3], "has no unique index on", "--insert without a key")
    contains(replay(s, lane="no/pg", code=1)[3], "has no lane no/pg", "a lane that is not there")
    contains(replay(s, "--where", "n <", code=1)[3], "--where: ", "a wrong expression")
    contains(replay(s, "--update", "--columns", "nix", code=1)[3], 'fills no column "nix"', "a column that is not there")
    contains(replay(s, "--update", "--columns", "event_id", code=1)[3], "tells rows apart", "the key")
    equal(replay(s, "--insert", "--update", code=2)[0], None, "two modes")
    equal(replay(s, since="x", code=2)[0], None, "a wrong time")
    with open(s.base + "/new.conf", "w") as f:
        f.write(conf(lane(columns=WRONG)) % {"base": s.base})
    r = s.daemon.command("replay", "-c", s.base + "/new.conf", "--lane", "all/pg", "--since", "1h", "--json")
    equal(json.loads(r.stdout.splitlines()[-1])["report"]["different"], N + 1, "by a config that does not run: %s" % r.stderr)
    r = s.daemon.command("replay", "-c", s.base + "/new.conf", "--lane", "all/pg", "--since", "1h", "--update")
    contains(r.stderr.decode(), "does not run by this config", "--update by a config that does not run")
    equal(s.daemon.stop(), 0, "exit code")

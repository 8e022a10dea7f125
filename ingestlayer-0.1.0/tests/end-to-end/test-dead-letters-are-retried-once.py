# SPDX-License-Identifier: MIT
"""`ingestlayer dead retry`: rows that a constraint refused arrive once it is
dropped, each once, and their letters go; one that is refused again is a letter
again, with its attempts counted.  Other lanes see nothing of it."""
from system import PLAIN, System, contains, equal, event, eventually

TWO = PLAIN.rstrip().removesuffix(");").rstrip() + """,
  { name = "other";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.other";
                       columns = ( { name = "event_id"; value = "$event.id"; } ); } ); }
);
"""
TABLE = """create schema t; create table t.other (event_id text);
create table t.rows (event_id text, n bigint constraint below_1000 check (n < 1000) constraint even check (n % 2 = 0))"""
LANE = "all/warehouse.pg"


def retry(s, *args, code=0):
    r = s.daemon.command("dead", "retry", "-c", s.conf, *args)
    equal((r.returncode, r.stderr.decode() if r.returncode != code else ""), (code, ""), "dead retry " + " ".join(args))
    return r


with System(TWO, table=TABLE) as s:
    s.post([event(i * 2, n=i * 2 if i % 10 else 5000) for i in range(100)])
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), "90", "rows")
    equal(len(s.dead()), 10, "letters")
    first = s.dead()[0]["position"]

    # Refused again: a letter again, elsewhere, with one attempt more.
    r = retry(s, "--wait", LANE, str(first), code=1)
    contains(r.stdout.decode(), "dead letters again 1", "what became of it")
    letters = s.dead()
    equal((len(letters), letters[-1]["attempts"], letters[-1]["event_id"]), (10, 2, "e000000"), "the letter")
    equal([d["position"] for d in letters if d["position"] == first], [], "the letter it was")

    s.pg.sql("alter table t.rows drop constraint below_1000")
    out = retry(s, "--all").stdout.decode()
    contains(out, "retried 10", "dead retry")
    eventually(lambda: not s.dead(), "the letters go")
    rows = s.pg.sql("select string_agg(event_id, ' ' order by event_id) from t.rows")
    equal(rows, " ".join("e%06d" % (i * 2) for i in range(100)), "rows")
    equal(s.pg.sql("select count(*) from t.other"), "100", "rows of the other lane")
    equal(retry(s, "--all").stdout, b"retried 0\n", "nothing is left")

    # Which ones.
    s.post([event(1001), event(1003, n="many"), event(1005)])
    s.delivered()
    equal(len(s.dead()), 3, "letters")
    s.pg.sql("alter table t.rows drop constraint even")
    contains(retry(s, "--wait", "--code", "23514", "--event", "e001005", "--all").stdout.decode(), "settled 1", "one")
    contains(retry(s, "--wait", "--code", "23514", "--pipeline", "all", "--all").stdout.decode(), "settled 1", "one")
    equal([d["event_id"] for d in s.dead()], ["e001003"], "the other code")
    contains(retry(s, "--wait", "--all", LANE, code=1).stdout.decode(), "dead letters again 1", "not mended")
    retry(s, LANE, "1", code=1)
    retry(s, code=2)
    contains(retry(s, "gate/app", "1", code=1).stderr.decode(), "never accepted", "of the gate")

    s.daemon.stop()
    contains(retry(s, "--all", code=1).stderr.decode(), "start it", "without a daemon")
    s.daemon.start()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "102|102", "rows")

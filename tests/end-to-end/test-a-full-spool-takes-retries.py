# SPDX-License-Identifier: MIT
"""While one lane holds a spool that is full, and new events are refused, the
letters of another can be tried again, and what a step has put aside comes again:
their frames have a segment for themselves."""
import os

from system import HEAD, System, contains, equal, event, eventually

CONF = 'spool = { segment = "1MiB"; max_size = "4MiB"; retain = "0s"; };\n' + HEAD + """
pipelines = (
  { name = "all"; sources = ( { source = "app"; match = "test.*"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
      columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); } ); },
  { name = "later"; sources = ( { source = "app"; match = "late"; } );
    steps = ( { plugin = "throttle"; max = 2; window = "1h"; mode = "delay"; delay_max = "9h"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.later";
      columns = ( { name = "event_id"; value = "$event.id"; } ); } ); },
  { name = "stuck"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.missing";
      columns = ( { name = "event_id"; value = "$event.id"; } ); } ); }
);
"""
TABLE = """create schema t; create table t.later (event_id text);
create table t.rows (event_id text, n bigint constraint below_1000 check (n < 1000))"""


def clock(s, seconds):
    with open(s.clock + ".new", "w") as f:
        f.write("%d\n" % (seconds * 1000000))
    os.rename(s.clock + ".new", s.clock)


def refused(s):
    return s.http("POST", "/v1/ingest", [event(500000, text="x" * 200)])[0] == 503


with System(CONF, start=False, table=TABLE) as s:
    s.clock = s.base + "/clock"
    s.daemon.env["INGESTLAYER_CLOCK_FILE"] = s.clock
    clock(s, 0)
    s.daemon.start()
    s.post([event(i, n=5000 if i % 5 == 0 else 1) for i in range(500)])
    s.post([{"type": "late", "id": "l%d" % i, "payload": {}} for i in range(4)])
    n = 500
    for many in (500, 20, 1): # until there is room for none
        status = 202
        while status == 202 and n < 100000:
            status = s.http("POST", "/v1/ingest", [event(n + i, text="x" * 200, n=1) for i in range(many)])[0]
            n += many if status == 202 else 0
        equal(status, 503, "status at the limit")
    eventually(lambda: not s.lane("all/rows")["lag_events"] and not s.lane("later/rows")["lag_events"],
               "the other lanes have passed all")
    equal(len(s.dead("all/rows")), 100, "letters")
    equal(s.pg.sql("select count(*) from t.later"), "2", "rows that the step let pass")

    # Letters: also what is refused again has written a frame.
    first = s.dead("all/rows")[0]
    r = s.daemon.command("dead", "retry", "-c", s.conf, "--wait", "all/rows", str(first["position"]))
    contains(r.stdout.decode(), "dead letters again 1", "a retry in vain (%s)" % r.stderr.decode())
    s.pg.sql("alter table t.rows drop constraint below_1000")
    equal(refused(s), True, "new events are refused")
    r = s.daemon.command("dead", "retry", "-c", s.conf, "--wait", "--all", "all/rows")
    equal((r.returncode, r.stderr.decode()), (0, ""), "dead retry")
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows where n = 5000"), "100|100", "their rows")

    # What a step has put aside for an hour.
    clock(s, 3600)
    eventually(lambda: s.pg.sql("select count(*), count(distinct event_id) from t.later") == "4|4", "rows of the hour")
    equal(refused(s), True, "new events are refused, still")

    # The one that held the spool goes on: all is there once, and the spool takes events.
    s.pg.sql("create table t.missing (event_id text)")
    eventually(lambda: not refused(s), "it takes events again", 60)
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.missing"), "%d|%d" % (n + 5, n + 5), "rows")

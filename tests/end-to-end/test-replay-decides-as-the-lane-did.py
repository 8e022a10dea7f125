# SPDX-License-Identifier: MIT
"""Steps that remember decide the same when the spool goes through them once more:
`replay` finds each row of a lane with dedupe, throttle and count as it would write
it today, also where it begins in the middle, as they remember what came before."""
import json
import random
import time

from system import HEAD, System, equal

TABLE = "create schema t; create table t.rows (event_id text primary key, n bigint, nth bigint)"
CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
    steps = ( { plugin = "dedupe"; key = "$event.payload.n"; window = "1h"; },
              { plugin = "throttle"; key = "$event.payload.k"; max = 60; window = "1h"; },
              { plugin = "count"; name = "seen"; key = "$event.payload.k"; window = "1h"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; },
                                   { name = "nth"; value = "$step.seen.nth"; } ); } ); } );
"""
chance = random.Random(7)


def post(s, first):
    s.post([{"id": "e%06d" % k, "type": "test.event", "payload": {"n": chance.randrange(900), "k": "k%d" % (k % 9)}}
            for k in range(first, first + 400)])


def replay(s, since):
    r = s.daemon.command("replay", "-c", s.conf, "--lane", "all/pg", "--since", since, "--json")
    equal(r.returncode, 0, "exit code (%s)" % r.stderr)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    equal([x for x in lines if "report" not in x], [], "what differs")
    return lines[-1]["report"]


with System(CONF, table=TABLE) as s:
    post(s, 0)
    post(s, 400)
    s.delivered()
    time.sleep(1.1)
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    half = int(s.pg.sql("select count(*) from t.rows"))
    post(s, 800)
    s.delivered()
    rows = int(s.pg.sql("select count(*) from t.rows"))
    equal((0 < half < rows, rows < 1200), (True, True), "some pass, and some do not (%d, %d)" % (half, rows))
    for since, events, there in (("1h", 1200, rows), (middle, 400, rows - half)):
        report = replay(s, since)
        equal((report["events"], report["delivered_today"], report["same"], report["missing"], report["different"],
               report["only_there"]), (events, there, there, 0, 0, 0), "since " + since)
        s.daemon.kill()
        s.daemon.start()
        s.delivered()

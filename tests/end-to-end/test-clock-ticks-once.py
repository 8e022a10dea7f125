# SPDX-License-Identifier: MIT
"""clock: each tick is in the spool once, whatever dies in between, and the last of
those that were missed is made up for; no step counts one and no destination gets
one, but the time of the stream goes on by them: a window ends though nothing
comes."""
import json
import time

from system import HEAD, System, equal, eventually

CONF = HEAD.replace('plugin = "sdk.event";', 'plugin = "sdk.event"; ') \
    .replace("sources = (", 'sources = ( { name = "seconds"; plugin = "clock"; every = "1s"; },') + """
events = ( { type = "t"; fields = ( { name = "n"; type = "integer"; } ); } );
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; }, { source = "seconds"; } );
  steps = ( { plugin = "throttle"; max = 1; window = "1h"; mode = "mark"; name = "limit"; },
            { plugin = "filter.match"; where = "n >= 0"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$step.limit.count"; } ); } ); } );
"""


def ticks(s):
    lines = s.daemon.command("spool", "export", "-c", s.conf).stdout.decode().splitlines()
    return [e for e in map(json.loads, lines) if e.get("type") == "clock.tick"]


with System(CONF) as s:
    s.post([{"type": "t", "id": "first", "payload": {"n": 1}}])
    for n in range(6):
        time.sleep(0.5 + n * 0.4)
        s.daemon.kill()
        s.daemon.start()
    s.daemon.kill()
    time.sleep(3)
    s.daemon.start()
    eventually(lambda: ticks(s) and ticks(s)[-1]["payload"]["missed"] == 0 and len(ticks(s)) > 5, "ticks go on")
    s.post([{"type": "t", "id": "second", "payload": {"n": 1}}])
    s.delivered()
    got = ticks(s)
    equal(sorted({e["id"] for e in got}), sorted(e["id"] for e in got), "ids of ticks")
    equal([e["id"] for e in got], ["tick/seconds/" + e["payload"]["time"] for e in got], "ids and times")
    times = [e["payload"]["time"] for e in got]
    equal(times, sorted(times), "their order")
    equal(any(e["payload"]["missed"] >= 2 for e in got), True, "one that says what was missed: %s" % got)
    at = [time.mktime(time.strptime(t, "%Y-%m-%dT%H:%M:%SZ")) for t in times]
    for before, now, tick in zip(at, at[1:], got[1:]):
        equal(now - before, 1 + tick["payload"]["missed"], "seconds between ticks, at %s" % tick)
    # In the same hour the second event is the second, ticks are none.
    rows = s.pg.sql("select event_id, n from t.rows order by n, event_id")
    equal(rows in ("first|1\nsecond|2", "first|1\nsecond|1"), True, "rows: %s" % rows)
    equal(s.dead(), [], "dead letters")
    lane = s.lane()
    equal((lane["delivered"], lane["dropped"]), (1, 0), "what the lane tells of the last run: %s" % lane)

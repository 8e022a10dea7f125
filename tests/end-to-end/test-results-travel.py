# SPDX-License-Identifier: MIT
"""An event whose delivery failed comes again as it was decided: past dedupe, throttle and
count, which have seen it, with the results that it had then, through kills."""
from system import HEAD, System, equal, eventually

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "dedupe"; name = "once"; key = "$event.payload.n"; window = "24h"; },
            { plugin = "throttle"; name = "limit"; max = 4; window = "24h"; },
            { plugin = "count"; name = "exports"; },
            { plugin = "filter.match"; where = "$step.exports.nth < 4 or n > 3"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$step.exports.nth"; } ); } ); } );
"""


def events(s, *ns):
    s.post([{"type": "t", "id": "e%d" % n, "payload": {"n": n}} for n in ns])
    s.delivered()


def rows(s):
    return s.pg.sql("select event_id, n from t.rows order by n").splitlines()


with System(CONF) as s:
    s.pg.sql("alter table t.rows add constraint not_two check (n <> 2)")
    events(s, 1, 2, 3)
    eventually(lambda: len(s.dead()) == 1, "the second is a dead letter")
    events(s, 4)
    s.post([{"type": "t", "id": "again", "payload": {"n": 2}}])  # a duplicate of the one that waits
    s.post([{"type": "t", "id": "e5", "payload": {"n": 5}}])     # above the limit
    s.delivered()
    s.daemon.kill()
    s.daemon.start()
    s.pg.sql("alter table t.rows drop constraint not_two")
    r = s.daemon.command("dead", "retry", "-c", s.conf, "--all")
    equal(r.returncode, 0, "dead retry: " + r.stderr.decode())
    eventually(lambda: len(rows(s)) == 4, "it is delivered")
    equal(rows(s), ["e1|1", "e2|2", "e3|3", "e4|4"], "rows, and which export each was")
    eventually(lambda: s.dead() == [], "its letter goes")
    s.daemon.kill()
    s.daemon.start()
    s.delivered()
    equal(rows(s), ["e1|1", "e2|2", "e3|3", "e4|4"], "rows after a kill")

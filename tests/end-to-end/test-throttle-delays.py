# SPDX-License-Identifier: MIT
"""throttle, mode = "delay": what is above the limit is a row in a later window,
once, also where the daemon died meanwhile; what would have to wait for too long
is a dead letter."""
import time

from system import HEAD, System, equal, eventually

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "throttle"; max = 2; window = "3s"; mode = "delay"; delay_max = "9s"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); } ); } );
"""

with System(CONF) as s:
    while time.time() % 3 > 0.3: # all in one window
        time.sleep(0.02)
    s.post([{"type": "t", "id": "e%d" % n, "payload": {"n": n}} for n in range(10)])
    s.delivered()
    equal(s.pg.sql("select string_agg(event_id, ',' order by n) from t.rows"), "e0,e1", "rows at once")
    s.daemon.kill()
    s.daemon.start()
    eventually(lambda: s.pg.sql("select count(*) from t.rows") == "8", "rows of later windows", 60)
    eventually(lambda: len(s.dead()) == 2, "dead letters")
    equal([letter["code"] for letter in s.dead()], ["throttled"] * 2, "why")
    time.sleep(1)
    equal(s.pg.sql("select count(*), count(distinct event_id), max(n) from t.rows"), "8|8|7", "rows")

# SPDX-License-Identifier: MIT
"""Without Postgres the daemon starts, accepts, says so, and delivers later."""
from system import PLAIN, System, equal, event, eventually

with System(PLAIN, start_postgres=False) as s:
    s.post([event(i) for i in range(100)])
    eventually(lambda: "cannot connect" in s.lane()["last_error"],
               "status names the cause")
    equal(s.lane()["lag_events"], 100, "lag")
    equal(s.dead(), [], "dead letters")
    s.pg.start()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "100|100", "rows")
    equal(s.lane()["last_error"], "", "last error after the recovery")

# SPDX-License-Identifier: MIT
"""Postgres restarts under load: all rows, each once, no dead letter."""
from system import PLAIN, System, equal, event

with System(PLAIN) as s:
    for part in range(10):
        s.post([event(part * 200 + i) for i in range(200)])
        if part == 3:
            s.pg.kill()
        if part == 6:
            s.pg.start()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "2000|2000", "rows")
    equal(s.dead(), [], "dead letters")

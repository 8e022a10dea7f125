# SPDX-License-Identifier: MIT
"""SIGTERM drains: what was acknowledged is in the table when the daemon is
gone, and its exit code is 0."""
from system import PLAIN, System, equal, event

with System(PLAIN) as s:
    for part in range(20):
        s.post([event(part * 500 + i) for i in range(500)])
    equal(s.daemon.stop(), 0, "exit code")
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "10000|10000", "rows")

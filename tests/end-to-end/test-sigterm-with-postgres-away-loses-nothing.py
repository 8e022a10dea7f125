# SPDX-License-Identifier: MIT
"""SIGTERM while Postgres is away ends within the drain limit; the next start
delivers."""
import time

from servers import PATIENCE
from system import PLAIN, System, equal, event

with System("drain = \"2s\";\n" + PLAIN) as s:
    s.pg.kill()
    s.post([event(i) for i in range(500)])
    began = time.monotonic()
    s.daemon.stop(30)
    equal(time.monotonic() - began < 15 * PATIENCE, True, "the drain limit is kept")
    s.pg.start()
    s.daemon.start()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "500|500", "rows")

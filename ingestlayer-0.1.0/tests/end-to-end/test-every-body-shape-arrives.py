# SPDX-License-Identifier: MIT
"""Envelope, bare event, array, NDJSON and gzip: each event is one row."""
import json

from system import PLAIN, System, equal, event

with System(PLAIN) as s:
    s.post({"events": [event(1), event(2)]})
    s.post(event(3))
    s.post([event(4), event(5)])
    lines = "".join(json.dumps(event(i)) + "\n" for i in (6, 7))
    s.post(lines.encode(), headers={"Content-Type": "application/x-ndjson"})
    s.gzipped([event(8)])
    made = s.post({"type": "test.event", "payload": {"n": 9}})["data"]["events"][0]["id"]
    equal(made[:4], "evt_", "an id that the gate makes")
    s.delivered()
    equal(s.pg.sql("select string_agg(n::text, ' ' order by n) from t.rows"), "1 2 3 4 5 6 7 8 9", "rows")
    equal(s.pg.sql("select n from t.rows where event_id = '%s'" % made), "9", "the row of the made id")

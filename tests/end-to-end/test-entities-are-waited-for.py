# SPDX-License-Identifier: MIT
"""enrich.entity, unknown = "wait": an event whose user comes later is a row once
the user is there, once, with the traits, also where the daemon died meanwhile;
its neighbours do not wait."""
from system import HEAD, System, equal, eventually

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "wait"; wait_max = "10m"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$entity.user.n"; } ); } ); } );
"""


def user(s, name, n):
    equal(s.http("POST", "/v1/entities", [{"kind": "user", "external_id": name, "traits": {"n": n}}])[0] in (200, 201), True, "an entity")


with System(CONF) as s:
    user(s, "early", 1)
    s.post([{"type": "t", "id": name, "payload": {"user": name}} for name in ("early", "late", "never")])
    s.delivered()
    equal(s.pg.sql("select event_id, n from t.rows"), "early|1", "rows before the user is there")
    eventually(lambda: len(s.dead("--waiting")) == 2, "two events that wait")
    equal(s.dead(), [], "dead letters")
    s.daemon.kill()
    s.daemon.start()
    user(s, "late", 2)
    eventually(lambda: s.pg.sql("select n from t.rows where event_id = 'late'") == "2", "the row of the user that came late", 60)
    eventually(lambda: len(s.dead("--waiting")) == 1, "one event that waits")
    equal("never" in s.dead("--waiting")[0]["message"], True, "what it waits for: %s" % s.dead("--waiting"))
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "2|2", "rows")

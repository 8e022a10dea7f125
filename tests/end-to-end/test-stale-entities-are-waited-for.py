# SPDX-License-Identifier: MIT
"""enrich.entity, max_age with stale = "wait": an event whose user was written too
long before it waits until the user is written again, though nothing of it changes,
and is one row then; what is young enough goes through at once."""
import time

from system import HEAD, System, equal, eventually

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; max_age = "4s"; stale = "wait"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$entity.user.n"; } ); } ); } );
"""


def user(s, name, n):
    equal(s.http("POST", "/v1/entities", [{"kind": "user", "external_id": name, "traits": {"n": n}}])[0] in (200, 201), True, "an entity")


with System(CONF) as s:
    user(s, "old", 1)
    time.sleep(4.5)
    user(s, "young", 2)
    s.post([{"type": "t", "id": name, "payload": {"user": name}} for name in ("old", "young")])
    s.delivered()
    equal(s.pg.sql("select event_id, n from t.rows"), "young|2", "rows")
    waiting = s.dead("--waiting")
    equal([(letter["code"], "max_age" in letter["message"]) for letter in waiting], [("stale_entity", True)], "what waits")
    user(s, "old", 1)
    eventually(lambda: s.pg.sql("select n from t.rows where event_id = 'old'") == "1", "the row of the user that was written again", 60)
    eventually(lambda: s.dead("--waiting") == [], "nothing that waits")
    equal(s.pg.sql("select count(*) from t.rows"), "2", "rows")

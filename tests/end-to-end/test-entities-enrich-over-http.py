# SPDX-License-Identifier: MIT
"""An entity written over HTTP is attached to the next event; a merge keeps the
traits it does not name."""
from system import HEAD, System, equal, event

CONF = HEAD.replace('"env:KEY"', '{ key = "env:KEY"; entities = "all"; }') + """
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
    steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "n"; value = "$event.payload.n"; },
                                   { name = "account"; value = "$entity.user.account"; },
                                   { name = "plan"; value = "$entity.user.plan"; } ); } ); } );
"""
with System(CONF, table="create schema t; create table t.rows (n int, account text, plan text)") as s:
    user = {"kind": "user", "external_id": "u_1", "traits": {"account": "Acme", "plan": "free"}}
    equal(s.http("POST", "/v1/entities", user)[0], 201, "a new entity")
    equal(s.http("POST", "/v1/entities", user)[0], 200, "the same again")
    s.post(event(1, user_id="u_1"))
    s.delivered()
    equal(s.http("PATCH", "/v1/entities/user/u_1", {"traits": {"plan": "pro"}})[0], 200, "a merge")
    s.post([event(2, user_id="u_1"), event(3, user_id="u_2")])
    s.delivered()
    equal(s.pg.sql("select n, account, plan from t.rows order by n"), "1|Acme|free\n2|Acme|pro\n3||", "rows")
    equal(s.http("DELETE", "/v1/entities/user/u_1")[0] // 100, 2, "removal")
    equal(s.http("GET", "/v1/entities/user/u_1")[0], 404, "gone")

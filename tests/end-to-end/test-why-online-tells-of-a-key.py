# SPDX-License-Identifier: MIT
"""`ingestlayer why --online` of a lane with on_conflict: an event that has no row
of its own is not called missing without saying that the row of its key is there,
and `status` and the counters tell how many were ignored."""
import json

from asked import Why
from system import PLAIN, System, contains, equal, event

LANES = PLAIN.rstrip().removesuffix(");").rstrip() + """,
  { name = "first";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.first";
                       on_conflict = "ignore"; conflict = ( "n" );
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); },
  { name = "last";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.last";
                       on_conflict = "update"; conflict = ( "n" );
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
TABLE = """create schema t; create table t.rows (event_id text, n bigint);
create table t.first (event_id text, n bigint primary key);
create table t.last (event_id text, n bigint primary key)"""


def told(answer):
    return " ".join(line["text"] for line in answer["lines"])


with System(LANES, table=TABLE) as s:
    why = Why(s)
    s.post([event(1, n=7), event(2, n=7), event(3, n=8)])
    s.delivered()
    equal(s.pg.sql("select string_agg(event_id, ' ' order by n) from t.first"), "e000001 e000003", "first")
    equal(s.pg.sql("select string_agg(event_id, ' ' order by n) from t.last"), "e000002 e000003", "last")
    equal(why.lanes("--online", "e000001")["first/warehouse.pg"]["fate"], "row", "the first of its key")
    second = why.lanes("--online", "e000002")
    equal(second["first/warehouse.pg"]["fate"], "missing", "the second of its key")
    contains(told(second["first/warehouse.pg"]), "an event whose key had a row has left none", "why")
    contains(told(second["first/warehouse.pg"]), '"event_id":"e000001"', "what is there")
    equal(second["last/warehouse.pg"]["fate"], "row", "the last of its key")
    first = why.lanes("--online", "e000001")["last/warehouse.pg"]
    contains(told(first), "is of none of them", "why")
    contains(told(first), '"event_id":"e000002"', "what is there")
    status = json.loads(s.daemon.command("status", "-c", s.conf, "--json").stdout)
    doing = {lane["name"]: lane["doing"] for lane in status["lanes"]}
    contains(doing["first/warehouse.pg"], "1 events were ignored", "status")
    r = s.daemon.command("replay", "-c", s.conf, "--lane", "last/warehouse.pg", "--since", "1h")
    contains((r.stdout + r.stderr).decode(), "made of all events of its key", "replay")

# SPDX-License-Identifier: MIT
"""Free users touching paid features: `when` sends a copy to a second
destination; the first gets everything."""
from system import HEAD, System, equal, event

CONF = HEAD + """
pipelines = (
  { name = "usage";
    sources = ( { source = "app"; } );
    destinations = (
      { plugin = "warehouse.pg"; name = "all"; connection = "env:DSN"; table = "t.rows";
        columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); },
      { plugin = "warehouse.pg"; name = "free"; connection = "env:DSN"; table = "t.free";
        when = "plan == free and feature like 'paid.*'";
        columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
TABLES = "create schema t; create table t.rows (event_id text, n bigint); create table t.free (event_id text, n bigint)"
with System(CONF, table=TABLES) as s:
    s.post([event(1, plan="free", feature="paid.export"), event(2, plan="pro", feature="paid.export"),
            event(3, plan="free", feature="login"), event(4)])
    s.delivered()
    equal(s.pg.sql("select string_agg(n::text, ' ' order by n) from t.rows"), "1 2 3 4", "all")
    equal(s.pg.sql("select string_agg(n::text, ' ' order by n) from t.free"), "1", "free")

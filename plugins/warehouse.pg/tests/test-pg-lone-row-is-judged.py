# SPDX-License-Identifier: MIT
"""A row that fails for a reason that could be the table's waits, alone, without
a dead letter; as soon as an event behind it goes in, it is a dead letter."""
from system import HEAD, System, equal, event, eventually

CONF = HEAD + """
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; } ); }
);
"""
TABLE = """create schema t; create table t.rows (event_id text, n bigint, q tsquery);
create function t.f() returns trigger language plpgsql as
  'begin if new.n > 1000 then raise exception ''too many''; end if; return new; end';
create trigger x before insert on t.rows for each row execute function t.f()"""


def rows(s):
    return s.pg.sql("select coalesce(string_agg(event_id, ' ' order by event_id), '') from t.rows")


with System(CONF, table=TABLE) as s:
    s.post([event(1, n=5000)])
    eventually(lambda: s.lane()["state"] == "paused", "the lane pauses")
    equal(s.dead(), [], "dead letters of a lone row")
    eventually(lambda: s.lane()["retries"] >= 2, "it comes again")
    s.post([event(2, q="cat dog"), event(3, q="cat & dog")])
    s.delivered(20)
    equal([(d["event_id"], d["code"]) for d in s.dead()], [("e000001", "P0001"), ("e000002", "42601")], "dead letters")
    equal(rows(s), "e000003", "rows")

    # Nor do several hold it, each of which came alone, or many at once.
    for i in range(120, 124):
        s.post([event(i, n=5000)])
        eventually(lambda: s.lane()["state"] == "paused", "the lane pauses")
        seen = s.lane()["retries"]
        eventually(lambda: s.lane()["retries"] > seen, "it comes again")
    s.post([event(i, n=5000) for i in range(124, 224)])
    equal(len(s.dead()), 2, "dead letters")
    s.post([event(224)])
    s.delivered()
    equal(len(s.dead()), 106, "dead letters")
    equal(rows(s), "e000003 e000224", "rows")

    # Nothing goes in: it waits as long as it takes.
    s.pg.sql("alter table t.rows add check (n < 0) not valid")
    s.post([event(i) for i in range(10, 110)])
    eventually(lambda: s.lane()["state"] == "paused", "the lane pauses")
    eventually(lambda: s.lane()["retries"] >= 3, "it comes again")
    equal(len(s.dead()), 106, "dead letters")
    s.pg.sql("alter table t.rows drop constraint rows_n_check")
    s.delivered()
    equal(len(s.dead()), 106, "dead letters")
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "102|102", "rows")

# SPDX-License-Identifier: MIT
"""What a trigger of the team's own warns of is in the log: once, not for each
row, and what is only a NOTICE is not."""
from system import PLAIN, System, equal, event

TABLE = """create schema t; create table t.rows (event_id text, n bigint);
create function t.f() returns trigger language plpgsql as $$ begin
  raise warning 'row without a country'; raise notice 'seen';
  return new; end $$;
create trigger g before insert on t.rows for each row execute function t.f()"""
with System(PLAIN, table=TABLE) as s:
    s.post([event(i) for i in range(500)])
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), "500", "rows")
    with open(s.daemon.log, encoding="utf-8") as f:
        log = f.read()
    equal(log.count("Postgres warns: row without a country (01000)"), 1,
          "warnings")
    equal(log.count("seen"), 0, "notices")

# SPDX-License-Identifier: MIT
"""`ingestlayer why --online` asks Postgres for the row of an event: it is there,
or not any more; and where nobody can tell that is said."""
import json

from asked import Why
from system import PLAIN, System, contains, equal, event

OTHER = PLAIN.rstrip().removesuffix(");").rstrip() + """,
  { name = "other";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.other";
                       columns = ( { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
TABLE = """create schema t; create table t.rows (event_id text, n bigint check (n < 1000));
create table t.other (n bigint)"""
LANE = "all/warehouse.pg"

with System(OTHER, table=TABLE) as s:
    why = Why(s)
    s.post([event(1), event(2), event(3, n=5000), event(4)])
    s.delivered()
    equal(why.lanes("e000001")[LANE]["fate"], "passed", "without --online")
    one = why.lanes("--online", "e000001")
    equal((one[LANE]["fate"], one[LANE]["known"], json.loads(one[LANE]["row"])["event_id"]), ("row", "recorded", "e000001"),
          "a row that is there")
    contains(why.run("--online", "e000001")[0], '{"event_id":"e000001"', "for people")
    other = one["other/warehouse.pg"]
    equal(other["fate"], "passed", "where no column has the id")
    contains(" ".join(l["text"] for l in other["lines"]), "no column of", "why")
    s.pg.sql("delete from t.rows where event_id = 'e000002'")
    equal(why.lanes("--online", "e000002")[LANE]["fate"], "missing", "a row that was deleted")
    equal(why.lanes("--online", "e000003")[LANE]["fate"], "letter", "one that was refused")
    s.pg.sql("alter table t.rows drop constraint rows_n_check")
    equal(s.daemon.command("dead", "retry", "-c", s.conf, "--wait", "--all").returncode, 0, "dead retry")
    equal(why.lanes("e000003")[LANE]["fate"], "gone", "a letter that was tried again")
    equal(why.lanes("--online", "e000003")[LANE]["fate"], "row", "its row")
    equal(s.pg.sql("select count(*) from t.rows"), "3", "nothing is changed")
    r = s.daemon.command("why", "--online", "--state-dir", s.base + "/state", "e000001")
    equal(r.returncode, 2, "--online without a config")

    s.pg.stop()
    away = why.lanes("--online", "e000004")[LANE]
    equal(away["fate"], "passed", "while Postgres is away")
    contains(" ".join(l["text"] for l in away["lines"]), "the destination cannot tell", "what is said")

# SPDX-License-Identifier: MIT
"""A value that does not fit and a row that a constraint refuses become dead
letters with SQLSTATE, column and constraint; their neighbours arrive."""
from system import PLAIN, System, equal, event

TABLE = "create schema t; create table t.rows (event_id text, n bigint constraint below_1000 check (n < 1000))"
with System(PLAIN, table=TABLE) as s:
    s.post([event(i) for i in range(50)] + [event(50, n="many"), event(51, n=5000)]
           + [event(i) for i in range(52, 100)])
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), "98", "rows")
    letters = {d["event_id"]: d for d in s.dead()}
    equal(sorted(letters), ["e000050", "e000051"], "dead letters")
    equal((letters["e000050"]["code"], letters["e000050"]["field"]), ("22P02", "n"), "the wrong type")
    equal((letters["e000051"]["code"], letters["e000051"]["rule"]), ("23514", "below_1000"), "the check")
    shown = s.daemon.command("dead", "show", "-c", s.conf, letters["e000051"]["lane"],
                             str(letters["e000051"]["position"]))
    equal((shown.returncode, b"below_1000" in shown.stdout, b"5000" in shown.stdout), (0, True, True), "dead show")

# SPDX-License-Identifier: MIT
"""No table: the lane waits, status and log say what to do, nothing is lost;
once the table is there the rows arrive without a restart."""
from system import PLAIN, TABLE, System, contains, equal, event, eventually

with System(PLAIN, table=None) as s:
    s.post([event(i) for i in range(10)])
    eventually(lambda: s.lane()["last_error"], "status names the error")
    contains(s.lane()["last_error"], '"t"."rows"', "the error")
    # The statement as it can be copied from a line of the log.
    contains(s.lane()["last_error"], '; create table if not exists "t"."rows" (', "the error")
    equal(s.lane()["last_error"].count("\n"), 0, "line breaks in it")
    equal(s.dead(), [], "dead letters")
    s.pg.sql(TABLE)
    s.delivered(90)
    equal(s.pg.sql("select count(*) from t.rows"), "10", "rows")

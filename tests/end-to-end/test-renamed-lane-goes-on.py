# SPDX-License-Identifier: MIT
"""A lane with another name goes on where it was, by `was`: rows, letters and
cursor, whatever kills come between, and with several connections.  A new lane
on an old spool begins where `begin` says; where nothing says it, it alone waits
and keeps the spool."""
import os

from system import HEAD, System, contains, equal, event, eventually

LANE = """
  { name = "%s"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "%s"; connection = "env:DSN"; table = "t.%s"; %s
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }"""
TABLES = "create schema t; create table t.a (event_id text, n bigint check (n <> -1)); create table t.b (event_id text, n bigint)"


def conf(*lanes):
    return HEAD + "pipelines = (" + ",".join(LANE % lane for lane in lanes) + ");"


def configure(s, *lanes):
    with open(s.conf, "w") as f:
        f.write(conf(*lanes) % {"base": s.base})


def rows(s, table="a"):
    return s.pg.sql("select count(*) || '|' || count(distinct event_id) from t." + table)


FOUR = "connections = 4; "
with System(conf(("one", "pg", "a", FOUR)), table=TABLES) as s:
    sent = 0

    def post(n):
        global sent
        for first in range(sent, sent + n, 500):
            s.post([event(i) for i in range(first, min(first + 500, sent + n))])
        sent += n

    post(500)
    s.post([event(1000000, n=-1)])
    s.delivered()
    equal(rows(s), "500|500", "rows")
    equal([d["lane"] for d in s.dead()], ["one/pg"], "its letter")

    # Killed in the middle, so that the rows are further than the cursor.
    names = ["one/pg", "two/pg", "two/table", "one/pg", "three/x"]
    for was, name in zip(names, names[1:]):
        post(3000)
        s.daemon.kill()
        pipeline, destination = name.split("/")
        configure(s, (pipeline, destination, "a", FOUR + 'was = "%s";' % was))
        for _ in range(3):  # before, in and after the move
            s.daemon.start()
            s.daemon.kill()
        s.daemon.start()
        s.delivered()
        equal(rows(s), "%d|%d" % (sent, sent), "rows of %s that was %s" % (name, was))
        equal([d["lane"] for d in s.dead()], [name], "the letter")
        equal(os.path.exists(s.base + "/state/lanes/%s.cursor" % was), False, "the cursor of before is there")

    # The letter can be tried again, and `was` may stay.
    s.pg.sql("alter table t.a drop constraint a_n_check")
    r = s.daemon.command("dead", "retry", "-c", s.conf, "--wait", "--all")
    equal(r.returncode, 0, "dead retry (%s)" % r.stderr.decode())
    equal(rows(s), "%d|%d" % (sent + 1, sent + 1), "rows with the letter")
    s.daemon.kill()
    s.daemon.start()
    post(10)
    s.delivered()
    equal(rows(s), "%d|%d" % (sent + 1, sent + 1), "rows with was after the move")

    # A new lane beside it: nobody says where it begins.
    s.daemon.kill()
    configure(s, ("three", "x", "a", FOUR), ("new", "y", "b", ""))
    r = s.daemon.command("check", "-c", s.conf)
    equal(r.returncode, 1, "exit code of check")
    contains(r.stderr.decode(), "begin: lane new/y is new", "its finding")
    s.daemon.start()
    post(10)
    eventually(lambda: s.lane("three/x")["lag_events"] == 0, "the other lane goes on")
    lane = s.lane("new/y")
    equal(lane["state"], "paused", "state of the new lane")
    contains(lane["last_error"], "needs begin", "its error")
    equal(rows(s, "b"), "0|0", "its rows")

    r = s.daemon.command("check", "-c", s.conf)
    equal(r.returncode, 1, "exit code of check while it waits")

    # From now on; "now" is when it was first in a config.
    s.daemon.kill()
    configure(s, ("three", "x", "a", FOUR), ("new", "y", "b", 'begin = "now";'))
    s.daemon.start()
    post(5)
    s.delivered()
    equal(rows(s, "b"), "15|15", "rows of the lane that begins now")
    s.daemon.kill()
    configure(s, ("three", "x", "a", FOUR), ("new", "y", "b", ""), ("new2", "y", "b", 'begin = "oldest";'))
    s.daemon.start()
    s.delivered()
    equal(s.pg.sql("select count(distinct event_id) from t.b"), str(sent + 1), "events from the oldest")
    before = rows(s, "b")
    s.daemon.kill()
    s.daemon.start()
    s.delivered()
    equal(rows(s, "b"), before, "rows after another start")

    # What is wrong is found by check.
    for more, says in (('was = "three/x";', "is a lane of this config"), ('was = "three";', "is no name of a lane")):
        configure(s, ("three", "x", "a", FOUR), ("new", "y", "b", more))
        r = s.daemon.command("check", "-c", s.conf)
        equal(r.returncode, 1, "exit code of check")
        contains(r.stderr.decode(), says, "its finding")
    configure(s, ("three", "x", "a", 'was = "p/q";'), ("new", "y", "b", 'was = "p/q";'))
    r = s.daemon.command("check", "-c", s.conf)
    contains(r.stderr.decode(), "is already the lane's at", "its finding")

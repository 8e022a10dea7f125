# SPDX-License-Identifier: MIT
"""`lane pause` and `lane resume`, with a daemon and without one: a lane that a
person paused delivers nothing, whatever dies and starts meanwhile, keeps its
events, holds up no stop, and then delivers each of them once."""
import json
import re
import time

from system import HEAD, System, contains, equal, event, eventually

LANE = """
  { name = "%s"; %s sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.%s"; %s
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }"""
TABLES = "create schema t; create table t.a (event_id text, n bigint); create table t.b (event_id text, n bigint)"
sent = 0


def conf(*lanes):
    return HEAD + 'drain = "60s"; pipelines = (' + ",".join(LANE % lane for lane in lanes) + ");"


def configure(s, *lanes):
    with open(s.conf, "w") as f:
        f.write(conf(*lanes) % {"base": s.base})


def post(s, n):
    global sent
    s.post([event(i) for i in range(sent, sent + n)])
    sent += n


def lane(s, verb, name, *args, code=0):
    r = s.daemon.command("lane", verb, *(args or ("-c", s.conf)), name)
    out = r.stdout.decode() + r.stderr.decode()
    equal(r.returncode, code, "exit code of lane %s %s (%s)" % (verb, name, out))
    return out


def rows(s, table="a"):
    return s.pg.sql("select count(*) || '|' || count(distinct event_id) from t." + table)


def both(n):
    return "%d|%d" % (n, n)


def caught_up(s, name):
    eventually(lambda: s.lane(name)["lag_events"] == 0, name + " delivers what it has")


def still(s, name, n, table="a"):
    """It is paused, and nothing of it moves."""
    equal(s.lane(name)["state"], "paused", "state of " + name)
    time.sleep(0.5)
    equal(rows(s, table), both(n), "rows of a lane that is paused")


ONE, TWO = ("one", "", "a", ""), ("two", "", "b", "")
with System(conf(ONE, TWO), table=TABLES) as s:
    state = s.base + "/state"
    post(s, 200)
    s.delivered()

    # With the daemon.
    equal(lane(s, "pause", "one/pg"), "one/pg is paused at position 200; no events wait\n", "what pause says")
    post(s, 100)
    caught_up(s, "two/pg")
    still(s, "one/pg", 200)
    again = lane(s, "pause", "one/pg")
    contains(again, "one/pg is paused already, at position 200; 100 events wait\npaused by `ingestlayer lane pause` since 20", "a second pause")
    one = s.lane("one/pg")
    contains(one["paused"], "`ingestlayer lane resume one/pg` goes on", "how status says it goes on")
    equal(bool(re.match(r"20\d\d-.*Z$", one["paused_at"])), True, "since when: %r" % one["paused_at"])
    equal(s.lane("two/pg")["paused_at"], None, "since when of another lane")
    contains(s.daemon.command("status", "-c", s.conf).stdout.decode(),
             "one/pg: paused by `ingestlayer lane pause` since 20", "status for people")
    contains(s.http("GET", "/metrics", admin=True)[1], 'ingestlayer_lane_state{lane="one/pg"} 3', "metrics")
    contains(lane(s, "pause", "one/pq", code=1),
             'there is no lane "one/pq" in the running config; it has one/pg, two/pg', "a lane that there is not")
    contains(lane(s, "resume", "two/pg"), "two/pg was not paused by anybody: it is running", "resume of another")

    # Killed, started, stopped, started.
    s.daemon.kill()
    s.daemon.start()
    post(s, 100)
    caught_up(s, "two/pg")
    still(s, "one/pg", 200)
    equal(s.lane("one/pg")["paused_at"], one["paused_at"], "since when, after a kill")
    begin = time.monotonic()
    equal(s.daemon.stop(), 0, "exit code")
    equal(time.monotonic() - begin < 30, True, "a stop does not wait for what a paused lane has")
    contains(s.daemon.command("lane", "list", "-c", s.conf).stdout.decode(), "paused since 20", "lane list")
    s.daemon.start()
    still(s, "one/pg", 200)

    # Without one.
    equal(s.daemon.stop(), 0, "exit code")
    contains(lane(s, "pause", "two/pg"), "two/pg is paused at position 400; at least 0 events wait", "pause without a daemon")
    contains(lane(s, "pause", "two/pg", "-s", state), "two/pg is paused already", "pause by state_dir")
    contains(lane(s, "resume", "three/pg", code=1),
             'there is no lane "three/pg" in this config; it has one/pg, two/pg', "a lane that there is not")
    contains(lane(s, "resume", "three/pg", "-s", state, code=1), 'there is no lane "three/pg" in ' + state, "the same")
    contains(lane(s, "resume", "one/pg"),
             "one/pg goes on after position 200 at the next start; at least 200 events wait", "resume without a daemon")
    contains(lane(s, "resume", "one/pg"), "one/pg was not paused, at position 200", "a second time")
    s.daemon.start()
    caught_up(s, "one/pg")
    equal(rows(s), both(400), "rows once it went on")
    post(s, 50)
    caught_up(s, "one/pg")
    still(s, "two/pg", 400, "b")
    contains(lane(s, "resume", "two/pg", "-s", state), "two/pg goes on after position 400; ", "resume with a daemon")
    s.delivered()
    equal(rows(s, "b"), both(450), "rows of the other one")

    # While Postgres is away: with a batch on its way, and before it said where it is.
    s.pg.kill()
    post(s, 50)
    eventually(lambda: s.lane("one/pg")["state"] == "waiting", "the lane is in trouble")
    contains(lane(s, "pause", "one/pg"), "one/pg is paused at position 450; 50 events wait", "pause in trouble")
    s.daemon.kill()
    s.daemon.start()
    contains(lane(s, "pause", "two/pg"), "two/pg is paused at position ", "pause before it has begun")
    s.pg.start()
    time.sleep(1)
    still(s, "one/pg", 450)
    still(s, "two/pg", 450, "b")
    begin = time.monotonic()
    equal(s.daemon.stop(), 0, "exit code")
    equal(time.monotonic() - begin < 30, True, "a stop with both paused")
    s.daemon.start()
    lane(s, "resume", "one/pg")
    lane(s, "resume", "two/pg")
    s.delivered()
    equal((rows(s), rows(s, "b")), (both(500), both(500)), "rows after the trouble")

    # Either pauses: the configuration, or a person.
    lane(s, "pause", "one/pg")
    equal(s.daemon.stop(), 0, "exit code")
    configure(s, ("one", 'status = "paused";', "a", ""), TWO)
    s.daemon.start()
    post(s, 20)
    contains(s.lane("one/pg")["paused"], "paused by the configuration (status = \"paused\"), and by `ingestlayer lane pause`", "who paused it")
    contains(lane(s, "resume", "one/pg", code=1), "but the configuration pauses it", "resume of what the config pauses")
    equal(s.lane("one/pg")["paused"], 'paused by the configuration (status = "paused")', "who pauses it still")
    still(s, "one/pg", 500)
    equal(s.daemon.stop(), 0, "exit code")
    contains(lane(s, "resume", "one/pg", code=1), "but the configuration pauses it", "the same without a daemon")
    configure(s, ONE, TWO)
    s.daemon.start()
    s.delivered()
    equal(rows(s), both(520), "rows once the config has it go on")

    # Under another name: the daemon, and the command without it, know it by that.
    lane(s, "pause", "one/pg")
    s.daemon.kill()
    configure(s, ("new", "", "a", 'was = "one/pg";'), TWO)
    for _ in range(2):
        s.daemon.start()
        post(s, 10)
        caught_up(s, "two/pg")
        still(s, "new/pg", 520)
        s.daemon.kill()
    contains(lane(s, "pause", "new/pg"), "new/pg is paused already, at position 520", "pause by its new name")
    contains(lane(s, "resume", "new/pg"), "new/pg goes on after position 520", "resume by its new name")
    s.daemon.start()
    s.delivered()
    equal(rows(s), both(540), "rows under its new name")
    lane(s, "pause", "new/pg")
    s.daemon.kill()
    s.daemon.start()
    post(s, 10)
    still(s, "new/pg", 540)
    lane(s, "resume", "new/pg")
    s.delivered()
    equal(rows(s), both(550), "rows after all")

    # One that was never started has nothing to keep it in.
    equal(s.daemon.stop(), 0, "exit code")
    configure(s, ("new", "", "a", ""), TWO, ("three", "", "b", 'begin = "now";'))
    contains(lane(s, "pause", "three/pg", code=1), "three/pg has never been started", "a lane that never was")
    equal(json.loads(s.daemon.command("lane", "pause", "x").stdout or "{}"), {}, "nothing on stdout")

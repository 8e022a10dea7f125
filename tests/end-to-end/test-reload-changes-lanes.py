# SPDX-License-Identifier: MIT
"""A config that is read again is taken lane by lane, or not at all: what is as
it was goes on, what differs begins where it was, and what does not work has
everything back; no event is lost or comes twice."""
import signal
import threading
import time

from reloads import changes, reload, take, write
from system import HEAD, System, contains, equal, event, eventually

TABLES = "create schema t; " + "; ".join(
    "create table t.%s (event_id text, n bigint, twice bigint)" % t for t in ("a", "b", "c", "x"))
LANE = """
  { name = "%(name)s"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.%(table)s"; %(more)s
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } %(columns)s ); } ); }"""
TWICE = ', { name = "twice"; value = "$event.payload.twice"; }'
sent = 0


def lane(name, table=None, more="", columns=""):
    return LANE % {"name": name, "table": table or name, "more": more, "columns": columns}


def conf(*lanes, head=HEAD):
    return head + "pipelines = (" + ",".join(lanes) + ");"


def post(s, n=10):
    global sent
    s.post([event(i, twice=2 * i) for i in range(sent, sent + n)])
    sent += n


def while_posting(s, what):
    """Events come all the time meanwhile."""
    ended = threading.Event()

    def go():
        while not ended.is_set():
            post(s, 1)
            time.sleep(0.02)
    thread = threading.Thread(target=go)
    thread.start()
    try:
        return what()
    finally:
        ended.set()
        thread.join()


def each_once(s, *tables, n=None):
    s.delivered()
    for table in tables:
        equal(s.pg.sql("select count(*) || '|' || count(distinct event_id) from t." + table),
              "%d|%d" % (n or sent, n or sent), "rows and events of t." + table)


def sessions(s):
    """Of the lanes, by pid, at Postgres."""
    return set(s.pg.sql("select pid || ' ' || application_name from pg_stat_activity"
                        " where application_name like 'ingestlayer%'").splitlines())


with System(conf(lane("a"), lane("b")), table=TABLES) as s:
    post(s)
    each_once(s, "a", "b")
    before = sessions(s)
    equal(len(before) >= 2, True, "sessions: %s" % before)

    # nothing has changed but how it is written
    answer = take(s, conf("# a word" + lane("b"), lane("a")), "--wait", "5s")
    equal(changes(answer), {"a/pg": "unchanged", "b/pg": "unchanged"}, "lanes, in another order")
    equal(sessions(s), before, "sessions of lanes that go on")
    contains(answer["not_read_again"], "env:DSN", "values of the start")

    # one changes, with events all the time
    answer = while_posting(s, lambda: take(s, conf(lane("a"), lane("b", columns=TWICE))))
    equal(changes(answer), {"a/pg": "unchanged", "b/pg": "changed works"}, "one lane has another column")
    equal([x["delivered"] > 0 for x in answer["lanes"] if x["name"] == "b/pg"], [True], "rows by then")
    post(s)
    each_once(s, "a", "b")
    equal(s.pg.sql("select max(twice) from t.b"), str(2 * (sent - 1)), "the new column")
    equal(len(sessions(s) & before), len(before) // 2, "the other one's session goes on")

    # one that cannot work takes all of it back
    wrong = conf(lane("a", columns=TWICE), lane("b", table="nowhere"), lane("x", more='begin = "now";'))
    answer = while_posting(s, lambda: take(s, wrong, want="taken_back"))
    equal(changes(answer)["b/pg"], "changed broken", "the lane that cannot work")
    contains(" ".join(answer["why"]), "lane b/pg: ", "what is said of it")
    contains(" ".join(answer["why"]), "nowhere", "what is said of it")
    post(s)
    each_once(s, "a", "b")
    equal(sorted(x["name"] for x in s.status()["lanes"]), ["a/pg", "b/pg"], "lanes")
    equal(s.pg.sql("select max(twice) from t.b"), str(2 * (sent - 1)), "the column is there still")
    equal({x["state"] for x in s.status()["lanes"]}, {"running"}, "states")

    # what is wrong in the file is not even begun
    answer = take(s, conf(lane("a"), lane("b").replace("t.b", "no.such.name")), want="refused")
    contains(" ".join(answer["findings"]), s.conf + ":", "findings")
    answer = take(s, conf(lane("a"), lane("b", columns=TWICE), lane("c")), want="refused")
    contains(" ".join(answer["why"]), "needs begin", "a new lane")
    text = s.daemon.command("reload", "-c", s.conf)
    equal((text.returncode, text.stdout), (1, b"lane c/pg: new\n"), "what people read")
    contains(text.stderr.decode(), "refused; what runs goes on as it was", "what people read")

    # a new one, a new name
    at = sent
    answer = while_posting(s, lambda: take(s, conf(lane("a"), lane("b", columns=TWICE),
                                                   lane("c", more='begin = "now";'))))
    equal(changes(answer)["c/pg"], "new works", "a new lane")
    s.delivered()
    n = int(s.pg.sql("select count(*) from t.c"))
    equal(0 < n <= sent - at, True, "%d rows of %d that came since" % (n, sent - at))
    answer = while_posting(s, lambda: take(s, conf(
        lane("a2", table="a", more='was = "a/pg";'), lane("b", columns=TWICE), lane("c", more='begin = "now";'))))
    equal(changes(answer), {"a2/pg": "renamed works", "b/pg": "unchanged", "c/pg": "unchanged"}, "a new name")
    each_once(s, "a", "b")

    # ... and back, as another lane does not work
    answer = while_posting(s, lambda: take(s, conf(
        lane("a3", table="a", more='was = "a2/pg";'), lane("b", table="nowhere"), lane("c", more='begin = "now";')),
        want="taken_back"))
    equal(changes(answer)["b/pg"], "changed broken", "the lane that cannot work")
    post(s)
    each_once(s, "a", "b")
    equal(sorted(x["name"] for x in s.status()["lanes"]), ["a2/pg", "b/pg", "c/pg"], "lanes by their names of before")

    # nothing is removed by accident
    s.daemon.command("lane", "pause", "-c", s.conf, "c/pg")
    answer = take(s, conf(lane("a2", table="a", more='was = "a/pg";'), lane("b", columns=TWICE)))
    equal(changes(answer)["c/pg"], "removed", "a lane without undelivered events")
    s.daemon.command("lane", "pause", "-c", s.conf, "b/pg")
    post(s)
    answer = take(s, conf(lane("a2", table="a", more='was = "a/pg";')), want="refused")
    contains(" ".join(answer["why"]), "lane b/pg is not in the new config, and 10 events", "what is said of it")
    s.daemon.proc.send_signal(signal.SIGHUP)
    eventually(lambda: open(s.daemon.log).read().count("asked for by a signal") == 1, "SIGHUP is heard")
    eventually(lambda: s.status()["lanes"], "it answers")
    equal(sorted(x["name"] for x in s.status()["lanes"]), ["a2/pg", "b/pg"], "lanes after SIGHUP")
    answer = reload(s, "--remove")
    equal(changes(answer), {"a2/pg": "unchanged", "b/pg": "removed"}, "with --remove")
    equal({x["name"]: x["lag_events"] for x in s.status()["left"]}["b/pg"], 10, "what is kept for it")
    r = s.daemon.command("lane", "forget", "-c", s.conf, "a2/pg")
    equal(r.returncode, 1, "forget one that runs (%s)" % r.stderr)
    r = s.daemon.command("lane", "forget", "-c", s.conf, "c/pg")
    equal((r.returncode, r.stderr), (0, b""), "forget one beside the daemon")
    contains(r.stdout.decode(), "lane c/pg: forgotten", "what is said")
    equal(sorted(x["name"] for x in s.status()["left"]), ["b/pg", "x/pg"], "those that are left")

    # it comes back, with what was kept, and is paused still
    answer = take(s, conf(lane("a2", table="a", more='was = "a/pg";'), lane("b", columns=TWICE)))
    equal(changes(answer)["b/pg"], "new paused", "a lane that is back")
    s.daemon.command("lane", "resume", "-c", s.conf, "b/pg")
    each_once(s, "a", "b")
    equal([x["name"] for x in s.status()["left"]], ["x/pg"], "those that are left")

    # a far side that is away is no fault of the config
    s.pg.stop()
    answer = take(s, conf(lane("a2", table="a", columns=TWICE), lane("b", columns=TWICE)))
    equal(changes(answer)["a2/pg"], "changed waiting", "while Postgres is away")
    post(s)
    s.pg.start()
    each_once(s, "a", "b")
    equal(s.daemon.stop(), 0, "exit code")
    write(s, conf(lane("a2", table="a", columns=TWICE), lane("b", columns=TWICE)))
    s.daemon.start()
    post(s)
    each_once(s, "a", "b")

    # while another config is tried, the one that is shown is what was taken
    def shown():
        return s.daemon.command("config", "--running", "-c", s.conf).stdout.decode().count("payload.twice")
    before = sessions(s)
    trial = threading.Thread(target=take, args=(s, conf(lane("a2", table="a"), lane("b", columns=TWICE)),
                                                "--wait", "5s"))
    trial.start()
    eventually(lambda: bool(sessions(s) - before), "the lane to be tried")
    equal((shown(), trial.is_alive()), (2, True), "columns that the config has, and whether it is tried")
    trial.join()
    equal(shown(), 1, "columns that the config has")

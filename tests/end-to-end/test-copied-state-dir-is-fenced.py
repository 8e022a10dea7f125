# SPDX-License-Identifier: MIT
"""Two daemons on copies of one state_dir: the one that is not the last to have
claimed a lane believes nothing of what its row says, stops there and says so,
while its gate and other lanes go on; its own events wait until somebody takes
the lane, and then none is missing."""
import os
import shutil

from servers import Daemon
from system import HEAD, System, contains, equal, event, eventually

TWO = HEAD + """
pipelines = (
  { name = "all"; sources = ( { source = "app"; } );
    destinations = (
      { plugin = "warehouse.pg"; name = "a"; connection = "env:DSN"; table = "t.rows";
        columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); },
      { plugin = "destination.null"; name = "b"; } ); }
);
"""


def lane(s, name="all/a"):
    return s.lane(name)


def rows(s):
    return s.pg.sql("select count(*), count(distinct event_id) from t.rows")


def take(s, *more):
    r = s.daemon.command("lane", "take", "-c", s.conf, *more)
    return r.returncode, r.stdout.decode() + r.stderr.decode()


with System(TWO) as s:
    s.post([event(i) for i in range(100)])
    s.delivered()
    s.daemon.kill()
    shutil.copytree(s.base + "/state", s.base + "/copy", ignore=shutil.ignore_patterns("control"))

    # The copy runs first, and takes events of its own.
    with open(s.conf) as f:
        text = f.read().replace(s.base + "/state", s.base + "/copy")
    os.mkdir(s.base + "/second")
    conf = s.base + "/second/copy.conf"
    with open(conf, "w") as f:
        f.write(text)
    second = Daemon(s.base + "/second", conf, {"KEY": "test-key", "DSN": s.pg.dsn})
    first, s.daemon = s.daemon, second
    second.start()
    try:
        s.post([event(i) for i in range(1000, 1300)])
        eventually(lambda: rows(s) == "400|400", "the copy delivers")
    finally:
        s.daemon = first

    # Its positions are those that the original gives out next.
    s.daemon.start()
    eventually(lambda: lane(s)["state"] == "fenced", "the original is fenced")
    s.post([event(i) for i in range(100, 200)])
    eventually(lambda: lane(s, "all/b")["position"] == 200, "its other lane goes on")
    equal(lane(s)["position"], 100, "position of the fenced lane")
    equal(lane(s)["lag_events"], 100, "events that wait in it")
    contains(lane(s)["last_error"], "ingestlayer lane take all/a", "its error names the way out")
    status, answer, _ = s.http("GET", "/readyz", admin=True, key=None)
    equal((status, answer), (200, {"status": "ready", "fenced": ["all/a"]}), "/readyz")
    status, _, _ = s.http("POST", "/v1/ingest", [event(0)])
    equal(status, 202, "the gate")

    # A restart changes nothing.
    s.daemon.kill()
    s.daemon.start()
    eventually(lambda: lane(s)["state"] == "fenced", "it is fenced again")
    code, out = take(s, "all/a")
    equal(code, 1, "exit code while the daemon runs (%s)" % out)

    # First it only says.
    s.daemon.kill()
    code, out = take(s, "all/a")
    equal(code, 0, "exit code (%s)" % out)
    contains(out, "its destination is at 400, which another process has written; here it is at 100", "what it says")
    contains(out, "nothing comes twice, and nothing is passed over", "what it says")
    contains(out, "either way the 100 events after 100 are delivered", "what it says")
    contains(take(s, "all/a")[1], "here it is at 100", "nothing was done")
    equal(take(s, "all/x")[0], 1, "an unknown lane")
    equal(take(s, "all/b")[0], 1, "a destination without rows")
    equal(take(s, "--from", "yesterday", "all/a")[0], 2, "a wrong word")

    # What was acknowledged here is what is wanted.
    code, out = take(s, "--from", "cursor", "all/a")
    equal(code, 0, "exit code (%s)" % out)
    contains(out, "lane all/a: taken, goes on after 100", "what it says")
    s.daemon.start()
    s.delivered()
    equal(rows(s), "500|500", "rows in the end")
    status, answer, _ = s.http("GET", "/readyz", admin=True, key=None)
    equal(answer["fenced"], [], "/readyz")

    # The copy, which still runs, is fenced as soon as it writes.
    s.daemon.kill()
    s.daemon = second
    s.conf = conf
    try:
        s.post([event(i) for i in range(2000, 2010)])
        eventually(lambda: lane(s)["state"] == "fenced", "the copy is fenced")
        contains(lane(s)["last_error"], "taken this lane over", "its error")
        equal(rows(s), "500|500", "and wrote nothing")
        second.kill()
        second.start()
        eventually(lambda: lane(s)["state"] == "fenced", "a restart does not take it back")
        second.kill()
        # Its cursor is at 400; 200 of that are the original's in the row.
        code, out = take(s, "all/a")
        contains(out, "--from cursor: goes on after 400: the 200 events from 201 on", "what it says")
        contains(out, "--from row:    goes on after 200: these 200 events are delivered again", "what it says")
        contains(out, "either way the 10 events after 400 are delivered", "what it says")
        equal(take(s, "--from", "cursor", "all/a")[0], 0, "exit code")
        second.start()
        s.delivered()
        equal(rows(s), "510|510", "rows of both")
    finally:
        second.kill()

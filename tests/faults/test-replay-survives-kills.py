# SPDX-License-Identifier: MIT
"""A mapping was wrong for a while: `replay --update` mends all rows beside the lane
that goes on, though the daemon is killed three times on the way; each row is mended
once, and what was mended before a kill is not done again.  IL_SLOW=1: a million."""
import json
import os
import threading
import time

from reloads import take
from system import HEAD, System, equal, event, eventually

N = 1000000 if os.environ.get("IL_SLOW") else 40000
PIECE = 500
TABLE = "create schema t; create table t.rows (event_id text primary key, n bigint, twice bigint, mends int default 0);" \
        "create function t.count() returns trigger language plpgsql as" \
        " 'begin new.mends = old.mends + 1; return new; end';" \
        "create trigger mends before update on t.rows for each row execute function t.count()"
LANE = """
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; },
                                   { name = "twice"; value = "$event.payload.%s"; } ); } ); } );
"""


def conf(field):
    return HEAD + LANE % field


def post(s, first, n):
    s.gzipped([event(k, twice=2 * k) for k in range(first, first + n)])


class Live(threading.Thread):
    """The lane's own events, all the time."""
    def __init__(self, s, first):
        super().__init__(daemon=True)
        self.s, self.sent, self.ended = s, first, threading.Event()

    def run(self):
        while not self.ended.is_set():
            try:
                post(self.s, self.sent, 1)
                self.sent += 1
            except Exception:  # the daemon is away; the same event comes again
                time.sleep(0.05)
            time.sleep(0.01)


def done(s):
    """How far the replay's row is."""
    return int(s.pg.sql("select coalesce(max(position), 0) from ingestlayer.lanes where lane like '%(replay %'"))


with System(conf("n"), table=TABLE) as s:
    for at in range(0, N, PIECE):
        post(s, at, PIECE)
    s.delivered(600)
    equal(s.pg.sql("select count(*) from t.rows where twice = n"), str(N), "rows with a wrong mapping")
    take(s, conf("twice"))
    live = Live(s, N)
    live.start()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))
    command = ("replay", "-c", s.conf, "--lane", "all/pg", "--since", since, "--update", "--json", "--samples", "0")
    began = time.monotonic()
    resumed = 0
    for k in range(1, 4):
        at = done(s)
        thread = threading.Thread(target=s.daemon.command, args=command)
        thread.start()
        eventually(lambda: done(s) > at + N // 10 or not thread.is_alive(), "a piece of it", 300)
        s.daemon.kill()
        thread.join()
        resumed += done(s) > 0
        s.daemon.start()
    r = s.daemon.command(*command)
    equal(r.returncode, 0, "the last attempt (%s)" % r.stderr)
    took = time.monotonic() - began
    report = json.loads(r.stdout.splitlines()[-1])["report"]
    live.ended.set()
    live.join()
    s.delivered(600)
    equal(s.pg.sql("select count(*) || ' ' || count(distinct event_id) from t.rows"),
          "%d %d" % (live.sent, live.sent), "rows")
    # 0 is its own double
    equal(s.pg.sql("select mends || ' ' || count(*) from t.rows where twice = 2 * n group by mends order by 1"),
          "0 %d\n1 %d" % (live.sent - N + 1, N - 1), "how often a row was mended")
    equal(resumed > 0, True, "attempts that left a piece done")
    equal(report["events"] < live.sent, True, "the last attempt did not begin anew: %s" % report)
    print("%d rows mended in %.1f s, beside %d new ones" % (N - 1, took, live.sent - N))

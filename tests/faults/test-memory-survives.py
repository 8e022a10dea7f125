# SPDX-License-Identifier: MIT
"""What steps remember survives kill -9 at any moment: a step numbers the events
of each key, and the numbers of a key's rows are 1 to n, each once, whatever
died between two events.  Also when a row is refused and tried again, when the
lane gets another name, and when the step is made another way."""
import argparse
import random
import threading
import time

from system import HEAD, System, equal, eventually

CONF = HEAD + """
spool = { retain = "0s"; };
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "step.nth"; name = "first"; %(more)s } );
  destinations = ( { plugin = "warehouse.pg"; name = "%(lane)s"; %(was)s connection = "env:DSN"; table = "t.rows";
    batch = { events = 200; };
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "key"; value = "$event.payload.key"; },
                { name = "n"; value = "$event.payload.n"; }, { name = "nth"; value = "$step.first.nth"; },
                { name = "own"; value = "$step.own.nth"; } );
    steps = ( { plugin = "step.nth"; name = "own"; } ); } ); } );
"""
TABLE = """create schema t; create table t.rows (event_id text, key text, n bigint, nth bigint, own bigint,
           constraint small check (n < 1000000000))"""

arguments = argparse.ArgumentParser()
arguments.add_argument("--kills", type=int, default=6)
arguments.add_argument("--seed", type=int, default=1)
arguments = arguments.parse_args()
chance = random.Random(arguments.seed)


def conf(base, lane="rows", was="", more=""):
    return CONF % {"base": base, "lane": lane, "was": was, "more": more}


def write(s, **what):
    with open(s.conf, "w") as f:
        f.write(conf(s.base, **what))


def numbers_fit(s, keys=None, column="nth"):
    """Of each key 1 to n."""
    wrong = s.pg.sql("select key, count(*), count(distinct %s), min(%s), max(%s) from t.rows %s group by key "
                     "having count(*) <> count(distinct %s) or min(%s) <> 1 or max(%s) <> count(*) limit 5"
                     % (column, column, column, keys or "", column, column, column))
    equal(wrong, "", "keys whose numbers are not 1 to n: key, rows, numbers, least, most")


class Sender(threading.Thread):
    def __init__(self, s):
        super().__init__()
        self.s, self.sent, self.ended = s, 0, False

    def run(self):
        while not self.ended:
            events = [{"type": "t", "id": "e%d" % (self.sent + i), "payload": {"key": "k%d" % chance.randrange(300), "n": self.sent + i}}
                      for i in range(chance.randrange(1, 400))]
            while True:
                try:
                    if self.s.http("POST", "/v1/ingest", events)[0] == 202:
                        break
                except OSError:
                    pass
                time.sleep(0.02)
            self.sent += len(events)


with System(conf("%(base)s"), table=TABLE) as s:
    sender = Sender(s)
    sender.start()
    try:
        for kill in range(arguments.kills):
            # Some before the first checkpoint, some after another.
            time.sleep(chance.choice((0.3, 1, 2, 6)))
            s.daemon.kill()
            s.daemon.start()
    finally:
        sender.ended = True
        sender.join()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "%d|%d" % (sender.sent, sender.sent), "rows")
    numbers_fit(s)
    numbers_fit(s, column="own")

    # A letter had its number when it was refused, and gets no other: nobody is numbered twice.
    s.post([{"type": "t", "id": "bad", "payload": {"key": "letter", "n": 2000000000}},
            {"type": "t", "id": "good", "payload": {"key": "letter", "n": 1}}])
    s.delivered()
    eventually(lambda: len(s.dead()) == 1, "a dead letter")
    s.pg.sql("alter table t.rows drop constraint small")
    equal(s.daemon.command("dead", "retry", "-c", s.conf, "--all").returncode, 0, "dead retry")
    eventually(lambda: s.pg.sql("select count(*) from t.rows where key = 'letter'") == "2", "the letter's row")
    s.post([{"type": "t", "id": "next", "payload": {"key": "letter", "n": 2}}])
    s.delivered()
    equal(s.pg.sql("select nth from t.rows where event_id = 'next'"), "3", "the number after a letter and its neighbour")

    # Another name for the lane takes what is remembered along; so does a stop and a start.
    equal(s.daemon.stop(), 0, "stop")
    write(s, lane="other", was='was = "all/rows";')
    s.daemon.start()
    s.post([{"type": "t", "id": "renamed", "payload": {"key": "letter", "n": 3}}])
    s.delivered()
    equal(s.pg.sql("select nth from t.rows where event_id = 'renamed'"), "4", "the number after another name")

    # Made another way it begins anew, with what the spool still has, and the one behind it as well.
    equal(s.daemon.stop(), 0, "stop")
    write(s, lane="other", more='made_of = "else";')
    s.daemon.start()
    s.post([{"type": "t", "id": "anew", "payload": {"key": "anew", "n": 4}}])
    s.delivered()
    equal(s.pg.sql("select nth, own from t.rows where event_id = 'anew'"), "1|1", "the numbers of one made another way")

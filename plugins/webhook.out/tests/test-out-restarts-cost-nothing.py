#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A host that is killed and started again and again while the receiver is away:
the failures that had it be left alone are all that ever count, however often it
starts, and no event is a dead letter.  The first probe that gets through ends
it."""
import time

from outsystem import Out, body_id, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE

STARTS, EVENTS, HOUR = 20, 12, 3600
# How it is away, and the failures that have it be left alone.
WAYS = {"it does not answer": (Answer(do="close"), 3), "its application is broken": (Answer(500), 10)}


def attempts(s):
    return sum(one["attempts"] for one in s.dead("--waiting"))


def again(s, r, kill):
    """Another start, an hour later: what waits is due."""
    if kill:
        s.daemon.kill()
    else:
        equal(s.daemon.stop(), 0, "exit code")
    s.jump(HOUR + 1)
    before = len(r.requests)
    s.daemon.start()
    s.until(lambda: len(r.requests) > before, "a probe")
    time.sleep(0.3 * PATIENCE)


for name, (away, opens) in WAYS.items():
    with Receiver() as r, Out('url = "%(url)s/in"; concurrency = 1; jitter = 0; schedule = ( "1m", "2m", "3m", "4m" );', r) as s:
        r.script = lambda request: away
        s.post([event(i) for i in range(EVENTS)])
        s.until(lambda: s.lane()["held_off"], "it is left alone")
        s.until(lambda: s.parked() > 0, "what failed is on disk")
        for n in range(STARTS):
            again(s, r, kill=n % 4 != 3)
            equal(s.dead(), [], "%s: dead letters after %d starts" % (name, n + 1))
            if attempts(s) > opens:
                raise AssertionError("%s: %d attempts count after %d starts, and not %d" % (name, attempts(s), n + 1, opens))
            equal(len(s.lane()["held_off"]), 1, "it is held off")
        r.script = lambda request: Answer(200)
        sent = len(r.requests)
        again(s, r, kill=True)
        s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all is delivered", 60, step=60)
        equal(s.dead(), [], "dead letters")
        equal(len({body_id(q) for q in r.requests[sent:]}), EVENTS, "delivered")
        equal(s.lane()["held_off"], [], "held off")
    print("%s: %d starts, %d requests" % (name, STARTS, len(r.requests)))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 while requests are under way, between a 2xx and its batch, and while
events wait to be sent again: none is lost, each attempt has the event's one
webhook-id, and what comes a second time was under way at the kill or was
delivered in the last 100 ms before it."""
import os
import random
import time

from outsystem import Failed, Out, body_id, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE

KILLS = 12
EVENTS = 3000
SLACK = 0.4 * PATIENCE  # a sync, and a machine that does other things
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
print("SEED=%d" % seed)
dice = random.Random(seed)
failed_once = set()


def answer(request):
    """Some fail the first time; all take a moment."""
    delay, name = dice.random() * 0.03, body_id(request)
    if dice.random() < 0.1 and name not in failed_once:
        failed_once.add(name)
        return Answer(dice.choice((500, 400, 302)), body="not now", delay=delay)
    return Answer(200, delay=delay)


def check(requests, answers, kills):
    delivered, ids = {}, {}
    repeats, late = 0, 0.0
    for request in requests:
        name = body_id(request)
        ids.setdefault(name, set()).add(request.headers["webhook-id"])
        if answers[request.number].status != 200:
            continue
        if name in delivered:
            repeats += 1
            connection, done = delivered[name]
            killed = [at for at, last in kills if connection <= last < request.connection]
            if not killed:
                raise Failed("%s came twice without a kill in between" % name)
            late = max(late, killed[0] - done)
        delivered[name] = request.connection, request.at + answers[request.number].delay
    lost = [i for i in range(EVENTS) if "e%06d" % i not in delivered]
    equal(lost, [], "lost events")
    equal([n for n, have in ids.items() if len(have) != 1], [], "events with two webhook-ids")
    equal(len({i for have in ids.values() for i in have}), EVENTS, "webhook-ids")
    if late > 0.1 + SLACK:
        raise Failed("sent again %.3f s after it was delivered" % late)
    print("%d kills, %d repeats, the latest %.0f ms after its 2xx" % (len(kills), repeats, late * 1000))


answers, kills = {}, []
with Receiver() as r, Out('url = "%(url)s/in"; schedule = ( "300ms", "1s", "2s" );', r) as s:
    def script(request):
        answers[request.number] = answer(request)
        return answers[request.number]
    r.script = script
    for first in range(0, EVENTS, 500):
        s.post([event(i) for i in range(first, first + 500)])
    for _ in range(KILLS):
        time.sleep(dice.random() * 0.5)
        s.daemon.kill()
        at = time.time()
        time.sleep(0.3 * PATIENCE)  # what it had sent is read by then
        kills.append((at, r.accepted))
        s.daemon.start()
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all is delivered", 60)
    equal(s.lane()["dead_letters"], 0, "dead letters")
    check(r.requests, answers, kills)

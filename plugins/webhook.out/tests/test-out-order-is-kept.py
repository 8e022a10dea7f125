#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""order = "key": no event is sent before all that come before it under its key
were delivered or have become dead letters, whatever fails and whoever kills the
daemon; other keys do not wait."""
import json
import os
import random
import time

from outsystem import Failed, Out, body_id, equal, event
from receiver import Answer, Receiver

KEYS, EACH, KILLS = 20, 40, 6
POISON = "e000207"  # never taken
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
print("SEED=%d" % seed)
dice = random.Random(seed)


def answer(request):
    if body_id(request) == POISON:
        return Answer(422, delay=dice.random() * 0.01)
    return Answer(500 if dice.random() < 0.15 else 200, delay=dice.random() * 0.02)


def check(requests, answers, letters):
    delivered = set()
    for request in requests:
        n = int(body_id(request)[1:])
        for before in range(n % KEYS, n, KEYS):
            if before not in delivered and before not in letters:
                raise Failed("event %d was sent, and %d before it was not delivered" % (n, before))
        if answers[request.number].status == 200:
            delivered.add(n)
    equal(sorted(set(range(KEYS * EACH)) - delivered), sorted(letters), "what was not delivered")


answers = {}
with Receiver() as r, Out('url = "%(url)s/in"; order = "key"; order_key = "$event.payload.key"; '
                          'schedule = ( "200ms", "400ms", "200ms", "200ms", "200ms", "200ms", "200ms", "200ms" ); '
                          'attempts = "none";', r) as s:
    def script(request):
        answers[request.number] = answer(request)
        return answers[request.number]
    r.script = script
    for first in range(0, KEYS * EACH, 100):
        s.post([event(i, key="k%d" % (i % KEYS)) for i in range(first, first + 100)])
    for _ in range(KILLS):
        time.sleep(dice.random())
        s.daemon.kill()
        s.daemon.start()
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all has come to an end", 120)
    equal(s.lane()["dead_letters"], 1, "dead letters")
    check(r.requests, answers, {int(POISON[1:])})

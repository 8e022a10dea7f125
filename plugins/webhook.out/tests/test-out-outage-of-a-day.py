#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A receiver that is away for a day, in each of the ways in which it can be, by a
clock of the test's own: every event is delivered in the end, none is a dead
letter, and what the receiver gets meanwhile is a probe now and then.  An event
that is never taken becomes one, while those beside it are delivered."""
import json

from driven import NO_ATTEMPT, Driven, equal, event
from receiver import Answer, Receiver

MINUTE, HOUR = 60, 3600
STEP = 30


class Host:
    """Parks, and hands out what is due, as a lane does."""

    def __init__(self, d):
        self.d, self.parked, self.delivered, self.letters = d, {}, {}, {}

    def hand_out(self, new):
        d = self.d
        if d.held() > 0:
            return new
        due = [n for n, (at, _, _) in self.parked.items() if at <= d.now][:64]
        if due:
            for n in due:
                at, attempts, since = self.parked.pop(n)
                d.tell("again", attempts, int(since * 1000000))
                d.tell("event", json.dumps(event(n)))
            self.take(due, d.ends(d.tell("write", 20000)), {n: 0 for n in due})
            d.tell("clear")
        if d.held() > 0 or not new:
            return new
        self.take(new[:64], d.write([event(n) for n in new[:64]]), {})
        d.tell("clear")
        return new[64:]

    def take(self, numbers, ends, _):
        for n, e in zip(numbers, ends):
            if e.state == "done":
                self.delivered[n] = self.d.now
            elif e.state == "rejected":
                self.letters[n] = e.code
            else:
                self.tries[n] = self.tries.get(n, 0) + (not e.flags & NO_ATTEMPT)
                self.parked[n] = (self.d.now + e.delay / 1000, self.tries[n], self.d.now)

    def live(self, hours, every, until, away):
        """An event each `every` seconds, until so many hours."""
        self.tries = {}
        start, new, made = self.d.now, [], 0
        while self.d.now < start + hours * HOUR:
            away["now"] = 1 * HOUR <= self.d.now - start < 25 * HOUR
            while made * every <= self.d.now - start and made * every < until * HOUR:
                new.append(made)
                made += 1
            new = self.hand_out(new)
            self.d.advance(STEP)
        return made


WAYS = {"unreachable": Answer(do="close"), "broken": Answer(500), "busy": Answer(503),
        "behind a proxy": Answer(502), "refusing": Answer(401)}
with Receiver() as r:
    away = {"now": False}
    for name, answer in WAYS.items():
        r.script = lambda request: answer if away["now"] else Answer(200)
        r.requests.clear()
        with Driven('url = "%s/in";' % r.url) as d:
            host = Host(d)
            made = host.live(28, 10 * MINUTE, 27, away)
            equal(name + ": dead letters", host.letters, {})
            equal(name + ": delivered", len(host.delivered), made)
            equal(name + ": a flood", len(r.requests) < made + 24 * 12 + 40, True)
    # one that is never taken, beside others
    r.script = lambda request: Answer(500 if json.loads(request.body)["payload"]["n"] == 3 else 200)
    with Driven('url = "%s/in";' % r.url) as d:
        host = Host(d)
        made = host.live(6, 5 * MINUTE, 5, away)
        equal("poison", host.letters, {3: "http_500"})
        equal("beside it", len(host.delivered), made - 1)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A receiver that is away for a day, in each of the ways in which it can be, by a
clock of the test's own: every event is delivered in the end, none is a dead
letter, and what the receiver gets meanwhile is a probe now and then.  An event
that is never taken becomes one, while those beside it are delivered."""
import json

from driven import Driven, equal
from parking import MINUTE, Host
from receiver import Answer, Receiver

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

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Of many events for one target of several that is away, a few at a time come
back to try it; those for others are not in their way.  Once it answers, all of
them are sent at once, whenever they would have come, and what failed for itself
waits as its schedule says."""
import json

from outsystem import Out, body_id, equal, event
from receiver import Answer, Receiver

EVENTS = 600
PROBES = 6


def host_of(request):
    return request.headers["host"].split(":")[0]


with Receiver() as r, Out('url = "http://{{ $event.payload.host }}:%s/in"; hosts = ( "*" ); private = "allow"; '
                          'schedule = ( "6h", "6h" ); jitter = 0; attempts = "none";' % "PORT", r, start=False) as s:
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace("PORT", str(r.port)))
    away = {"now": True}
    r.script = lambda q: Answer(502 if away["now"] and host_of(q) == "localhost" else
                                400 if json.loads(q.body)["payload"].get("odd") else 200)
    s.daemon.start()
    for first in range(0, 2 * EVENTS, 400):
        s.post([event(i, host="localhost" if i % 2 else "127.0.0.1") for i in range(first, first + 400)])
    s.post([event(5000, host="127.0.0.1", odd=True)])
    s.until(lambda: s.lane()["lag_events"] == 0 and s.parked() == EVENTS + 1, "all is sent or parked")
    equal(len([q for q in r.requests if host_of(q) == "127.0.0.1"]), EVENTS + 1, "for the other")
    tried = len(r.requests)
    moved = s.metric("ingestlayer_events_parked_total")

    for _ in range(PROBES):
        before = len(r.requests)
        s.jump(301)
        s.post([event(6000 + len(r.requests), host="127.0.0.1")])
        s.until(lambda: len([q for q in r.requests[before:] if host_of(q) == "localhost"]) == 1, "a probe")
        s.until(lambda: s.lane()["lag_events"] == 0, "it rests")
    equal(len({body_id(q) for q in r.requests[tried:] if host_of(q) == "localhost"}), PROBES, "each another event")
    again = s.metric("ingestlayer_events_parked_total") - moved
    # An even share of what waits comes within an hour, and not all each time.
    if again > EVENTS:
        raise AssertionError("%d times an event came back for %d probes" % (again, PROBES))

    away["now"], answers = False, len(r.requests)
    s.jump(301)
    s.post([event(7000, host="127.0.0.1")])
    s.until(lambda: not s.dead("--waiting", "--code", "held_off"), "what waited for it is sent, whenever it was due")
    left = {one["event_id"] for one in s.dead("--waiting")}
    equal({"e005000"} <= left and len(left) <= 1 + PROBES + 16, True, "what has failed itself waits (%s)" % left)
    arrived = {body_id(q) for q in r.requests[answers:] if host_of(q) == "localhost"}
    equal(len(arrived | left - {"e005000"}), EVENTS, "delivered")
    equal(s.dead(), [], "dead letters")
    print("%d came back for %d probes" % (again, PROBES))

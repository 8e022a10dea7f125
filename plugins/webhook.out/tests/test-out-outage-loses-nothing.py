#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A day's outage by the daemon's own clock, with a restart in it and events that
keep coming: all are delivered in the end, none is a dead letter, the receiver is
asked now and then at most.  What a step took out is in no attempt, nor in what
is kept on disk for the next."""
import json
import os

from gate import contains
from outsystem import Failed, Out, body_id, equal, event
from receiver import Answer, Receiver

HOUR = 3600
EVENTS = 300
SECRET = "4111-1111-of-the-test"
away = {"now": False}


def add(s, first, count):
    s.post([event(i, card=SECRET) for i in range(first, first + count)])


def delivered(r, answers):
    return {body_id(q) for q in r.requests if answers[q.number].status == 200}


def parked_on_disk(s):
    found = b""
    for folder, _, names in os.walk(os.path.join(s.base, "state")):
        if os.path.basename(folder) != "spool":
            for name in (n for n in names if os.path.isfile(os.path.join(folder, n))):
                with open(os.path.join(folder, name), "rb") as f:
                    found += f.read() if "spool" not in folder else b""
    return found


answers = {}
steps = 'steps = ( { plugin = "step.redact"; field = "$event.payload.card"; } );'
with Receiver() as r, Out('url = "%(url)s/in"; secrets = ( "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" );', r, steps) as s:
    def script(request):
        answers[request.number] = Answer(500, body="down") if away["now"] else Answer(200)
        return answers[request.number]
    r.script = script
    add(s, 0, 20)
    s.until(lambda: len(delivered(r, answers)) == 20, "what comes before")
    away["now"] = True
    add(s, 20, 100)
    s.until(lambda: s.lane()["held_off"], "the lane is held off")
    contains(s.lane()["held_off"][0]["why"], "left alone but for a probe now and then: HTTP 500", "why")
    before, probes = len(r.requests), 0
    for hour in range(24):
        add(s, 120 + 6 * hour, 6)
        now = len(r.requests)
        s.jump(HOUR)
        s.until(lambda: len(r.requests) > now, "a probe in hour %d" % hour)
        s.until(lambda: s.lane()["held_off"], "its answer has been judged")
        if hour == 12:
            s.daemon.stop()
            s.daemon.start()
    if len(r.requests) - before > 24 * 12:
        raise Failed("%d requests in a day of outage" % (len(r.requests) - before))
    equal(SECRET.encode() in parked_on_disk(s), False, "what was taken out is on disk")
    away["now"] = False
    add(s, 120 + 6 * 24, EVENTS - 120 - 6 * 24)
    s.until(lambda: len(delivered(r, answers)) == EVENTS and s.lane()["parked"] == 0, "all are delivered", 60, step=300)
    equal(s.lane()["dead_letters"], 0, "dead letters")
    equal([q.body for q in r.requests if SECRET.encode() in q.body], [], "attempts with what was taken out")
    equal({"card" in json.loads(q.body)["payload"] for q in r.requests}, {False}, "payloads with it")

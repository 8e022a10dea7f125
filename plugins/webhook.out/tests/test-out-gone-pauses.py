#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""410 pauses the lane, over a restart, until somebody has it go on; then all of
it is delivered.  check --online tries the way and sends nothing.  A poison event
is a dead letter while the others beside it are delivered."""
import time

from outsystem import LANE, Out, body_id, equal, eventually, event
from gate import contains
from receiver import Answer, Receiver

with Receiver() as r, Out('url = "%(url)s/a-token"; schedule = ( "100ms", "100ms" );', r) as s:
    contains(s.run("check", "--online"), "http://127.0.0.1:%d can be reached; nothing was sent" % r.port, "check")
    equal(len(r.requests), 0, "requests of check")
    r.script = lambda request: Answer(410, body="unsubscribed")
    s.post([event(i) for i in range(50)])
    s.until(lambda: s.lane()["state"] == "paused", "the lane is paused")
    contains(s.lane()["paused"], "says that it is gone: HTTP 410: unsubscribed", "why")
    time.sleep(1)
    asked = len(r.requests)
    s.daemon.stop()
    s.daemon.start()
    time.sleep(1.5)
    equal(len(r.requests), asked, "requests of a paused lane")
    equal(s.lane()["state"], "paused", "after a restart")
    r.script = lambda request: Answer(422 if body_id(request) == "e000007" else 200)
    s.run("lane", "resume", LANE)
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all has come to an end", 30)
    equal(s.lane()["dead_letters"], 1, "dead letters")
    equal({body_id(q) for q in r.requests if q.number >= asked}, {"e%06d" % i for i in range(50)}, "what was sent")
    letter = s.dead()[0]
    equal((letter["event_id"] if "event_id" in letter else letter, letter["code"]), ("e000007", "http_422"), "the letter")
    shown = s.run("dead", "show", "--render", LANE, str(letter["position"]))
    contains(shown, "POST http://127.0.0.1:%d/***" % r.port, "dead show --render")
    contains(shown, '"id":"e000007"', "dead show --render")
    ids = [q.headers["webhook-id"] for q in r.requests if body_id(q) == "e000007"]
    r.script = lambda request: Answer(200)
    s.run("dead", "retry", "--wait", LANE, str(letter["position"]))
    again = r.requests[-1]
    equal((body_id(again), again.headers["webhook-id"]), ("e000007", ids[0]), "a letter that is retried")
    equal((len(set(ids)), s.lane()["dead_letters"]), (1, 0), "one webhook-id, and no letter")
    contains(s.log(), "e000007", "the dead letter in the log")
    contains(s.log(), "HTTP 422", "its reason")
    if "a-token" in s.log().replace(s.conf, ""):
        raise AssertionError("the log shows the path")
    r.close()
    checked = s.daemon.command("check", "--online", "-c", s.conf)
    equal(checked.returncode != 0, True, "check finds nobody")
    contains((checked.stdout + checked.stderr).decode(), "cannot be reached: no connection", "check")

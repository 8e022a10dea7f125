# SPDX-License-Identifier: MIT
"""conf/recipes/masked-chat.conf: the warehouse has what people wrote, a chat is
shown it without their addresses and numbers, and what could not be sent is kept
as it would have been shown."""
import json
import os

from receiver import Answer, Receiver
from recipe import Recipe
from system import equal, eventually


def feedback(user, rating, message, ip="192.0.2.77"):
    return "feedback.sent", {"user_id": user, "rating": rating, "message": message, "ip": ip}


FIRST = "call +49 170 1234567 or ada@acme.com, card 4111 1111 1111 1111"
WAITING = "bob@globex.com waits"

with Receiver() as r, Recipe("masked-chat", SLACK_WEBHOOK_URL=r.url + "/services/T0/B0/a-token") as s:
    r.script = lambda request: Answer(200, {"Content-Type": "text/html"}, "ok")
    s.send(feedback("u_1", 1, FIRST), feedback("u_2", 5, "carol@acme.com is fine"), feedback("u_3", 2, "plain", "2001:db8:1:2::3"))
    r.wait(2)
    s.delivered()
    equal([json.loads(request.body)["text"] for request in r.requests],
          ["1 of 5, from 192.0.2.0: call +** *** *****67 or a***@acme.com, card **** **** **** 1111",
           "2 of 5, from 2001:db8:1::: plain"], "messages")
    equal(s.pg.sql("select user_id, message, payload->>'ip' from events.feedback order by user_id"),
          "u_1|%s|192.0.2.77\nu_2|carol@acme.com is fine|192.0.2.77\nu_3|plain|2001:db8:1:2::3" % FIRST, "rows")

    # What waits, and a letter, are as the steps left it.
    r.script = lambda request: Answer(500, {}, "no")
    s.send(feedback("u_4", 1, WAITING))
    eventually(lambda: s.dead("--waiting"), "an event that waits")
    r.script = lambda request: Answer(400, {}, "invalid_payload")
    s.jump(3600)
    eventually(lambda: s.dead(), "a dead letter")
    r.script = lambda request: Answer(200, {"Content-Type": "text/html"}, "ok")
    equal("bob@" in json.dumps(s.dead()), False, "an address in a letter")
    equal([1 for request in r.requests if b"bob@" in request.body], [], "requests with an address")
    for folder, _, files in os.walk(os.path.join(s.base, "state")):
        for name in files:
            if os.path.basename(folder) == "spool" or not os.path.isfile(os.path.join(folder, name)):
                continue  # what was accepted is there for as long as `retain` says
            with open(os.path.join(folder, name), "rb") as f:
                equal(b"bob@" in f.read(), False, "an address in %s/%s" % (folder, name))
    equal(s.pg.sql("select message from events.feedback where user_id = 'u_4'"), WAITING, "the row of it")

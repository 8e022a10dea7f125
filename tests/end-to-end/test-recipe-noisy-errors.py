# SPDX-License-Identifier: MIT
"""conf/recipes/noisy-errors.conf: each error once an hour in a chat and no more
than twenty, all of them in the warehouse; a kill -9 changes nothing of it, and a
message that could not be sent is sent later."""
import json
import time

from receiver import Answer, Receiver
from recipe import Recipe
from system import equal, eventually


def error(service, text, detail="of a test"):
    return "error.raised", {"service": service, "error": text, "detail": detail}


def texts(r):
    return [json.loads(request.body)["text"] for request in r.requests]


TAKEN = Answer(200, {"Content-Type": "text/html"}, "ok")

with Receiver() as r, Recipe("noisy-errors", SLACK_WEBHOOK_URL=r.url + "/services/T0/B0/a-token") as s:
    r.script = lambda request: TAKEN
    s.jump(3600 - int(time.time()) % 3600 + 60)  # a minute after a full hour
    s.send(error("api", "no disk"), error("api", "no disk"), error("web", "no disk"), error("api", "no disk"))
    r.wait(2)
    s.delivered()
    equal(texts(r), ["api: no disk: of a test", "web: no disk: of a test"], "messages")

    # Those that are dropped are remembered by nobody; those that passed are, whatever dies.
    for _ in range(3):
        s.daemon.kill()
        s.daemon.start()
        s.send(error("api", "no disk"), error("web", "no disk"))
        s.delivered()
    equal(set(texts(r)), {"api: no disk: of a test", "web: no disk: of a test"}, "messages after kills")

    # What waits to be sent is no duplicate of itself, and others are of it.
    r.script = lambda request: Answer(500, {}, "no")
    s.send(error("db", "too slow", "the first"))
    eventually(lambda: s.dead("--waiting"), "a message that waits")
    s.daemon.kill()
    s.daemon.start()
    r.script = lambda request: TAKEN
    s.send(error("db", "too slow", "the second"))
    s.jump(300)
    eventually(lambda: not s.dead("--waiting"), "it is sent")
    s.delivered()
    equal({text for text in texts(r) if text.startswith("db")}, {"db: too slow: the first"}, "messages of it")

    # Everything breaks: 3 have passed in this hour, 17 do.
    before = set(texts(r))
    s.send(*[error("node-%d" % n, "gone") for n in range(30)])
    s.delivered()
    equal(set(texts(r)) - before, {"node-%d: gone: of a test" % n for n in range(17)}, "messages of a bad hour")

    # An hour after the first.
    s.jump(3300)
    before = len(r.requests)
    s.send(error("api", "no disk", "still"), error("node-0", "gone"))
    r.wait(before + 1)
    s.delivered()
    equal(texts(r)[before:], ["api: no disk: still"], "messages an hour later")
    equal(s.pg.sql("select count(*), count(distinct event_id) from events.errors"), "44|44", "rows")
    equal(s.dead(), [], "dead letters")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many requests are under way, in which order, how fast; that neither new
events nor those that come again starve; and what a stop leaves."""
import json
import os
import struct
import threading
import time

from driven import NO_ATTEMPT, OUT_OF_ORDER, RETRY, Driven, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE


def number(request):
    return json.loads(request.body)["payload"]["n"]


class Busy:
    """How many requests are there at once."""

    def __init__(self, r, delay=0.05):
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.delay = delay
        r.script = self.script

    def script(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Timer(self.delay * 0.7, self.leave).start()
        return Answer(200, delay=self.delay)

    def leave(self):
        with self.lock:
            self.now -= 1


def records(folder):
    with open(os.path.join(folder, "attempts"), "rb") as f:
        data = f.read()
    for at in range(0, len(data), 512):
        record = data[at:at + 512]
        _, n, us, position, attempt, ms, status, end, event_len, id_len, target_len, text_len, version = \
            struct.unpack_from("<QQQQIIHBBBBBB", record)
        yield {"n": n, "at": us, "position": position, "attempt": attempt, "ms": ms, "status": status, "end": end,
               "event": record[48:48 + event_len].decode(), "id": record[176:176 + id_len].decode(),
               "target": record[240:240 + target_len].decode(), "text": record[312:312 + text_len].decode()}


with Receiver() as r:
    url = 'url = "%s/in"; ' % r.url
    # concurrency
    busy = Busy(r)
    with Driven(url + "concurrency = 3;") as d:
        equal("all", {e.state for e in d.write([event(n) for n in range(20)])}, {"done"})
        equal("at once", busy.most, 3)
    r.requests.clear()
    r.script = lambda q: Answer(200)
    with Driven(url + "concurrency = 1;") as d:
        d.write([event(n) for n in range(20)])
    equal("in their order", [number(q) for q in r.requests], list(range(20)))

    # half for each of the two while both wait
    r.requests.clear()
    Busy(r)
    with Driven(url + "concurrency = 4;") as d:
        again = d.send([event(n) for n in range(100, 130)], again=(1, 60))
        new = d.send([event(n) for n in range(30)])
        d.wait(again), d.wait(new)
    middle = [number(q) >= 100 for q in r.requests][6:46]
    equal("half of them", 17 <= sum(middle) <= 23, True)

    # order: one after the other, whatever batch they are in; other keys beside
    r.requests.clear()
    r.script = lambda q: Answer(500 if number(q) == 2 else 200, delay=0.01)
    ordered = url + 'order = "key"; order_key = "$event.payload.k"; concurrency = 8; '
    with Driven(ordered) as d:
        first = d.send([event(n, k="a") for n in range(3)] + [event(10, k=7)])
        second = d.send([event(n, k="a") for n in (3, 4)] + [event(11, k=7), event(12)])
        ends = d.wait(first)
        equal("until one fails", [e.state for e in ends], ["done", "done", "deferred", "done"])
        equal("it is in its order", ends[2].flags & OUT_OF_ORDER, 0)
        # the test host does not keep it: they go after it, in their order
        equal("others", [e.state for e in d.wait(second)], ["done"] * 4)
    sent = [number(q) for q in r.requests]
    equal("one order", [n for n in sent if n < 10], [0, 1, 2, 3, 4])
    equal("another", [n for n in sent if n in (10, 11)], [10, 11])
    with Driven(ordered) as d:
        d.tell("waiting", "a")
        ends = d.write([event(n, k="a") for n in range(2)] + [event(5, k="b"), event(6)])
        equal("behind one on disk", [(e.state, e.flags) for e in ends],
              [("deferred", NO_ATTEMPT)] * 2 + [("done", 0)] * 2)
        r.script = lambda q: Answer(500)
        equal("one that comes again is not asked", d.one(event(1, k="a"), again=(1, 60)).flags, OUT_OF_ORDER)

    # rate: as many as it says at once, then one after the other
    r.requests.clear()
    r.script = lambda q: Answer(200)
    with Driven(url + 'rate = "10/10s";') as d:
        batch = d.send([event(n) for n in range(13)])
        r.wait(10)
        time.sleep(0.1)
        equal("at once", len(r.requests) < 13, True)
        d.advance(1)
        d.advance(2)
        equal("all", {e.state for e in d.wait(batch)}, {"done"})

    # a slow one keeps nothing in memory, and each has a time of its own
    with Driven(url + 'rate = "1/1m";') as d:
        ends = d.write([event(n) for n in range(4)])
        equal("one a minute", [(e.state, e.code, round(e.delay / 60000)) for e in ends],
              [("done", "", 0)] + [("deferred", "rate", n) for n in (1, 2, 3)])
        equal("held off", round(d.held() / 60), 1)
        d.advance(60)
        equal("the next", d.one(event(1), again=(0, 60)).state, "done")

    # a stop: what was answered counts, what was not is given back, and soon
    r.requests.clear()
    r.script = lambda q: Answer(200) if number(q) < 2 else Answer(do="hang")
    with Driven(url + 'concurrency = 4; timeout = "1m";') as d:
        batch = d.send([event(n) for n in range(9)])
        r.wait(6)
        time.sleep(0.2)
        begin = time.monotonic()
        d.tell("stop")
        equal("a stop takes a moment", time.monotonic() - begin < 5 * PATIENCE, True)
        states = [e.state for e in d.wait(batch, outcome=RETRY)]
        equal("given back", states, ["done"] * 2 + ["kept"] * 7)

    # what was tried is written down
    r.script = lambda q: Answer(200, body="fine") if number(q) < 2 else Answer(404, body="x" * 500)
    for said, expected in (("all", [200, 200, 404]), ("failures", [404]), ("none", None)):
        with Driven(url + 'concurrency = 1; attempts = "%s";' % said) as d:
            d.write([event(n) for n in range(3)])
            d.tell("advance", 1100)
            folder = d.text("folder")
            if expected is None:
                equal("no file", os.path.exists(os.path.join(folder, "attempts")), False)
                continue
            got = list(records(folder))
            equal("attempts = " + said, [a["status"] for a in got], expected)
            last = got[-1]
            equal("the last", (last["event"], last["attempt"], last["end"], last["target"], last["id"], len(last["text"])),
                  ("e2", 1, 1, "http://127.0.0.1:%d" % r.port, r.requests[-1].headers["webhook-id"], 200))

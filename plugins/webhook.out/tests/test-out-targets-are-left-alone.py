#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A target that is away costs no attempts and keeps nothing in memory; it is
probed, and what waited is sent once it answers.  Others are not held up by it,
nor by one that hangs; and one event that always fails keeps no door shut."""
from driven import NO_ATTEMPT, Driven, contains, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE


def by_kind(ends):
    return [(e.state, bool(e.flags & NO_ATTEMPT)) for e in ends]


AWAY = ("deferred", True)
with Receiver() as r:
    # (a) three without an answer of the application
    state = {"status": 502}
    r.script = lambda request: Answer(state["status"])
    with Driven('url = "%s/in"; concurrency = 1;' % r.url) as d:
        ends = d.write([event(n) for n in range(10)])
        equal("the first three count", by_kind(ends), [("deferred", False)] * 3 + [AWAY] * 7)
        equal("requests", len(r.requests), 3)
        equal("code", {e.code for e in ends[3:]}, {"held_off"})
        equal("delays", {e.delay for e in ends[3:]}, {30000})
        equal("the whole lane is held off", d.held(), 30)
        contains("log", d.text("log"), "is left alone, as its last attempts all failed: HTTP 502; the next one is in 30 s")
        d.advance(1)
        contains("status", d.text("status"), "http://127.0.0.1:%d is left alone since 2023-11-14T22:13:20Z: HTTP 502" % r.port)
        equal("gauge", d.tell("gauge", "targets_left_alone"), ["1"])
        equal("while it is", by_kind(d.write([event(n) for n in range(5)])), [AWAY] * 5)
        equal("requests", len(r.requests), 3)
        # one probe, which fails; it costs nothing; the next wait is longer
        d.advance(30)
        equal("a probe", by_kind(d.write([event(n) for n in range(5)], again=(4, 30))), [AWAY] * 5)
        equal("requests", len(r.requests), 4)
        equal("held off", d.held(), 60)
        d.advance(60)
        state["status"] = 200
        equal("it answers", {e.state for e in d.write([event(n) for n in range(20)])}, {"done"})
        equal("not held off", d.held(), 0)
        d.advance(1)
        equal("status", d.text("status"), "")
        contains("log", d.text("log"), "answers again, after 9")

    # (b) ten answers that speak of the application, of three events
    r.script = lambda request: Answer(500)
    with Driven('url = "%s/in"; concurrency = 1;' % r.url) as d:
        equal("ten count", by_kind(d.write([event(n) for n in range(12)])), [("deferred", False)] * 10 + [AWAY] * 2)

    # events of many targets: those of one that is away do not hold up others
    r.script = lambda request: Answer(502 if request.headers["host"].startswith("127") else 200)
    many = ('url = "http://{{ $event.payload.host }}:%d/in"; hosts = ( "*" ); private = "allow"; concurrency = 4; timeout = "%ds";'
            % (r.port, 2 * PATIENCE))
    with Driven(many) as d:
        hosts = ["127.0.0.1", "localhost"]
        ends = d.write([event(n, host=hosts[n % 2]) for n in range(40)])
        equal("the healthy one", {e.state for e in ends[1::2]}, {"done"})
        equal("the other", {e.state for e in ends[0::2]}, {"deferred"})
        equal("the host hands out", d.held(), 0)
        equal("it is shown", d.held("http://127.0.0.1:%d" % r.port) > 29, True)
        equal("not shown", d.held("http://localhost:%d" % r.port), 0)
    # one that hangs has half of the places at most
    r.script = lambda request: Answer(200) if "localhost" in request.headers["host"] else Answer(do="hang")
    with Driven(many) as d:
        hung = d.send([event(n, host="127.0.0.1") for n in range(8)])
        ends = d.write([event(n, host="localhost") for n in range(30)], limit=1800 * PATIENCE)
        equal("beside one that hangs", {e.state for e in ends}, {"done"})
        equal("and that one", {e.state for e in d.wait(hung, 30000 * PATIENCE)}, {"deferred"})

    # 503 for all: the target is held off, no attempt counts, another event is first
    r.script = lambda request: Answer(503)
    with Driven('url = "%s/in"; concurrency = 1; schedule = ( "10s", "20s" ); jitter = 0;' % r.url) as d:
        equal("503", by_kind(d.write([event(n) for n in range(4)])), [AWAY] * 4)
        equal("held off", d.held(), 10)
        before = len(r.requests)
        d.advance(10)
        d.write([event(n) for n in range(4)], again=(0, 10))
        equal("one asked again", len(r.requests), before + 1)
        # for one event alone, while others get through: it pays
        r.script = lambda request: Answer(503 if b'"n":99}' in request.body else 200)
        d.advance(20)
        d.write([event(n) for n in range(4)], again=(0, 20))
        d.advance(10)
        equal("poison", by_kind([d.one(event(99), again=(0, 15))]), [("deferred", False)])
        d.advance(1)
        equal("beside it", d.one(event(1)).state, "done")
        d.advance(19)
        equal("to its end", d.one(event(99), again=(2, 20)).state, "rejected")

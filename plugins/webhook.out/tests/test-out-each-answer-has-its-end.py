#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an answer, or none, makes of its event: delivered, to come again with or
without an attempt that counts, or a dead letter; and of its target."""
import time

from driven import NO_ATTEMPT, Driven, contains, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE

LONG = "x" * 5000
# name: answer, code (None: delivered), does it count
CASES = {
    "200": (Answer(200), None, True),
    "201": (Answer(201, body="{}"), None, True),
    "204": (Answer(204), None, True),
    "half": (Answer(200, body=LONG, do="half"), None, True),
    "huge": (Answer(200, do="endless"), None, True),
    "stall": (Answer(202, body=LONG, do="stall"), None, True),
    "302": (Answer(302, {"Location": "http://169.254.169.254/latest"}), "http_302", True),
    "400": (Answer(400, body="what?"), "http_400", True),
    "401": (Answer(401), "http_401", True),
    "404": (Answer(404), "http_404", True),
    "422": (Answer(422), "http_422", True),
    "500": (Answer(500, body=LONG), "http_500", True),
    "502": (Answer(502), "http_502", True),
    "599": (Answer(599), "http_599", True),
    "429": (Answer(429), "http_429", False),
    "503": (Answer(503), "http_503", False),
    "never": (Answer(do="hang"), "timeout", True),
    "slow": (Answer(do="slow-head", pause=0.05 * PATIENCE), "timeout", True),
    "close": (Answer(do="close"), "connect", True),
    "reset": (Answer(do="reset"), "connect", True),
    "huge-head": (Answer(do="endless-head"), "protocol", True),
    "no-http": (Answer(do="garbage", body="SSH-2.0-OpenSSH_9.2\r\n"), "protocol", True),
}


def check(name, got, last):
    answer, code, counts = CASES[name]
    if code is None:
        equal(name, got.state, "done")
        return
    equal(name + ": code", got.code, code)
    if code.startswith("http_"):
        contains(name + ": message", got.message, "HTTP %d" % answer.status)
    if counts and last:
        equal(name + ": the last time", got.state, "rejected")
        return
    equal(name + ": state", got.state, "deferred")
    equal(name + ": flags", bool(got.flags & NO_ATTEMPT), not counts)
    first, later = (24000, 36000), (240000, 360000)
    least, most = later if last else first
    if not least <= got.delay <= most:
        raise AssertionError("%s: a delay of %d" % (name, got.delay))


with Receiver() as r:
    r.script = lambda request: CASES[request.path.strip("/")][0]
    options = 'url = "%s/%s"; timeout = "' + "%ds" % PATIENCE + '";'
    for name in CASES:
        with Driven(options % (r.url, name)) as d:
            check(name, d.one(), False)
        with Driven(options % (r.url, name) + ' schedule = ( "30s", "2m", "5m" );') as d:
            check(name, d.one(again=(3, 60)), True)

    # what is said of it
    r.script = lambda request: Answer(500, body="token abcdefgh-token and\n\x01 whsec")
    with Driven('url = "%s/a/path-of-mine"; bearer = "abcdefgh-token"; schedule = ( "1s" );' % r.url) as d:
        got = d.one(again=(1, 5))
        equal("the last time", (got.state, got.message), ("rejected", "HTTP 500: token *** and   whsec"))
        equal("the header was there", r.requests[-1].headers["authorization"], "Bearer abcdefgh-token")

    # never tried again
    r.script = lambda request: Answer(int(request.path[1:]))
    with Driven('url = "%s/409"; reject = ( 409, 410 );' % r.url) as d:
        equal("reject", (d.one().state, d.one().code), ("rejected", "http_409"))
    with Driven('url = "%s/410"; reject = ( 409, 410 );' % r.url) as d:
        equal("reject before 410", (d.one().code, d.text("paused")), ("http_410", ""))

    # Retry-After
    for status, says, most, least, flags in ((500, "120", "1h", 120, 0), (500, "5", "1h", 24, 0),
                                             (429, "7", "1h", 7, NO_ATTEMPT), (503, "99999", "10m", 600, NO_ATTEMPT),
                                             (503, "nonsense", "1h", 24, NO_ATTEMPT)):
        r.script = lambda request: Answer(status, {"Retry-After": says})
        with Driven('url = "%s"; schedule = ( "30s" ); jitter = 20; retry_after_max = "%s";' % (r.url, most)) as d:
            got = d.one()
            equal("Retry-After: %s of a %d" % (says, status), got.flags & NO_ATTEMPT, flags)
            if not least * 1000 <= got.delay <= max(least, 30) * 1200:
                raise AssertionError("Retry-After: %s: %d ms" % (says, got.delay))
            equal("held off", d.held() > 0, bool(flags))

    # 410
    r.script = lambda request: Answer(410, body="no such hook")
    with Driven('url = "%s/in"; concurrency = 1;' % r.url) as d:
        ends = d.write([event(n) for n in range(5)])
        equal("410 of a literal url", [(e.state, e.flags & NO_ATTEMPT) for e in ends], [("deferred", NO_ATTEMPT)] * 5)
        paused, until = "", time.monotonic() + 20
        while not paused and time.monotonic() < until:
            paused = d.text("paused")  # it follows the end of the batch
        contains("paused", paused, "gone: HTTP 410: no such hook")
    with Driven('url = "http://{{ $event.payload.host }}/in"; hosts = ( "127.0.0.1" ); private = "allow";') as d:
        ends = d.write([event(n, host="127.0.0.1:%d" % r.port) for n in range(3)])
        equal("410 of a template", [(e.state, e.code) for e in ends], [("rejected", "gone")] * 3)
        equal("not paused", d.text("paused"), "")

    # what is counted
    r.script = lambda request: Answer(int(request.path[1:]))
    with Driven('url = "%s/{{ $event.payload.n }}";' % r.url) as d:
        d.write([event(n) for n in (200, 201, 302, 404, 500)])
        equal("counters", [d.count("attempts_" + k) for k in ("delivered", "redirected", "refused", "broken", "unanswered")],
              [2, 1, 1, 1, 0])

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each way in which an answer can come, or not, is told from the others; once
its head is there the status counts, whatever becomes of the body."""
import collections
import socket
import sys
import threading
import time

from receiver import Answer, Receiver
from tool import equal, line, one, send

LONG = "x" * 5000
# script -> class, status, whole, part of the error
CASES = {
    "ok": (Answer(200, body="fine"), "answered", 200, True, ""),
    "no-content": (Answer(204), "answered", 204, True, ""),
    "redirect": (Answer(302, {"Location": "http://169.254.169.254/latest"}), "answered", 302, True, ""),
    "client": (Answer(422, body="no"), "answered", 422, True, ""),
    "gone": (Answer(410), "answered", 410, True, ""),
    "server": (Answer(500, body=LONG), "answered", 500, False, ""),
    "closes": (Answer(200, close=True), "answered", 200, True, ""),
    "half": (Answer(200, body=LONG, do="half"), "answered", 200, False, ""),
    "reset-body": (Answer(200, body=LONG, do="reset-body"), "answered", 200, False, ""),
    "endless": (Answer(200, do="endless"), "answered", 200, False, ""),
    "stall": (Answer(201, body=LONG, do="stall"), "answered", 201, False, ""),
    "slow": (Answer(503, body=LONG, do="slow"), "answered", 503, False, ""),
    "chunks": (Answer(200, {"Transfer-Encoding": "chunked"}, body="3\r\nabc\r\n0\r\n\r\n"), "answered", 200, True, ""),
    "bad-chunks": (Answer(200, {"Transfer-Encoding": "chunked"}, body="zz\r\nabc\r\n"), "answered", 200, False, ""),
    "bad-gzip": (Answer(200, {"Content-Encoding": "gzip"}, body="abc"), "answered", 200, True, ""),
    "hang": (Answer(do="hang"), "timeout", 0, False, "no answer in time"),
    "slow-head": (Answer(do="slow-head"), "timeout", 0, False, "no answer in time"),
    "close": (Answer(do="close"), "connect", 0, False, "no connection"),
    "reset": (Answer(do="reset"), "connect", 0, False, "no connection"),
    "half-head": (Answer(do="half-head"), None, 0, False, ""),
    "endless-head": (Answer(do="endless-head"), "protocol", 0, False, "no answer that can be read"),
    "garbage": (Answer(do="garbage", body="SSH-2.0-OpenSSH_9.2\r\n"), "protocol", 0, False, "no answer that can be read"),
    "two-framings": (Answer(200, {"Content-Length": "3", "Transfer-Encoding": "chunked"}, body="3\r\nabc\r\n0\r\n\r\n"),
                     "protocol", 0, False, "both a length and chunks"),
    "two-lengths": (Answer(do="garbage", body="HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
                    "protocol", 0, False, "two of Content-Length"),
    "http-1.0": (Answer(do="garbage", body="HTTP/1.0 200 OK\r\n\r\nfine"), "answered", 200, True, ""),
    "status-0": (Answer(0), None, 0, False, ""),
    "status-999": (Answer(999), None, 0, False, ""),
}

with Receiver() as r:
    r.script = lambda request: CASES[request.path.strip("/")][0]
    names = list(CASES)
    answers = send([line(r.url + "/" + name, timeout=1500) for name in names], ["concurrency=30"])
    for name, got in zip(names, answers):
        script, what, status, whole, error = CASES[name]
        if what is None:
            assert got.what in ("connect", "protocol") and got.error, (name, got)
            continue
        equal(name, (got.what, got.status, got.whole), (what, status, whole))
        assert error in got.error and bool(error) == bool(got.error), (name, got)
        assert got.ms < 3000, (name, got)
        assert len(got.body) <= 1024, (name, got)
    by_name = dict(zip(names, answers))
    equal("body", by_name["ok"].body, b"fine")
    equal("a long body", by_name["server"].body, b"x" * 1024)
    equal("body in chunks", by_name["chunks"].body, b"abc")
    equal("a redirect", by_name["redirect"].location, "169.254.169.254")
    equal("remote", by_name["ok"].remote, "127.0.0.1:%d" % r.port)
    equal("requests", sorted(q.path for q in r.requests if q.path != "/reset" and q.path != "/close"),
          sorted("/" + name for name in names if name not in ("reset", "close")))

    # what was sent is what arrived
    r.script = lambda request: Answer(200)
    body = '{"name":"Grüße"}'
    one(r.url + "/a%20b?c=d", method="PUT", body=body,
        headers=["Content-Type: application/json", "webhook-id: il_1", "X-Empty: "])
    got = r.requests[-1]
    equal("request", (got.method, got.path, got.body), ("PUT", "/a%20b?c=d", body.encode()))
    equal("headers", {k: got.headers.get(k) for k in ("content-type", "webhook-id", "x-empty", "user-agent", "expect")},
          {"content-type": "application/json", "webhook-id": "il_1", "x-empty": "", "user-agent": "ingestlayer",
           "expect": None})
    one(r.url, body="", headers=["User-Agent: mine/1"])
    got = r.requests[-1]
    equal("nothing", (got.body, got.headers.get("content-type"), got.headers["user-agent"], got.headers["content-length"]),
          (b"", None, "mine/1", "0"))

    # Retry-After, of the last answer alone
    r.script = lambda request: Answer(429, {"Retry-After": "120"})
    equal("Retry-After", one(r.url).retry_after, "120")
    r.script = lambda request: Answer(429, {"retry-after": " Sun, 06 Nov 1994 08:49:37 GMT  "})
    equal("Retry-After", one(r.url).retry_after, "Sun, 06 Nov 1994 08:49:37 GMT")
    r.script = lambda request: Answer(429, {"Retry-After": "1" * 1000})
    equal("a long Retry-After", one(r.url).retry_after, "")
    r.script = lambda request: Answer(do="garbage", body="HTTP/1.1 103 Early Hints\r\nRetry-After: 7\r\n\r\n"
                                      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    got = one(r.url)
    equal("after a 103", (got.status, got.retry_after, got.body), (200, "", b"ok"))

    # a connection is used again; what died meanwhile is no failure
    before = r.accepted
    r.script = lambda request: Answer(200)
    equal("one after the other", [a.status for a in send([line(r.url)] * 5, ["concurrency=1"])], [200] * 5)
    equal("connections", r.accepted - before, 1)


def count(requests):
    """How often each path came."""
    return dict(collections.Counter(q.path for q in requests))


with Receiver() as r:
    # one that closes and does not say so
    r.script = lambda request: Answer(do="garbage", body="HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    answers = send([line(r.url + "/%d" % i) for i in range(20)], ["concurrency=2"])
    equal("closed meanwhile", {(a.what, a.status) for a in answers}, {("answered", 200)})

    # one that takes a request over a kept connection and closes: the request goes once more, over a new one
    last = {}

    def kept_ends(request):
        first = request.connection not in last
        last[request.connection] = request.number
        return Answer(200) if first else Answer(do=how)

    for how in ("close", "reset"):
        del r.requests[:]
        r.script = kept_ends
        answers = send([line(r.url + "/%d" % i) for i in range(4)], ["concurrency=1"])
        equal("once more", {(a.what, a.status) for a in answers}, {("answered", 200)})
        assert max(count(r.requests).values()) == 2 and len(r.requests) <= 7, count(r.requests)

    # not a third time, and never where a byte of an answer came, or over a connection that was new
    del r.requests[:]
    r.script = lambda request: Answer(200) if request.path == "/0" else Answer(do="close")
    answers = send([line(r.url + "/%d" % i) for i in range(2)], ["concurrency=1"])
    equal("closes again", [a.what for a in answers], ["answered", "connect"])
    equal("requests", count(r.requests), {"/0": 1, "/1": 2})
    del r.requests[:]
    r.script = lambda request: Answer(200) if request.path == "/0" else Answer(do="half-head")
    answers = send([line(r.url + "/%d" % i) for i in range(2)], ["concurrency=1"])
    equal("half a head", [a.what for a in answers], ["answered", "connect"])
    equal("requests", count(r.requests), {"/0": 1, "/1": 1})

    # bytes behind an answer are not taken for the next one's
    r.script = lambda request: Answer(200, {"Content-Length": "2"}, body="okHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    answers = send([line(r.url)] * 4, ["concurrency=1"])
    equal("behind an answer", [(a.status, a.body) for a in answers], [(200, b"ok")] * 4)

    # free ones go where there are too many
    with Receiver() as other:
        r.script = lambda request: Answer(200)
        answers = send([line((r, other)[i % 2].url) for i in range(6)], ["concurrency=1"])
        equal("in turns", {a.status for a in answers}, {200})

    # a body that no buffer takes at once
    r.script = lambda request: Answer(200)
    equal("large", one(r.url, body="x" * 900000).status, 200)
    equal("large", len(r.requests[-1].body), 900000)

# what is answered before all was sent counts
with socket.create_server(("127.0.0.1", 0)) as early:
    def refuse():
        connection, _ = early.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        time.sleep(2)
        connection.close()
    thread = threading.Thread(target=refuse)
    thread.start()
    got = one("http://127.0.0.1:%d/" % early.getsockname()[1], body="x" * 1000000)
    equal("answered early", (got.what, got.status, got.body), ("answered", 413, b"big"))
    thread.join()

gone = one("http://127.0.0.1:%d/" % r.port)
equal("nobody", (gone.what, gone.status), ("connect", 0))
gone = one("http://no-such-name.invalid/")
equal("no name", (gone.what, gone.status), ("name", 0))
for url in ("ftp://127.0.0.1/", "file:///etc/passwd", "http://", "//x", "", "http://a:b@127.0.0.1/", "http://x y/"):
    equal(url, one(url).what, "request")
for header in ("Bad Name: x", "X-Bell: \x07"):
    equal(header, one("http://127.0.0.1/", headers=[header]).what, "request")
sys.exit(0)

# SPDX-License-Identifier: MIT
"""Where few files may be open, no more connections are let in than leave enough
for the spool: it begins new segments all the while.  Strangers of one address
keep nobody of another out, and not for long those of their own."""
import functools
import http.client
import resource
import socket
import subprocess
import time

import servers
from gate import EVENT, HEAD, KEY, Gate, equal, eventually

LIMIT = 72
CONF = HEAD + """
http = { listen = "env:GATE"; };
spool = { segment = "1MiB"; min_free = "1KiB"; };
"""


def few():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def client(g, source):
    return http.client.HTTPConnection("127.0.0.1", g.daemon.gate, timeout=30, source_address=(source, 0))


def post(c, body=EVENT):
    c.request("POST", "/v1/ingest", body, {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    answer = c.getresponse()
    answer.read()
    return answer.status


def post_again(g, source):
    c = client(g, source)
    try:
        return post(c)
    except OSError:
        return 0
    finally:
        c.close()


servers.subprocess.Popen = functools.partial(subprocess.Popen, preexec_fn=few)
with Gate(CONF) as g:
    servers.subprocess.Popen = subprocess.Popen
    assert "http.max_connections is" in g.log(), "the log says how many there may be:\n" + g.log()
    strangers = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=30)
        if i % 2:
            s.sendall(b"POST /v1/ingest HTTP/1.1\r\nHost: x")
        strangers.append(s)
    # another address: at once, and the spool goes on
    busy = client(g, "127.0.0.2")
    large = '{"type":"test.event","payload":{"x":"%s"}}' % ("x" * 700000)
    for _ in range(20):
        equal(post(busy, large), 202, "a sender of another address")
    # the address of the strangers: once the silent ones have gone
    began = time.monotonic()
    eventually(lambda: post_again(g, "127.0.0.1") == 202, "a sender of the same address", 15)
    print("after %.1f s" % (time.monotonic() - began))
    # who has shown a key is no stranger, however long it is silent
    time.sleep(3)
    equal(post(busy), 202, "a sender that was silent")
    busy.close()
    for s in strangers:
        s.close()
    for bad in ("Too many open files", "full"):
        assert bad not in g.log(), g.log()
    equal(g.daemon.stop(), 0, "its exit code")

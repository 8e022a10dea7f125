# SPDX-License-Identifier: MIT
"""A thousand senders that stop in the middle of a head or a body, dribble, send
nothing or never read their answers: a working one is served meanwhile, memory
is bounded, connections that are too many wait until the others are cut off, and
SIGTERM does not wait for them."""
import json
import resource
import select
import socket
import threading
import time

from servers import PATIENCE, under_a_checker
from system import KEY, PLAIN, System, equal, event, eventually

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 8192 else 8192, hard))
TIMEOUT = 3
CONF = PLAIN.replace('listen = "env:GATE";', """listen = "env:GATE"; timeout = "%ds";
    max_connections_per_address = 0; max_connections = 1100;""" % TIMEOUT)
HEAD = ("POST /v1/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY
        + "\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n")
BODY = json.dumps([event(0)]).encode()


def dial(s, send=b"", small=False):
    c = socket.socket()
    if small:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.connect(("127.0.0.1", s.daemon.gate))
    c.setblocking(False)
    c.send(send)
    return c


def stalled(s, n):
    """Nothing, half a head, half a body; in turn."""
    whole = (HEAD % 1000).encode()
    return [dial(s, (b"", whole[:60], whole + BODY[:20])[i % 3]) for i in range(n)]


def closed(conns):
    """How many the server has closed."""
    poll, n = select.poll(), 0
    for c in conns:
        poll.register(c, select.POLLIN | select.POLLRDHUP)
    for _, what in poll.poll(0):
        n += bool(what & (select.POLLRDHUP | select.POLLHUP | select.POLLERR))
    return n


def rss_mb(s):
    with open("/proc/%d/status" % s.daemon.proc.pid) as f:
        return [int(line.split()[1]) for line in f if line.startswith("VmRSS")][0] / 1024


class Dribble(threading.Thread):
    """Some send a byte at a time, for ever."""

    def __init__(self, conns):
        super().__init__(daemon=True)
        self.conns, self.stop = conns, False
        self.start()

    def run(self):
        text, at = (HEAD % 1000).encode(), 1
        while not self.stop:
            for c in self.conns:
                try:
                    c.send(text[at % len(text):at % len(text) + 1])
                except OSError:
                    pass
            at += 1
            time.sleep(0.2)


with System(CONF) as s:
    s.post([event(n) for n in range(500)])
    before = rss_mb(s)
    conns = stalled(s, 750)
    dribbling = [dial(s, HEAD[:1].encode()) for _ in range(250)]
    dribble = Dribble(dribbling)
    began, served = time.monotonic(), 0
    while time.monotonic() - began < TIMEOUT - 1:
        s.post([event(1000 + served)])
        served += 1
    if not under_a_checker():
        equal(closed(conns + dribbling), 0, "connections that are cut off before their time")
    if served < 20 / PATIENCE:
        raise AssertionError("a working sender was served %d times in %d s" % (served, TIMEOUT - 1))
    grown = rss_mb(s) - before
    if grown > 40 and not under_a_checker():
        raise AssertionError("%.0f MB more for 1000 stalled senders" % grown)
    # One that trickles has twice the time for its head.
    eventually(lambda: closed(conns) == len(conns), "who stands still is cut off", 4 * TIMEOUT)
    eventually(lambda: closed(dribbling) == len(dribbling), "who dribbles is cut off", 6 * TIMEOUT)
    dribble.stop = True
    for c in conns + dribbling:
        c.close()

    # Never reading: the same large batch again and again down one connection.
    batch = json.dumps([event(n) for n in range(500)]).encode()
    request = (HEAD % len(batch)).encode() + batch
    deaf = [dial(s, small=True) for _ in range(40)]
    pending = {c: b"" for c in deaf}
    until = time.monotonic() + 60 * PATIENCE
    peak = 0
    while pending and time.monotonic() < until:
        for c in list(pending):
            try:
                rest = pending[c] or request
                pending[c] = rest[c.send(rest):]
            except BlockingIOError:
                pass
            except OSError:
                del pending[c]
        peak = max(peak, rss_mb(s))
        time.sleep(0.001)
    equal(len(pending), 0, "connections of those who never read")
    if peak - before > 100 and not under_a_checker():
        raise AssertionError("%.0f MB more for 40 senders who never read" % (peak - before))
    s.post([event(5000)])
    for c in deaf:
        c.close()

    # Too many: the next one waits until the first are cut off.
    conns = stalled(s, 1100)
    s.post([event(5001)])
    for c in conns:
        c.close()

    # SIGTERM, and by default a request may take 30 s.
    s.daemon.stop()
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('timeout = "%ds";' % TIMEOUT, ""))
    s.daemon.start()
    conns = stalled(s, 300) + [dial(s, request, small=True) for _ in range(3)]
    dribble = Dribble([dial(s, HEAD[:1].encode()) for _ in range(30)])
    s.post([event(5002)])
    began = time.monotonic()
    equal(s.daemon.stop(), 0, "exit code")
    took = time.monotonic() - began
    dribble.stop = True
    if took > 15 * PATIENCE:
        raise AssertionError("stopped after %.1f s" % took)
    print("served %d while 1000 stalled, %.0f MB; never read: %.0f MB; stopped in %.1f s"
          % (served, grown, peak - before, took))
    equal(s.pg.sql("select count(*) - count(distinct event_id) from t.rows"), "0", "doubles")

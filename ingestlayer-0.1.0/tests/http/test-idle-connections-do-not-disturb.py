# SPDX-License-Identifier: MIT
"""Connections that do nothing cost next to nothing and disturb no working one;
when there is room for no more, they make room.  --count N: how many."""
import argparse
import http.client
import os
import resource
import socket
import sys
import time

from gate import EVENT, HEAD, KEY, Gate, equal, eventually

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=1500)
count = parser.parse_args().count
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if hard != resource.RLIM_INFINITY and hard < count + 200:
    print("skipped: no more than %d files may be open" % hard)
    sys.exit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, hard))
CONF = HEAD + """
http = { listen = "env:GATE"; max_connections = %d; max_connections_per_address = 0; %s };
"""
REQUEST = ("POST /v1/ingest HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
           "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (KEY, len(EVENT), EVENT)).encode()


def dial(g):
    return socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=60)


def flood(g):
    """A third never says anything, a third stops in the head, a third has
    been served once."""
    idle = []
    for i in range(count):
        s = dial(g)
        if i % 3 == 1:
            s.sendall(REQUEST[:40])
        elif i % 3 == 2:
            s.sendall(REQUEST)
        idle.append(s)
    for s in idle[2::3]:
        equal(s.recv(4096)[:12], b"HTTP/1.1 202", "an answer")
    return idle


def work(g, n):
    c = http.client.HTTPConnection("127.0.0.1", g.daemon.gate, timeout=60)
    for _ in range(n):
        c.request("POST", "/v1/ingest", EVENT, {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
        answer = c.getresponse()
        answer.read()
        equal(answer.status, 202, "a working connection")
    c.close()


def usage(g):
    """(CPU seconds so far, MiB resident)"""
    with open("/proc/%d/stat" % g.daemon.proc.pid) as f:
        fields = f.read().rpartition(")")[2].split()
    with open("/proc/%d/statm" % g.daemon.proc.pid) as f:
        pages = int(f.read().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * 4 / 1024


def still_open(sockets):
    return sum(1 for s in sockets if not is_closed(s))


def is_closed(s):
    s.setblocking(False)
    try:
        return s.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


with Gate(CONF.replace("%d", str(count + 2000)).replace("%s ", "")) as g:
    work(g, 50)
    before = usage(g)
    idle = flood(g)
    flooded = usage(g)
    work(g, 200)
    cpu = usage(g)[0]
    time.sleep(3)
    resting = usage(g)[0] - cpu
    print("%d idle connections: %.1f KiB each, %.3f s of CPU in 3 s of rest"
          % (count, (flooded[1] - before[1]) * 1024 / count, resting))
    equal(resting < 0.6, True, "CPU at rest, %.2f s of 3" % resting)
    equal(still_open(idle), count, "connections that are still open")
    for s in idle:
        s.close()
    eventually(lambda: 'http_connections{server="gate"} 0' in
               g.curl("http://127.0.0.1:%d/metrics" % g.daemon.admin)[1], "all are gone")
    equal(g.daemon.stop(), 0, "exit code")

# room for exactly these: whoever comes after them is served all the same,
# long before `timeout`
with Gate(CONF.replace("%d", str(count)).replace("%s ", "timeout = \"300s\";")) as g:
    idle = flood(g)
    begin = time.monotonic()
    work(g, 5)
    print("the one too many was served after %.1f s" % (time.monotonic() - begin))
    equal(still_open(idle) < count, True, "idle ones have made room")

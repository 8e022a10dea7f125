# SPDX-License-Identifier: MIT
"""dedupe knows every one of very many keys: none passes twice, none is dropped the
first time, within state_memory; and a start takes no longer for having them.
KEYS says how many; `make check-faults` takes ten million."""
import http.client
import os
import time

from gate import HEAD, Gate, equal
from servers import under_a_checker
from system import eventually

KEYS = int(os.environ.get("KEYS", 50000))
MIB = 1 << 20
CONF = HEAD + """
http = { listen = "env:GATE"; };
state_memory = "32MiB";
spool = { retain = "0s"; min_free = "0B"; };
idempotency = { window = "1s"; };
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "dedupe"; name = "once"; key = "$event.payload.k"; window = "24h"; } );
  destinations = ( { plugin = "destination.null"; name = "d"; when = "exists(n)"; out = "%(base)s/out"; } ); } );
"""


def send(g, lines):
    conn = send.conn or http.client.HTTPConnection("127.0.0.1", g.daemon.gate, timeout=120)
    send.conn = conn
    while True:
        conn.request("POST", "/v1/ingest", lines, {"Authorization": "Bearer test-key", "Content-Type": "application/x-ndjson"})
        answer = conn.getresponse()
        answer.read()
        if answer.status != 503:  # the lane is behind
            break
        time.sleep(0.2)
    equal(answer.status, 202, "status")


send.conn = None


def metric(g, name):
    conn = http.client.HTTPConnection("127.0.0.1", g.daemon.admin, timeout=60)
    conn.request("GET", "/metrics")
    text = conn.getresponse().read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("ingestlayer_" + name + "{"))


def private_bytes(g):
    """Without what is mapped of files, which the kernel takes back."""
    with open("/proc/%d/status" % g.daemon.proc.pid) as f:
        return [int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon")][0]


def delivered(g):
    eventually(lambda: metric(g, "lane_lag_events") == 0, "all is delivered", 600)


with Gate(CONF) as g:
    began, most = time.monotonic(), 0
    for at in range(0, KEYS, 500):
        send(g, "\n".join('{"type":"t","payload":{"k":%d}}' % k for k in range(at, at + 500)))
        if at % 100000 == 0:
            most = max(most, private_bytes(g))
    delivered(g)
    most = max(most, private_bytes(g))
    took = time.monotonic() - began
    send.conn = None
    g.daemon.kill()
    began = time.monotonic()
    g.daemon.start()
    ready = time.monotonic() - began
    # Of all that there were every so many-th again, and as many that are new.
    step = max(1, KEYS // 5000)
    old, new = list(range(0, KEYS, step))[:5000], list(range(KEYS, KEYS + 5000))
    for at in range(0, len(old), 250):
        send(g, "\n".join('{"type":"t","payload":{"k":%d,"n":1}}' % k for k in old[at:at + 250] + new[at:at + 250]))
    delivered(g)
    with open(g.path("out")) as f:
        passed = [int(line.split('"k":')[1].split(",")[0]) for line in f]
    equal(passed, new, "keys that pass, of %d that were there and %d that are new" % (len(old), len(new)))
    most = max(most, private_bytes(g))
    print("%d keys in %.0f s; most memory %.0f MB, ready after kill -9 in %.2f s" % (KEYS, took, most / 1e6, ready))
    if not under_a_checker():
        equal(most < 128 * MIB, True, "memory is bounded: %d bytes" % most)
        equal(ready < 15, True, "a start is quick: %.1f s" % ready)

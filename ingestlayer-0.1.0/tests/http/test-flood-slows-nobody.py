# SPDX-License-Identifier: MIT
"""One key floods with many connections and large batches, and never waits as it
is told; another key of the same source sends one event at a time.  All of the
other's are accepted, each after a bounded amount of the flood's work: counted in
answers, not in seconds, which a busy machine stretches.  The flood gets what its
rate allows, and what it sends beyond that is not even read.  The same with
connections that fill the memory for bodies and never finish."""
import asyncio
import json
import time
import urllib.request

from gate import Gate, equal

CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
http = { listen = "env:GATE"; max_body = "1MiB"; max_buffered = "8MiB"; max_connections_per_address = 10000; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event";
              keys = ( { key = "flood-key"; id = "flood"; rate = "200/s"; burst = 500; },
                       { key = "heavy-key"; id = "heavy"; },
                       { key = "calm-key"; id = "calm"; } ); } );
"""
CONNECTIONS = 64
BATCH = 500
CALM = 200
# Answers that one flooding connection may get while a calm request waits: as a
# rule, and at worst, when this program itself was held up.
TURNS, TURNS_MAX = 2, 20


def request(key, body, length=None):
    return (b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (key.encode(), length or len(body), body))


def batch(connection, n):
    return json.dumps([{"type": "flood", "id": "f-%d-%d-%d" % (connection, n, i), "payload": {"text": "x" * 60}}
                       for i in range(BATCH)]).encode()


async def answer(reader):
    """(status, headers)"""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers


class Flood:
    def __init__(self):
        self.statuses = {}
        self.answers = self.bytes = 0
        self.short = 0  # answers 429 that do not say how long
        self.stop = False

    async def run(self, port, connection):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = batch(connection, 0)
        while not self.stop:
            writer.write(request("flood-key", body))
            status, headers = await answer(reader)
            self.answers += 1
            self.bytes += len(body)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.short += status == 429 and int(headers.get("retry-after", 0)) < 1
            if status == 202:
                body = batch(connection, self.answers)
        writer.close()


async def calm(port, flood):
    """How many answers the flood had during each of our requests.  That is
    asked of a duplicate, which waits for no disk: while that is at work, the
    flood is heard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    waits = []
    for n in range(CALM):
        for _ in ("new", "duplicate"):
            before = flood.answers
            writer.write(request("calm-key", b'{"type":"calm","id":"c-%d","payload":{}}' % n))
            status, _ = await answer(reader)
            equal(status, 202, "status of calm request %d" % n)
        waits.append(flood.answers - before)
    writer.close()
    return sorted(waits)


async def under_flood(port):
    flood = Flood()
    tasks = [asyncio.create_task(flood.run(port, i)) for i in range(CONNECTIONS)]
    while flood.answers < 2 * CONNECTIONS:
        await asyncio.sleep(0.01)
    waits = await calm(port, flood)
    flood.stop = True
    await asyncio.gather(*tasks)
    return flood, waits


async def stall(g, n, size):
    """n bodies that stay a byte short, of which some are too much."""
    def busy():
        return metric(g, 'http_busy_total{server="gate"}')
    before, writers = busy(), []
    for _ in range(n):
        _, writer = await asyncio.open_connection("127.0.0.1", g.daemon.gate)
        writer.write(request("heavy-key", b" " * size, size + 1))
        writers.append(writer)
    while busy() == before:
        await asyncio.sleep(0.02)
    return writers


async def with_full_memory(g):
    """Large ones fill the memory for bodies, small ones what those leave."""
    writers = await stall(g, 16, 900000)
    writers += await stall(g, 300, 3000)
    writers += await stall(g, 20, 20)
    await calm(g.daemon.gate, Flood())
    for writer in writers:
        writer.close()


def metric(gate, name):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % gate.daemon.admin) as r:
        for line in r.read().decode().splitlines():
            if line.startswith("ingestlayer_" + name + " "):
                return int(line.split()[-1])
    return None


with Gate(CONF) as g:
    begun = time.monotonic()
    flood, waits = asyncio.run(under_flood(g.daemon.gate))
    elapsed = time.monotonic() - begun
    accepted = flood.statuses.get(202, 0) * BATCH
    print("%d answers to the flood: %s; read %d of %d MB; while a calm request waited: median %d, most %d" %
          (flood.answers, flood.statuses, metric(g, 'gate_received_bytes_total{source="app"}') // 1000000,
           flood.bytes // 1000000, waits[len(waits) // 2], waits[-1]))
    equal(set(flood.statuses), {202, 429}, "what the flood hears")
    equal(flood.short, 0, "answers 429 without a time")
    equal(waits[len(waits) // 2] <= TURNS * CONNECTIONS and waits[-1] <= TURNS_MAX * CONNECTIONS, True,
          "few answers to the flood while a calm request waits")
    # the burst, what the rate brought, and one batch that is owed
    equal(accepted <= BATCH + 200 * (elapsed + 1) + BATCH, True, "%d of the flood accepted in %.1f s is its rate" %
          (accepted, elapsed))
    equal(metric(g, 'gate_key_events_total{source="app",key="flood",result="accepted"}'), accepted,
          "the flood's accepted events")
    equal(metric(g, 'gate_key_events_total{source="app",key="calm",result="accepted"}'), CALM, "calm events")
    equal(metric(g, 'gate_key_events_total{source="app",key="calm",result="limited"}'), 0, "calm events limited")
    # Of what was refused, 32 at a time are read; the rest is answered unread.
    read = metric(g, 'gate_received_bytes_total{source="app"}')
    limited = 32 * (flood.statuses[202] + 1) + flood.statuses[202] + CONNECTIONS * (flood.statuses[202] + 1)
    equal(read <= limited * (flood.bytes / flood.answers) + CALM * 200, True,
          "%d of %d bytes of the flood were read" % (read, flood.bytes))
    asyncio.run(asyncio.wait_for(with_full_memory(g), 60))

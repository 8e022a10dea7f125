# SPDX-License-Identifier: MIT
"""state_memory: what steps remember of many keys takes no more memory than that,
whichever of two lanes has the keys, and is right all the same; a reload takes
another size; what is no size is an error."""
import collections
import json

from gate import HEAD, Gate, equal
from system import eventually

MIB = 1 << 20
CONF = HEAD + """
http = { listen = "env:GATE"; };
state_memory = "%(size)s";
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "count"; name = "seen"; key = "$event.payload.key"; } );
  destinations = ( { plugin = "destination.null"; name = "one"; begin = "oldest"; },
                   { plugin = "destination.null"; name = "two"; begin = "oldest"; when = "n >= 0";
                     steps = ( { plugin = "dedupe"; key = "$event.payload.key"; } ); } ); } );
"""
KEYS, EVENTS = 20000, 60000
sent = collections.Counter()


def conf(size):
    return CONF % {"base": "%(base)s", "size": size}


def send(g, count):
    for at in range(0, count, 500):
        events = []
        for i in range(at, at + 500):
            key = "user-%06d" % (i * 7919 % KEYS)
            sent[key] += 1
            events.append(json.dumps({"type": "t", "payload": {"key": key, "n": i}}))
        body = g.path("body")
        with open(body, "w") as f:
            f.write("\n".join(events))
        equal(g.curl("-H", "Authorization: Bearer test-key", "-H", "Content-Type: application/x-ndjson", "--data-binary",
                     "@" + body, "http://127.0.0.1:%d/v1/ingest" % g.daemon.gate)[2], 202, "status")


def lanes(g):
    return json.loads(g.daemon.command("status", "-c", g.conf, "--json").stdout)["lanes"]


def delivered(g):
    eventually(lambda: all(lane["lag_events"] == 0 for lane in lanes(g)), "all is delivered", 120)


def write(g, size):
    with open(g.conf, "w") as f:
        f.write(conf(size) % {"base": g.base})


with Gate(conf("1MiB")) as g:
    send(g, EVENTS)
    delivered(g)
    took = [lane["memory"]["bytes"] for lane in lanes(g)]
    # A quarter each, and as much again for what is on its way to the disk.
    equal(all(bytes < MIB // 2 * 5 / 4 for bytes in took), True, "at most a half each, but %s" % took)
    equal(sum(took) <= MIB, True, "not more than 1 MiB together, but %s" % took)

    # A larger one is taken while it runs.
    write(g, "64MiB")
    r = g.daemon.command("reload", "-c", g.conf)
    equal(r.returncode, 0, "reload: %s" % r.stderr.decode())
    send(g, EVENTS)
    delivered(g)
    took = [lane["memory"]["bytes"] for lane in lanes(g)]
    equal(all(MIB < bytes for bytes in took), True, "more than before, but %s" % took)

    equal(g.daemon.stop(), 0, "stop")
    for step in ("seen",):
        r = g.daemon.command("state", "list", "-c", g.conf, "p/one", step)
        found = {cell["key"]: cell["nth"] for cell in map(json.loads, r.stdout.decode().splitlines())}
        equal(found == sent, True, "numbers of %d keys (%d were found)" % (len(sent), len(found)))

    for size, why in (("1023KiB", "expected 1MiB to 64GiB"), ("65GiB", "expected 1MiB to 64GiB"), ("many", "expected")):
        write(g, size)
        r = g.daemon.command("check", "-c", g.conf)
        text = (r.stdout + r.stderr).decode()
        equal((r.returncode, "state_memory" in text and why in text), (1, True), "check of %s: %s" % (size, text))

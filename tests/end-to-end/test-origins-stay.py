# SPDX-License-Identifier: MIT
"""An event that is refused, tried again and refused again, with kills between,
has the same origin each time, under positions that differ."""
import json
import os

from gate import HEAD, Failed, Gate, eventually

CONF = HEAD + """
http = { listen = "env:GATE"; };
pipelines = (
  { name = "all"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "destination.null"; out = "%(base)s/out"; origins = true;
                       refuse_while = "%(base)s/refuse"; } ); }
);
"""
LANE = "all/destination.null"


def touch(path):
    open(path, "w").close()


def lines(g, n):
    def there():
        with open(g.path("out")) as f:
            return len(f.readlines()) >= n
    eventually(there, "%d lines in out" % n)
    with open(g.path("out")) as f:
        return [line.split() for line in f]


def dead(g):
    r = g.daemon.command("dead", "list", "-c", g.conf, "--json")
    return [json.loads(line)["position"] for line in r.stdout.decode().splitlines()]


def retry(g, position):
    r = g.daemon.command("dead", "retry", "-c", g.conf, LANE, str(position))
    if r.returncode:
        raise Failed("dead retry: " + r.stderr.decode())


def emit(g, n):
    body = json.dumps([{"id": "e%d" % i, "type": "test.event", "payload": {"n": i}} for i in range(n)])
    code, said, status = g.curl("-H", "Authorization: Bearer test-key", "-H", "Content-Type: application/json",
                                "-d", body, "http://127.0.0.1:%d/v1/ingest" % g.daemon.gate)
    if code or int(status) != 202:
        raise Failed("%s: %s" % (status, said))


def origin_of(line):
    return line[1:4]


with Gate(CONF, files=lambda g: touch(g.path("refuse"))) as g:
    emit(g, 3)
    first = lines(g, 3)
    eventually(lambda: dead(g) == [1, 2, 3], "three letters")
    for line in first:
        if line[0] != line[1] or line[2] != "0":
            raise Failed("origin of a new event: %r" % line)
    with open(g.path("state/spool/ID")) as f:
        if f.read().strip().replace("-", "") != first[0][3]:
            raise Failed("the spool of an origin is not that of spool/ID: %r" % first[0])

    letter, seen = 2, [first[1]]
    for again in (4, 5, 6):
        g.daemon.kill()
        if again == 6:
            os.unlink(g.path("refuse"))
        g.daemon.start()
        retry(g, letter)
        eventually(lambda: letter not in dead(g), "the letter is tried again")
        seen.append([line for line in lines(g, again) if line[4] == "e1"][-1])
        letter = int(seen[-1][0])
    if [int(line[0]) for line in seen] != [2, 4, 5, 6]:
        raise Failed("positions: %r" % seen)
    if any(origin_of(line) != origin_of(seen[0]) for line in seen):
        raise Failed("origins differ: %r" % seen)
    eventually(lambda: dead(g) == [1, 3], "the letter is gone")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every acknowledged event is in the stream, and a reader with marks takes it once:
whatever is killed, and when the stream is deleted, put back to an earlier copy, or
its sequences are used again."""
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import time

from jetstream import Nats, read_once
from servers import Daemon, without_plugin
from system import KEY, equal, eventually

CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { retain = "1h"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = ( { name = "ship"; sources = ( { source = "app"; } );
  destinations = ( { plugin = "stream.nats"; servers = ( "%(url)s" ); stream = "il"; create = true;
                     replicas = 1; partitions = 4; batch = { events = 200; }; timeout = "2s"; } ); } );
"""


class World:
    def __init__(self, base):
        self.base, self.sent, self.n = base, [], 0
        self.nats = Nats(base)
        conf = os.path.join(base, "il.conf")
        with open(conf, "w") as f:
            f.write(CONF % {"base": base, "url": self.nats.url})
        self.daemon = Daemon(base, conf, {"KEY": KEY})

    def begin(self):
        self.nats.start()
        self.daemon.start()

    def send(self, count):
        import urllib.request
        while count > 0:
            batch = []
            for _ in range(min(count, 100)):
                self.n += 1
                batch.append({"id": "e%07d" % self.n, "type": "t", "payload": {"n": self.n, "pad": "x" * (self.n % 300)}})
            request = urllib.request.Request(
                "http://127.0.0.1:%d/v1/ingest" % self.daemon.gate, json.dumps(batch).encode(),
                {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
            while True:
                try:
                    with urllib.request.urlopen(request, timeout=30):
                        break
                except OSError:
                    time.sleep(0.05)
            self.sent += [e["id"] for e in batch]
            count -= len(batch)

    def delivered(self):
        def done():
            r = self.daemon.command("status", "-c", self.daemon.conf, "--json")
            return r.returncode == 0 and all(lane["lag_events"] == 0 for lane in json.loads(r.stdout)["lanes"])
        eventually(done, "the lane delivers what it has", 60)

    def account(self, what):
        self.delivered()
        got = collections.Counter(read_once(self.nats.messages("il")))
        missing = sum(1 for i in self.sent if not got[i])
        equal((missing, sum(1 for n in got.values() if n > 1), len(got)), (0, 0, len(self.sent)),
              "lost, doubled and in all, " + what)

    def end(self):
        if self.daemon.proc and self.daemon.proc.poll() is None:
            self.daemon.kill()
        self.nats.stop()


def killed(w, rnd):
    for _ in range(8):
        w.send(rnd.randrange(1, 8) * 100)
        if rnd.random() < 0.5:
            w.nats.kill()
            time.sleep(rnd.random() * 0.3)
            w.nats.start()
        else:
            w.daemon.kill()
            w.daemon.start()
    w.account("after kills")


def deleted(w, _):
    w.nats.api("STREAM.DELETE.il")
    w.send(100)
    w.account("after the stream was deleted")


def restored(w, rnd):
    """To a copy; then the same sequences go to other messages."""
    w.delivered()
    w.nats.kill()
    copy = w.nats.store + ".copy"
    shutil.copytree(w.nats.store, copy)
    w.nats.start()
    w.send(300)
    w.delivered()
    w.nats.kill()
    shutil.rmtree(w.nats.store)
    os.rename(copy, w.nats.store)
    if rnd.random() < 0.5:
        w.daemon.kill()
        w.daemon.start()
    w.nats.start()
    w.send(500)
    w.account("after the store was put back")


def wiped(w, _):
    w.delivered()
    w.nats.kill()
    shutil.rmtree(w.nats.store)
    w.nats.start()
    w.daemon.kill()
    w.daemon.start()
    w.send(1)
    w.account("after the store was wiped and the daemon killed")


def main():
    why = Nats.missing() or without_plugin(["stream.nats", "sdk.event"])
    if why:
        print(why)
        return 77
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 30)
    rnd = random.Random(seed)
    base = tempfile.mkdtemp(prefix="il-nats-")
    w = World(base)
    try:
        w.begin()
        w.send(500)
        w.account("at first")
        for trouble in (killed, restored, deleted, restored, wiped, killed):
            trouble(w, rnd)
        print("%d events; seed %d" % (len(w.sent), seed))
    except BaseException:
        print("seed %d" % seed)
        with open(w.daemon.log, errors="replace") as f:
            print("--- the daemon's log ends:", *f.readlines()[-30:], sep="\n")
        raise
    finally:
        w.end()
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

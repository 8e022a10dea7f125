# SPDX-License-Identifier: MIT
"""A plugin that hangs shows as what its lane waits for, does not hold up another
lane, and does not keep the daemon from ending; one that calls exit() or crashes
is named.  What was accepted is delivered after the next start."""
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.request

from servers import PATIENCE, Daemon, plugins_of, under_a_checker, without_plugin

CONF = """
state_dir = "%(base)s/state"; drain = "1s";
entities = { map_size = "64MiB"; };
http = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); },
            { name = "bad"; plugin = "source.naughty"; fault = "%(source)s"; } );
pipelines = (
  { name = "bad"; sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "step.naughty"; fault = "%(step)s"; } );
    destinations = ( { plugin = "destination.naughty"; fault = "%(destination)s"; } ); },
  { name = "good"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "destination.null"; out = "%(base)s/out"; },
                     { plugin = "destination.naughty"; name = "twin"; fault = "none"; } ); }
);
"""
NAMED = 'pipeline "bad", destination destination.naughty'
STEP = 'pipeline "bad", step 1 (step.naughty)'


class Case:
    def __init__(self, **faults):
        self.base = tempfile.mkdtemp(prefix="il-naughty-")
        self.conf = os.path.join(self.base, "conf")
        self.write(**faults)
        # It leaves while a plugin hangs: with threads that nobody joins.
        tsan = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
        self.daemon = Daemon(self.base, self.conf, {"KEY": "k", "TSAN_OPTIONS": tsan})

    def write(self, source="none", step="none", destination="none"):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF % {"base": self.base, "source": source, "step": step,
                            "destination": destination})

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.daemon.proc and self.daemon.proc.poll() is None:
            self.daemon.kill()
        if kind:
            print(self.log())
        shutil.rmtree(self.base)

    def log(self):
        with open(self.daemon.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def post(self):
        """Of a daemon that the event kills the answer may not come."""
        try:
            self.send()
        except ConnectionError:
            pass

    def send(self):
        body = json.dumps({"type": "t", "payload": {"n": 1}}).encode()
        urllib.request.urlopen(urllib.request.Request(
            "http://127.0.0.1:%d/v1/ingest" % self.daemon.gate, body,
            {"Authorization": "Bearer k", "Content-Type": "application/json"}), timeout=60)

    def status(self):
        return json.loads(self.daemon.command("status", "--json", "-c", self.conf).stdout)

    def lane(self, name):
        return next(one for one in self.status()["lanes"] if one["name"] == name)


def until(check, what, seconds=20):
    end = time.monotonic() + seconds * PATIENCE
    while not check():
        assert time.monotonic() < end, "in vain: " + what
        time.sleep(0.1)


def holds(where, text):
    assert text in where, "expected: %s\nactual:   %s" % (text, where)


def hung_write():
    with Case(destination="hang") as c:
        c.daemon.start()
        c.post()
        until(lambda: c.lane("bad/destination.naughty")["state"] == "waiting", "the lane waits")
        lane = c.lane("bad/destination.naughty")
        holds(lane["last_error"], "in write() of " + NAMED + " for ")
        waiting = c.status()["waiting"]
        assert [w["callback"] for w in waiting] == ["write()"], waiting
        assert waiting[0]["lane"] == "bad/destination.naughty" and waiting[0]["seconds"] >= 4, waiting
        with urllib.request.urlopen("http://127.0.0.1:%d/healthz" % c.daemon.admin, timeout=60) as r:
            holds(r.read().decode(), '"status":"ok","waiting":[{"instance":"pipeline')
        # another plugin's lane, and another instance of the same
        until(lambda: os.path.getsize(os.path.join(c.base, "out")) > 0, "the other lane delivers")
        until(lambda: c.lane("good/twin")["delivered"] == 1, "another instance of the plugin delivers")
        begin = time.monotonic()
        assert c.daemon.stop() == 1, c.daemon.proc.returncode
        assert time.monotonic() - begin < 12 * PATIENCE, "it left late"
        holds(c.log(), NAMED + ": has not come back from write() for ")
        c.write()
        c.daemon.start()
        until(lambda: c.lane("bad/destination.naughty")["delivered"] == 1, "delivered after the next start")
        assert c.daemon.stop() == 0


def hung_stop_and_start():
    with Case(destination="hang-stop") as c:
        c.daemon.start()
        assert c.daemon.stop() == 1
        holds(c.log(), NAMED + ": has not come back from stop() for ")
    with Case(source="hang-start") as c:
        try:
            c.daemon.start(3)
        except RuntimeError:
            pass
        assert c.daemon.stop() == 1
        holds(c.log(), 'source "bad" (source.naughty): has not come back from start() for ')


def exits():
    with Case(step="exit") as c:
        c.daemon.start()
        c.post()
        assert c.daemon.proc.wait(60 * PATIENCE) == 1
        holds(c.log(), "exit() was called in process() of " + STEP)
    with Case(destination="exit-thread") as c:
        c.daemon.start()
        assert c.daemon.proc.wait(60 * PATIENCE) == 1
        holds(c.log(), "exit() was called in no call of a plugin")
    with Case(step="exit-open") as c:
        result = c.daemon.command("check", "-c", c.conf)
        assert result.returncode == 1, result
        holds(result.stderr.decode(), "exit() was called in open() of " + STEP)


def crashes():
    for fault, number in ("segv", signal.SIGSEGV), ("overflow", signal.SIGSEGV):
        with Case(destination=fault) as c:
            c.daemon.start()
            c.post()
            assert c.daemon.proc.wait(60 * PATIENCE) == -number, c.daemon.proc.returncode
            holds(c.log(), "fatal signal SIGSEGV in write() of " + NAMED)


if without_plugin(plugins_of(CONF)):
    sys.exit(77)
hung_write()
hung_stop_and_start()
exits()
if not under_a_checker():
    crashes()

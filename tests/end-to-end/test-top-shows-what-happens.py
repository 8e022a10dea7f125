# SPDX-License-Identifier: MIT
"""`ingestlayer top` shows how fast a daemon does what: on a terminal frame by frame,
no wider and no higher than that, through a restart of the daemon, until q; in a pipe
block by block; as JSON a line each.  What it says is what the daemon counts."""
import json
import os
import re
import signal
import subprocess
import termios
import threading

from gate import HEAD, Gate, contains, equal, eventually
from servers import PATIENCE
from terminal import Terminal

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
TOP = [os.path.join(BUILD, "ingestlayer"), "top"]
LONG = "a-pipeline-with-a-name-that-is-longer-than-most-of-them-are"
CONF = HEAD + """
plugin_dir = ( "BUILD/tests" );
http = { listen = "env:GATE"; };
pipelines = (
  { name = "fast"; sources = ( { source = "app"; } ); destinations = ( { name = "d"; plugin = "destination.null"; } ); },
  { name = "still"; status = "paused"; sources = ( { source = "app"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); },
  { name = "LONG"; sources = ( { source = "app"; } );
    steps = ( { plugin = "filter.match"; where = "n < 0"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD).replace("LONG", LONG)


class Sender(threading.Thread):
    """Batches of 100 events, ten times a second."""

    def __init__(self, g):
        super().__init__()
        self.g, self.ends, self.sent = g, threading.Event(), 0
        self.start()

    def run(self):
        lines = b'{"type":"t.x","payload":{"n":1}}\n' * 100
        while not self.ends.wait(0.1):
            r = subprocess.run([TOP[0], "emit", "--state-dir", self.g.path("state")], input=lines,
                               capture_output=True)
            self.sent += 100 if r.returncode == 0 else 0

    def stop(self):
        self.ends.set()
        self.join()


class Screen(Terminal):
    """top on a terminal of its own."""

    def __init__(self, g):
        super().__init__(TOP + ["-c", g.conf, "-i", "200ms"], g.daemon.env)

    def frames(self):
        """Those that are whole, as lines."""
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", f).replace("\r", "").split("\n")
                for f in self.read().split("\x1b[H")[1:] if "\x1b[J" in f]

    def until(self, holds, what):
        try:
            eventually(lambda: self.frames() and holds(self.frames()[-1]), what, 20)
        except Exception:
            print("top ended with %r:" % self.proc.poll(), self.text[-2000:].replace("\x1b", "ESC"))
            raise
        return self.frames()[-1]

    def end(self, code, how):
        how()
        equal(self.ends(10), code, "top's exit code: %r" % self.text[-300:])
        equal(self.text.count("\x1b[?1049h"), self.text.count("\x1b[?1049l"), "the screen of before is there again")
        equal(termios.tcgetattr(self.slave)[3], self.was[3], "the terminal's modes")
        self.close()


def line_of(frame, name):
    return ([line for line in frame if line.startswith(name + " ")] or [""])[0].split()


with Gate(CONF) as g:
    def run(*args, code=0, **kind):
        r = subprocess.run(TOP + list(args), capture_output=True, env=g.daemon.env, timeout=60 * PATIENCE, **kind)
        equal(r.returncode, code, "exit code of top %s: %s" % (args, r.stderr.decode()))
        return r.stdout.decode(), r.stderr.decode()

    sender = Sender(g)
    try:
        eventually(lambda: sender.sent > 200, "events come")
        # as JSON: rates are what was counted between
        shown = json.loads(run("-c", g.conf, "--once", "--json", "-i", "2s")[0])
        lanes = {lane["name"]: lane for lane in shown["lanes"]}
        rate = shown["sources"][0]["accepted_per_second"]
        if not 50 < rate < 1100 or not 1.9 < shown["seconds"] < 2.0 + PATIENCE:
            raise AssertionError(shown)
        equal(shown["spool"]["seconds_left"] > 60, True, "the disk lasts")
        equal(abs(lanes["fast/d"]["delivered_per_second"] - rate) < 150, True, "what is delivered: %s" % shown)
        equal(abs(lanes[LONG + "/d"]["dropped_per_second"] - rate) < 150, True, "what is dropped: %s" % shown)
        equal((lanes["still/d"]["delivered_per_second"], lanes["still/d"]["state"]), (0, "paused"), "a paused one")
        contains(lanes["still/d"]["waits_for"], "status", "why it is paused")
        equal(lanes["still/d"]["lag_events"] > 100, True, "how far it is behind")

        # in a pipe: a block each, nothing but text, whole lines
        p = subprocess.Popen(TOP + ["-s", g.path("state"), "--interval", "300ms"], stdout=subprocess.PIPE, env=g.daemon.env)
        text = ""
        while text.count("process") < 3:
            text += os.read(p.stdout.fileno(), 65536).decode()
        p.send_signal(signal.SIGINT)
        equal(p.wait(10 * PATIENCE), 0, "ended by SIGINT")
        p.stdout.close()
        equal("\x1b" in text, False, "escapes in a pipe")
        contains(text, LONG + "/d ", "the whole name")
        lines = run("-c", g.conf, "--once")[0].split("\n")
        equal(float(line_of(lines, "app")[1]) > 0, True, "accepted: %s" % lines)
        equal(line_of(lines, "fast/d")[1], "running", "state: %s" % lines)
        p = subprocess.run("%s top -c %s --json -i 100ms | head -n 2" % (TOP[0], g.conf), shell=True,
                           capture_output=True, env=g.daemon.env, timeout=60 * PATIENCE)
        equal([sorted(json.loads(line))[:2] for line in p.stdout.splitlines()], [["at", "gate"]] * 2, "lines of JSON")

        # on a terminal
        t = Screen(g)
        frame = t.until(lambda f: line_of(f, "fast/d")[2:3] not in ([], ["-"], ["0"]), "a rate")
        equal(max(len(line) for line in frame) <= 80 and len(frame) <= 24, True, "it fits: %s" % frame)
        contains("\n".join(frame), "still/d: ", "what it waits for")
        contains("\n".join(frame), LONG[:12], "a long name's beginning")
        contains("\n".join(frame), "\u2026", "and that it is cut")
        t.resize(200, 24)
        t.until(lambda f: any(line.startswith(LONG + "/d ") for line in f), "a wide one")
        t.resize(80, 10)
        frame = t.until(lambda f: len(f) <= 10, "a low one")
        contains("\n".join(frame[-2:]), "still/d", "one that does not run is shown first")
        contains("\n".join(frame[-2:]), "and 2 more", "how many are not")
        t.resize(80, 24)
        g.daemon.kill()
        t.until(lambda f: "no daemon runs" in f[0], "the daemon is gone")
        g.daemon.start()
        t.until(lambda f: line_of(f, "fast/d")[2:3] not in ([], ["-"], ["0"]), "and there again")
        t.end(0, lambda: t.write(b"xq"))
        t = Screen(g)
        t.until(lambda f: line_of(f, "fast/d"), "another one")
        t.end(0, lambda: t.proc.send_signal(signal.SIGTERM))
    finally:
        sender.stop()

    for args, says in ((("-i", "1"), "--interval"), (("-i", "5ms"), "100ms to 1h"), (("more",), "unexpected"), (("--x",), "")):
        contains(run(*args, code=2)[1], says, "usage of %s" % (args,))
    contains(run("-c", g.path("none"), code=1)[1], "none", "a config that is not there")
    equal(g.daemon.stop(), 0, "its exit code")
    for how in (["--once"], ["--json"], []):
        contains(run("-c", g.conf, *how, code=1)[1], "no daemon runs", "without a daemon")

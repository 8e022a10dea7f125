# SPDX-License-Identifier: MIT
"""webhook.out in a test host: see drive.c here.

    with Driven('url = "http://..."; ...') as d:
        d.write([event(1)])[0].state"""
import collections
import json
import os
import subprocess

DRIVE = os.path.join(os.environ["IL_BUILDDIR"], "plugins", "webhook.out", "tests", "drive")
NO_ATTEMPT, OUT_OF_ORDER = 1, 2
OK, RETRY = 0, 1
NOW = 1_700_000_000
End = collections.namedtuple("End", "state code flags delay target message")


class Failed(Exception):
    pass


def equal(what, actual, expected):
    if actual != expected:
        raise Failed("%s: expected %r, got %r" % (what, expected, actual))


def contains(what, text, part):
    if part not in text:
        raise Failed("%s: expected %r in %r" % (what, part, text))


def event(n=1, kind="test.event", **payload):
    return {"id": "e%d" % n, "type": kind, "payload": dict({"n": n}, **payload)}


class Driven:
    def __init__(self, options, refused=False, plugin="webhook.out"):
        """refused: open() finds something; d.findings says what."""
        self.proc = subprocess.Popen([DRIVE, os.path.join(os.environ["IL_BUILDDIR"], "plugins", plugin, ".libs", plugin + ".so")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.now = NOW
        self.tell("clock", NOW * 1000000)
        answer = self.tell("open", options.replace("\n", " ").replace("\t", " "))
        self.findings = "\n".join(answer[1:])
        if (answer[0] != "0") != refused:
            raise Failed("open: " + "\n".join(answer))

    def tell(self, *words):
        self.proc.stdin.write(("\t".join(str(w) for w in words) + "\n").encode())
        self.proc.stdin.flush()
        lines = []
        for line in self.proc.stdout:
            line = line.decode(errors="replace").rstrip("\n")
            if line == ".":
                return lines
            lines.append(line)
        raise Failed("it has died: %s" % self.proc.wait())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        wrong = [] if kind else self.tell("stop") + self.tell("violations")
        self.proc.stdin.close()
        code = self.proc.wait(30)
        self.proc.stdout.close()
        if not kind:
            equal("violations", wrong, [])
            equal("exit", code, 0)

    def add(self, events, again=None, replayed=False):
        """again: (attempts, seconds since it was tried) of each."""
        for e in events:
            if replayed:
                self.tell("replayed")
            if again:
                self.tell("again", again[0], (self.now - again[1]) * 1000000)
            equal("event", self.tell("event", json.dumps(e)), ["0"])

    def ends(self, lines, outcome=OK):
        equal("outcome", int(lines[0]), outcome)
        return [End(s, c, int(f), int(d), t, m) for s, c, f, d, t, m in (line.split("\t", 5) for line in lines[1:])]

    def write(self, events, again=None, limit=20000, outcome=OK, replayed=False):
        self.tell("clear")
        self.add(events, again, replayed)
        return self.ends(self.tell("write", limit), outcome)

    def one(self, e=None, again=None, **more):
        return self.write([e or event()], again, **more)[0]

    def send(self, events, again=None):
        """Hand over, and do not wait; a number for wait()."""
        self.tell("clear")
        self.add(events, again)
        return int(self.tell("async")[0])

    def wait(self, number, limit=20000, outcome=OK):
        return self.ends(self.tell("await", number, limit), outcome)

    def advance(self, seconds):
        self.now += seconds
        self.tell("advance", int(seconds * 1000) + 5)
        self.tell("clock", int(self.now * 1000000))

    def held(self, target=""):
        """For so many seconds from now."""
        until = int(self.tell("held", target)[0])
        return max(0, round(until / 1000000 - self.now, 1)) if until else 0

    def text(self, *words):
        return "\n".join(self.tell(*words))

    def count(self, name):
        return int(self.tell("counter", name)[0])

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 of either process at an upgrade, under load: before each message that it
sends or hears, and at writes, syncs and renames in between.  Whoever is left goes
on without refusing anybody; where nobody is, the next start does; and each event
that was answered is one row.

--every k takes every k-th message only, --writes n so many of the other points."""
import argparse
import os
import random
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from load import Load  # noqa: E402
from system import PLAIN, System, eventually  # noqa: E402
from upgrades import Process, UpgradeDaemon  # noqa: E402


class Fault(Exception):
    pass


class InjectedDaemon(UpgradeDaemon):
    """Those that are started by launch(), and by them, not the commands."""
    injected = {}

    def launch(self):
        plain, self.env = self.env, dict(self.env, **self.injected)
        try:
            return super().launch()
        finally:
            self.env = plain


class Trials:
    def __init__(self, s):
        self.s, self.load = s, None
        self.counts = dict.fromkeys(("old", "new", "nobody"), 0)
        self.injection = inject.Injection(os.path.join(s.base, "control"), os.path.join(s.base, "state"), ())
        s.daemon.injected = self.injection.env()
        s.daemon.start()

    def nobody_listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.s.daemon.gate)) != 0

    def goes_on(self):
        before = self.load.sent()
        eventually(lambda: self.load.sent() > before + 20, "the load goes on")

    def who_is_left(self, before):
        """The process that has the place, or nobody has."""
        until = time.monotonic() + 20
        while before.poll() is None:
            # it goes on, or is about to end as the other does
            if self.s.daemon.pid() == before.pid and self.s.daemon.ready():
                return "old"
            if time.monotonic() > until:
                raise Fault("the old process neither goes on nor ends")
            time.sleep(0.02)
        other = Process(self.s.daemon.pid())
        try:
            if self.injection.fired and before.returncode != -signal.SIGKILL:
                other.wait()  # so it was this one, and a process takes a moment to die
            if other.pid == before.pid or other.poll() is not None:
                return "nobody"
        except ChildProcessError:
            return "nobody"  # the old one has seen it end
        self.s.daemon.proc = other
        return "new"

    def one(self, ops, after):
        """Did anything die?"""
        begun = time.monotonic()
        before, refused = self.s.daemon.proc, self.load.refused
        self.injection.forget()
        self.injection.now(ops, inject.KILL, after=after)
        code, out, err = self.s.daemon.upgrade()
        self.injection.off()
        left = self.who_is_left(before)
        fired, what = self.injection.fired, self.injection.what
        self.counts[left] += bool(fired)
        if not fired and (code or left != "new"):
            raise Fault("nothing was killed, and it failed: %d %r" % (code, err))
        if left == "nobody":
            # a new one that has seen the old one die still has its sockets as it ends
            eventually(self.nobody_listens, "the other one is gone")
            self.s.daemon.start()
        else:
            if self.load.refused != refused:
                raise Fault("%s: %s is left, and %d were refused" % (what, left, self.load.refused - refused))
            if code != (left == "old") and not (code and fired):
                raise Fault("%s: exit code %d, and %s is left: %r" % (what, code, left, err))
        self.goes_on()
        print("%5.1f s  %-4d %-24s %s left, exit code %d" % (time.monotonic() - begun, after, what if fired else "-", left, code), flush=True)
        return fired


def messages(t, every):
    n = 0
    while t.one(("message",), n):
        n += every
    print("%d messages" % n)
    if n < 8:
        raise Fault("only %d messages: are they seen?" % n)


def writes(t, count, rnd):
    """An upgrade has some dozens of them, and in the spool the load adds to that."""
    for i in range(count):
        t.injection.narrow("idem dead entities instances lanes parked lock format" if i % 3 else "")
        t.one(inject.WRITES, rnd.randrange(50 if i % 3 else 120))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--writes", type=int, default=15)
    parser.add_argument("--seed", default="")
    options = parser.parse_args()
    why = inject.usable()
    if why:
        print("skipped: " + why)
        sys.exit(77)
    seed = int(options.seed or random.randrange(1 << 30))
    print("--seed %d" % seed)
    with System(PLAIN, kind=InjectedDaemon, start=False) as s:
        t = Trials(s)
        with Load(s.daemon.gate, pause_s=0.002) as load:
            t.load = load
            messages(t, options.every)
            writes(t, options.writes, random.Random(seed))
        print("left: " + ", ".join("%s %d times" % pair for pair in sorted(t.counts.items())))
        if [u for u in load.unexpected if u[0] not in (503,)]:
            raise Fault("answers: %r" % load.unexpected[:3])
        s.delivered()
        rows = list(s.pg.lines("select event_id from t.rows"))
        if sorted(rows) != sorted(load.answered):
            raise Fault("%d rows of %d events for %d answers" % (len(rows), len(set(rows)), load.sent()))


if __name__ == "__main__":
    main()

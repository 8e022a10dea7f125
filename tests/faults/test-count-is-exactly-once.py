#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A source that fetches, and counts, is stopped at every write, sync, rename ...:
its events have neither ids nor keys, and each is in the spool exactly once, as
its mark is on disk with them or not at all.

modes:
  kill    the process stops before the n-th call
  torn    a part of the n-th write gets through, then the process stops
  power   stopped there, and what was not synced is gone; also in a blend of
          what was synced and what was not
  full    the disk of the spool is full from the n-th write on, for a while
  errors  the n-th call fails, once or from then on, and then the process is killed
          and the power is cut
  gone    restarted after retention has removed the segments of the marks

--every k takes only every k-th point; `make check-faults` takes them all."""
import argparse
import errno
import json
import os
import random
import shutil
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from swept import Failure, Swept  # noqa: E402

CONF = """
state_dir = "%(base)s/state";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { segment = "1MiB"; retain = "%(retain)s"; min_free = "0B"; };
entities = { map_size = "4MiB"; };
sources = ( { name = "count"; plugin = "source.count"; each = %(each)d; until = %(until)d; refuse = 7;
              pad = %(pad)d; } );
pipelines = ( { name = "all"; sources = ( { source = "count"; match = "*"; } );
                destinations = ( { plugin = "destination.null"; out = "%(base)s/out"; } ); } );
"""
EACH = 30
BEFORE, UNTIL, AFTER = 10 * EACH, 40 * EACH, 44 * EACH


class Run(Swept):
    fired_is_begun = True

    def __init__(self, base, retain="1h", pad=2000):
        super().__init__(base, "count.conf")
        self.retain, self.pad = retain, pad
        self.limit(BEFORE)

    def limit(self, until):
        with open(self.conf, "w") as f:
            f.write(CONF % {"base": self.base, "until": until, "each": EACH, "retain": self.retain, "pad": self.pad})

    def counted(self):
        """The numbers that were settled since the start, or None."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.daemon.admin, timeout=5) as r:
                for line in r.read().decode().splitlines():
                    if line.startswith("ingestlayer_plugin_settled_total"):
                        return int(float(line.rsplit(" ", 1)[1]))
        except OSError:
            pass
        return None

    def wait(self, emissions, limit=30):
        """Until so many emissions are settled, or the process has ended."""
        until = time.monotonic() + limit
        while self.daemon.proc.poll() is None:
            if (self.counted() or 0) >= emissions:
                return
            if time.monotonic() > until:
                raise Failure("it does not count on: %s of %d" % (self.counted(), emissions))
            time.sleep(0.01)

    def prepare(self, shadow=None):
        self.start()
        self.wait(BEFORE // EACH)
        self.end()
        if shadow:
            inject.prime(self.state, shadow)
        self.limit(UNTIL)

    def numbers(self):
        return [event["payload"]["n"] for event in self.exported()]

    def last_logged(self):
        with open(self.daemon.log) as f:
            said = [int(line.rsplit(" ", 1)[1]) for line in f if "goes on after" in line]
        return said[-1]

    def settle(self):
        """It counts on without faults; then each number was taken once."""
        self.limit(AFTER)
        if not self.start():
            raise Failure("it does not start any more")
        until = time.monotonic() + 30
        while self.last_delivered() < AFTER:
            if time.monotonic() > until or self.daemon.proc.poll() is not None:
                raise Failure("it does not count on after %d" % self.last_logged())
            time.sleep(0.02)
        while self.lag():  # the last frame is one of marks
            if time.monotonic() > until:
                raise Failure("the lane does not pass over the marks")
            time.sleep(0.02)
        self.end()
        self.account()

    def lag(self):
        r = self.daemon.command("status", "-c", self.conf, "--json")
        return None if r.returncode else sum(lane["lag_events"] for lane in json.loads(r.stdout)["lanes"])

    def last_delivered(self):
        """The last number, or the next that is refused, in the tail of the destination's file."""
        try:
            with open(self.base + "/out", "rb") as f:
                f.seek(max(0, os.path.getsize(self.base + "/out") - self.pad - 200))
                lines = f.read().splitlines()
            n = int(lines[-1].split(b'"n":')[1].split(b",")[0])
        except (OSError, IndexError, ValueError):
            return 0
        return n + 1 if (n + 1) % 7 == 0 else n

    def account(self):
        got = self.numbers()
        want = [n for n in range(1, AFTER + 1) if n % 7]
        if got != want:
            twice = sorted(n for n in set(got) if got.count(n) > 1)
            raise Failure("lost: %s; twice: %s; out of order: %s" % (
                sorted(set(want) - set(got))[:10], twice[:10], got != sorted(got)))
        verify = self.daemon.command("spool", "verify", "-c", self.conf)
        if b"with marks of sources" not in verify.stdout:
            raise Failure("verify: " + verify.stdout.decode())
        listed = self.daemon.command("dead", "list", "--json", "-c", self.conf).stdout.decode().splitlines()
        if any(json.loads(line)["lane"] != "gate/count" for line in listed):
            raise Failure("a letter that is not the gate's")
        dead = self.daemon.command("dead", "show", "--json", "-c", self.conf, "gate/count",
                                   *[str(json.loads(line)["position"]) for line in listed])
        lost = set(range(7, AFTER + 1, 7)) - {json.loads(line)["event"]["payload"]
                                              for line in dead.stdout.decode().splitlines()}
        if lost:
            raise Failure("no letter of what was refused: %s" % sorted(lost)[:10])


class Sweep:
    def __init__(self, args):
        self.args = args
        self.rnd = random.Random(args.seed)
        self.home = tempfile.mkdtemp(prefix="il-count-")
        self.trials = 0
        self.failures = []

    def run(self, name, body, **kw):
        self.trials += 1
        base = os.path.join(self.home, "t%d" % self.trials)
        os.mkdir(base)
        run = Run(base, **kw)
        try:
            body(run, os.path.join(base, "control"))
            shutil.rmtree(base)
        except (Failure, RuntimeError, ValueError, IndexError) as e:
            self.failures.append(name)
            print("FAILED %s: %s; files in %s; its log ends\n%s" % (name, e, base, run.log_end()), flush=True)
        finally:
            if run.daemon.proc and run.daemon.proc.poll() is None:
                run.daemon.kill()

    def section(self, name, points, trial):
        began, failed = time.monotonic(), len(self.failures)
        for point in points:
            self.run("%s %s" % (name, point), lambda run, control: trial(run, control, point))
        print("%-12s %5d trials, %d failed, %.0f s" % (name, len(points), len(self.failures) - failed,
                                                       time.monotonic() - began), flush=True)

    def choose(self, total):
        k = self.args.every
        return list(range(1 + self.rnd.randrange(k), total + 1, k))

    def play(self, run, injection):
        if run.start(injection):
            run.wait((UNTIL - BEFORE) // EACH)
        run.end(injection)

    def count(self, ops, folder=""):
        counted = []

        def body(run, control):
            run.prepare()
            i = inject.Injection(control, run.state + folder, ops)
            self.play(run, i)
            counted.append(i.count)
            run.settle()
        failed = len(self.failures)
        self.run("count", body)
        if not counted or len(self.failures) > failed:
            raise Failure("it fails without any fault")
        return counted[0]

    def kill(self, run, control, n):
        run.prepare()
        self.play(run, inject.Injection(control, run.state, inject.WRITES, at=n, action=inject.KILL))
        run.settle()

    def torn(self, run, control, point):
        run.prepare()
        self.play(run, inject.Injection(control, run.state, ["write"], at=point[0], action=inject.TORN,
                                        param=point[1]))
        run.settle()

    def power(self, run, control, point):
        shadow = run.base + "/shadow"
        run.prepare(shadow)
        self.play(run, inject.Injection(control, run.state, inject.WRITES, at=point[0], action=inject.KILL,
                                        shadow=shadow))
        self.cut(run, control, shadow, point[1])
        run.settle()

    def cut(self, run, control, shadow, seed):
        inject.cut_power(run.state, shadow, seed)
        with open(run.base + "/boot", "w") as f:
            f.write("another boot\n")
        run.plain_env.update(inject.Injection(control + "2", run.state, [], boot=run.base + "/boot").env())

    def full(self, run, control, n):
        run.prepare()
        i = inject.Injection(control, run.state + "/spool", ["write"], at=n, action=inject.FAIL, param=errno.ENOSPC,
                             hits=inject.FOR_EVER)
        if run.start(i):
            until = time.monotonic() + 10
            while not i.fired and time.monotonic() < until and run.daemon.proc.poll() is None:
                time.sleep(0.01)
            time.sleep(0.1)
        i.off()
        if run.daemon.proc.poll() is None:
            run.wait((UNTIL - BEFORE) // EACH)
            run.end(i)
        run.settle()

    def errors(self, run, control, point):
        n, op, number, hits = point
        shadow = run.base + "/shadow"
        run.prepare(shadow)
        i = inject.Injection(control, run.state, [op], at=n, action=inject.FAIL if number else inject.SHORT,
                             param=number, hits=hits, shadow=shadow)
        if run.start(i):
            until = time.monotonic() + 3
            while time.monotonic() < until and run.daemon.proc.poll() is None \
                    and (run.counted() or 0) < (UNTIL - BEFORE) // EACH:
                time.sleep(0.02)
            if run.daemon.proc.poll() is None:
                run.daemon.kill()
        if i.fired:
            self.cut(run, control, shadow, None)
        run.settle()


def gone(run, _control):
    """Its segments go as soon as they may; it is killed and stopped in turn."""
    first = run.state + "/spool/%020d.seg" % 1
    run.limit(UNTIL)
    run.start()
    run.wait(UNTIL // EACH)
    seen, more = [], 20
    for i in range(3):
        until_gone = time.monotonic() + 40
        while i == 0 and os.path.exists(first) and time.monotonic() < until_gone:
            time.sleep(0.1)
        if os.path.exists(first):
            raise Failure("the first segment does not go")
        if i % 2:
            run.end()
        else:
            run.daemon.kill()
        seen.append(run.numbers())
        run.limit(UNTIL + (i + 1) * more * EACH)
        run.start()
        run.wait(more)
    run.end()
    seen.append(run.numbers())
    if seen[0] and seen[0][0] == 1:
        raise Failure("nothing has gone")
    for before, after in zip(seen, seen[1:]):
        both = [n for n in before if not after or n < after[0]] + after
        if both != [n for n in range(both[0], both[-1] + 1) if n % 7]:
            raise Failure("what follows on %s is %s" % (before[-3:], after[:3]))
    if seen[-1][-1] < UNTIL + 3 * more * EACH - 1:
        raise Failure("it ends at %d" % seen[-1][-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("modes", nargs="*", default=["kill", "torn", "power", "full", "errors", "gone"])
    p.add_argument("--every", type=int, default=12)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    args = p.parse_args()
    why = inject.usable()
    if why:
        print(why)
        return 77
    print("seed %d" % args.seed)
    sweep = Sweep(args)
    rnd = sweep.rnd
    for mode in args.modes:
        if mode == "kill":
            sweep.section(mode, sweep.choose(sweep.count(inject.WRITES)), sweep.kill)
        elif mode == "torn":
            sweep.section(mode, [(n, rnd.randrange(1000)) for n in sweep.choose(sweep.count(["write"]))], sweep.torn)
        elif mode == "power":
            sweep.section(mode, [(n, rnd.choice([None, rnd.randrange(1 << 30), rnd.randrange(1 << 30)]))
                                 for n in sweep.choose(sweep.count(inject.WRITES))], sweep.power)
        elif mode == "full":
            sweep.section(mode, sweep.choose(sweep.count(["write"], "/spool")), sweep.full)
        elif mode == "errors":
            points = [(n, op, number, hits) for op, numbers in (("write", (errno.EIO, 0)), ("sync", (errno.EIO,)),
                                                                ("rename", (errno.EIO,)), ("open", (errno.EMFILE,)))
                      for n in sweep.choose(sweep.count([op])) for number in numbers
                      for hits in (1, inject.FOR_EVER)]
            sweep.section(mode, rnd.sample(points, max(1, len(points) // 4)) if args.every > 1 else points,
                          sweep.errors)
        elif mode == "gone":
            sweep.run("gone", gone, retain="0s")
            print("gone            1 trial, %d failed in all" % len(sweep.failures))
    if not sweep.failures:
        shutil.rmtree(sweep.home)
    return bool(sweep.failures)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What steps remember, whatever dies while it is written down: a daemon whose
steps mark repeats, limit, count and tell entities goes through a spool that is
there already, with so little memory that it writes a checkpoint every few hundred
events and merges them, and is stopped at the n-th write, sync, rename ... below
the folders of its lanes.  Then it starts again and comes to the end.

Compared with a daemon that went through the same spool undisturbed:
  - the cells of each lane, byte for byte, as the files have them: key, value,
    position and end, and the time of the stream
  - what each event was decided to be, at every time that it was delivered
  - the entities, and the summaries of windows, each of which is there once
and there is no file that is not named.

modes:
  kill    the process stops before the n-th call
  torn    a part of the n-th write gets through, then the process stops
  power   stopped there, and what was not synced is gone; also in a blend of
          what was synced and what was not
  again   stopped there, and once more while it makes again what it remembered
  errors  the n-th call fails, once, a few times, or until all has been read

--every k takes only every k-th point; `make check-faults` takes them all."""
import argparse
import errno
import glob
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from servers import plugins_of, without_plugin  # noqa: E402
from swept import Failure, Swept  # noqa: E402

PAGE, IN_PAGE, RECORD = 4096, 170, 24
HEAD = """
state_dir = "%(base)s/state";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { segment = "1MiB"; retain = "24h"; min_free = "0B"; };
entities = { map_size = "16MiB"; };
state_memory = "1MiB";
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
"""
CONF = HEAD + """
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "dedupe"; name = "again"; key = "$event.payload.key"; window = "10s"; mark = true; },
            { plugin = "throttle"; name = "limit"; key = "$event.payload.group"; max = 20; window = "20s"; mode = "mark";
              summary = true; },
            { plugin = "count"; name = "seen"; key = "$event.payload.user"; window = "30s"; buckets = 6;
              value = "$event.payload.n"; distinct = "$event.payload.group"; },
            { plugin = "upsert.entity"; name = "tell"; kind = "user"; id = "$event.payload.user";
              traits = ( { name = "nth"; value = "$step.seen.nth"; } ); },
            { plugin = "transform"; set = ( { name = "again"; value = "$step.again.duplicate"; },
              { name = "passed"; value = "$step.limit.passed"; }, { name = "nth"; value = "$step.seen.nth"; },
              { name = "count"; value = "$step.seen.count"; }, { name = "sum"; value = "$step.seen.sum"; },
              { name = "distinct"; value = "$step.seen.distinct"; } ); } );
  destinations = ( { plugin = "destination.null"; name = "one"; begin = "oldest"; out = "%(base)s/one";
                     batch = { events = 500; }; },
                   { plugin = "destination.null"; name = "two"; begin = "oldest"; out = "%(base)s/two";
                     batch = { events = 500; };
                     when = "passed == true";
                     steps = ( { plugin = "count"; name = "own"; key = "$event.payload.key"; window = "15s"; },
                               { plugin = "transform";
                                 set = ( { name = "own"; value = "$step.own.nth"; } ); } ); } ); } );
"""
LANES = ("one", "two")
KEYS, GROUPS, USERS = 3000, 60, 900
BETWEEN_S = 3


ERRORS = {"write": (errno.ENOSPC, 0), "sync": (errno.EIO,), "rename": (errno.EIO,), "unlink": (errno.EIO,),
          "open": (errno.EMFILE,), "mmap": (errno.ENOMEM,), "read": (errno.EIO,)}


# --- what the files have -----------------------------------------------------

def records_of(path):
    """(hi, lo), time, position, value"""
    with open(path, "rb") as f:
        run = f.read()
    (keys,) = struct.unpack_from("=Q", run, 64)
    records_page, values_page = struct.unpack_from("=2Q", run, 104)
    for n in range(keys):
        page = (records_page + n // IN_PAGE) * PAGE
        hi, lo, end, at = struct.unpack_from("=QIIQ", run, page + 16 + n % IN_PAGE * RECORD)
        if n % IN_PAGE == 0:
            (where,) = struct.unpack_from("=Q", run, page)
            where += values_page * PAGE
        value = run[where:where + (at >> 54)]
        where += at >> 54
        yield (hi, lo), end, at & ((1 << 54) - 1), value


def cells_of(folder):
    """Position of the checkpoint, and of each key what holds: end, position, value."""
    with open(os.path.join(folder, "RUNS"), "rb") as f:
        listed = f.read()
    (count,) = struct.unpack_from("=I", listed, 12)
    (complete,) = struct.unpack_from("=Q", listed, 40)
    named = [struct.unpack_from("=3Q", listed, 48 + 24 * i) for i in range(count)]
    names = {"%016x.run" % seq for seq, _, _ in named}
    there = {os.path.basename(name) for name in glob.glob(folder + "/*")} - {"RUNS"}
    if there != names:
        raise Failure("%s: files %s, of which RUNS names %s" % (folder, sorted(there), sorted(names)))
    cells = {}
    for seq, _, to in named:
        for key, end, position, value in records_of(os.path.join(folder, "%016x.run" % seq)):
            if position <= to:
                cells[key] = (end, position, value)
    meta = cells.pop((0, 0))
    now = struct.unpack_from("=q", meta[2], 8)[0] // 1000000
    living = {key: cell for key, cell in cells.items() if cell[2] and cell[0] > now}
    living["stream and memories"] = meta[2]
    return complete, living


def difference(what, got, want):
    for key in sorted(set(got) | set(want), key=str):
        if got.get(key) != want.get(key):
            raise Failure("%s: %s is %s, after a clean pass %s" % (what, key, got.get(key), want.get(key)))


# --- one daemon ----------------------------------------------------------------

class Run(Swept):
    start_limit = 60

    def __init__(self, base, conf=CONF):
        super().__init__(base, "remembered.conf", {"KEY": "key"})
        with open(self.conf, "w") as f:
            f.write(conf % {"base": base})

    def start(self, injection=None):
        self.cut_lines()
        return super().start(injection)

    def behind(self):
        """Events that the lanes have before them, or None."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.daemon.admin, timeout=5) as r:
                text = r.read().decode()
        except OSError:
            return None
        found = re.findall(r'^ingestlayer_lane_lag_events\{.*\} (\S+)$', text, re.M)
        return sum(int(float(n)) for n in found) if len(found) == len(LANES) else None

    def wait_delivered(self, limit=60):
        until = time.monotonic() + limit
        while self.daemon.proc.poll() is None and self.behind() != 0:
            if time.monotonic() > until:
                raise Failure("not delivered within %d s" % limit)
            time.sleep(0.01)

    def play(self, injection):
        """As far as it gets."""
        if self.start(injection):
            self.wait_delivered()
        self.end(injection)

    def settle(self):
        """To the end, and what is there then."""
        if not self.start():
            raise Failure("it does not start any more")
        self.wait_delivered()
        self.end()
        return self.outcome()

    def outcome(self):
        out = {}
        for lane in LANES:
            folder = "%s/instances/lanes/p/%s/memory" % (self.state, lane)
            out["position of " + lane], out["cells of " + lane] = cells_of(folder)
            out["decisions of " + lane] = self.decisions(lane)
        r = self.daemon.command("entity", "list", "-c", self.conf)
        if r.returncode:
            raise Failure("entity list: " + r.stderr.decode())
        entities = [json.loads(line) for line in r.stdout.decode().splitlines()]
        out["entities"] = {e["external_id"]: e["traits"] for e in entities}
        out["summaries"] = self.summaries()
        return out

    def cut_lines(self):
        """What a process that was killed had written of a line goes."""
        for lane in LANES:
            name = os.path.join(self.base, lane)
            if os.path.exists(name):
                with open(name, "r+b") as f:
                    f.truncate(f.read().rfind(b"\n") + 1)

    def decisions(self, lane):
        """Of each event what it had on it when it arrived, which is the same every
        time that it did."""
        found = {}
        with open(os.path.join(self.base, lane)) as f:
            for line in f:
                event, rest = line.split(" ", 1)
                if found.setdefault(event, rest) != rest:
                    raise Failure("lane %s: event %s was %sand then %s" % (lane, event, found[event], rest))
        return found

    def summaries(self):
        found = {}
        for event in self.exported():
            if not event["source_id"].startswith("derived/"):
                continue
            if event["id"] in found:
                raise Failure("summary %s is there twice" % event["id"])
            found[event["id"]] = event["payload"]
        return found

    def compare(self, got, want):
        for what, expected in want.items():
            if what.startswith("position"):
                continue  # of which summaries are a part, that come when they come
            difference(what, got[what], expected)


class Maker(Run):
    """The spool: events of some minutes, by a clock that is ours."""

    def __init__(self, base, posts, each):
        super().__init__(base, HEAD)
        self.posts, self.each = posts, each
        self.clock = os.path.join(base, "clock")
        self.plain_env["INGESTLAYER_CLOCK_FILE"] = self.clock

    def set_clock(self, seconds):
        with open(self.clock + ".new", "w") as f:
            f.write("%d\n" % (seconds * 1000000))
        os.rename(self.clock + ".new", self.clock)

    def make(self, chance):
        self.set_clock(-3600)
        if not self.start():
            raise Failure("it does not start")
        for post in range(self.posts):
            self.set_clock(-3600 + post * BETWEEN_S)
            events = [{"type": "t", "payload": {
                "key": "key-%d" % chance.randrange(KEYS), "group": "g%d" % chance.randrange(GROUPS),
                "user": "user-%d" % chance.randrange(USERS), "n": chance.randrange(1000) / 4}} for _ in range(self.each)]
            req = urllib.request.Request("http://127.0.0.1:%d/v1/ingest" % self.daemon.gate, json.dumps(events).encode(),
                                         {"Authorization": "Bearer key", "Content-Type": "application/json"})
            with urllib.request.urlopen(req, timeout=60) as r:
                if r.status != 202:
                    raise Failure("status %d" % r.status)
        self.end()


# --- all of them -----------------------------------------------------------------

class Sweep:
    ops = inject.WRITES

    def __init__(self, args):
        self.args = args
        self.rnd = random.Random(args.seed)
        self.home = tempfile.mkdtemp(prefix="il-remembered-")
        self.trials, self.failures, self.idle, self.counted = 0, [], 0, {}
        os.mkdir(self.home + "/made")
        self.made = Maker(self.home + "/made", args.posts, 500)
        self.made.make(self.rnd)
        self.want = None
        base = self.folder("clean")
        clean = Run(base)
        self.want = clean.settle()
        for lane in LANES:
            folder = "%s/instances/lanes/p/%s/memory" % (clean.state, lane)
            print("lane %s: %d cells in %d runs" % (lane, len(self.want["cells of " + lane]),
                                                  len(glob.glob(folder + "/*.run"))))

    def folder(self, name):
        base = os.path.join(self.home, name)
        os.mkdir(base)
        subprocess.run(["cp", "-a", self.made.state, base + "/state"], check=True)
        return base

    def injection(self, run, name="control", ops=None, **how):
        return inject.Injection(os.path.join(run.base, name), run.state, ops or self.ops, only="instances/lanes/", **how)

    def count(self, ops):
        ops = tuple(ops)
        if ops in self.counted:
            return self.counted[ops]
        run = Run(self.folder("count"))
        i = self.injection(run, ops=ops)
        run.play(i)
        run.compare(run.outcome(), self.want)
        shutil.rmtree(run.base)
        self.counted[ops] = i.count
        return i.count

    def choose(self, total):
        k = self.args.every
        return list(range(1 + self.rnd.randrange(k), total + 1, k))

    def run(self, name, body):
        self.trials += 1
        run = Run(self.folder("t%d" % self.trials))
        i = None
        try:
            i = body(run)
            self.idle += not i.fired
            run.compare(run.settle(), self.want)
            shutil.rmtree(run.base)
            if self.args.verbose:
                print("%s: ok %s" % (name, i.what), flush=True)
        except (Failure, RuntimeError, ValueError, KeyError, OSError, struct.error) as e:
            self.failures.append(name)
            print("FAILED %s: %s %r (at %s); files in %s; its log ends\n%s" % (
                name, type(e).__name__, str(e), i and i.what, run.base, run.log_end()), flush=True)
        finally:
            if run.daemon.proc and run.daemon.proc.poll() is None:
                run.daemon.kill()

    def section(self, name, points, trial):
        began, failed = time.monotonic(), len(self.failures)
        for point in points:
            self.run("%s %s" % (name, point), lambda run: trial(run, point))
        print("%-24s %5d trials, %d failed, %.0f s" % (name, len(points), len(self.failures) - failed,
                                                       time.monotonic() - began), flush=True)

    # --- the modes ---

    def kill(self, run, n):
        i = self.injection(run, at=n, action=inject.KILL)
        run.play(i)
        return i

    def torn(self, run, point):
        i = self.injection(run, ops=["write"], at=point[0], action=inject.TORN, param=point[1])
        run.play(i)
        return i

    def power(self, run, point):
        shadow = run.base + "/shadow"
        inject.prime(run.state, shadow)
        i = self.injection(run, at=point[0], action=inject.KILL, shadow=shadow)
        run.play(i)
        inject.cut_power(run.state, shadow, point[1])
        with open(run.base + "/boot", "w") as f:
            f.write("another boot\n")
        run.plain_env.update(inject.Injection(run.base + "/control2", run.state, [], boot=run.base + "/boot").env())
        return i

    def again(self, run, point):
        i = self.injection(run, at=point[0], action=inject.KILL)
        run.play(i)
        run.play(self.injection(run, "control2", at=point[1], action=inject.KILL))
        return i

    def errors(self, run, point):
        n, op, number, hits = point
        action = inject.FAIL if number else inject.SHORT
        i = self.injection(run, ops=[op], at=n, action=action, param=number, hits=hits)
        if not run.start(i):
            if not i.fired or run.daemon.proc.returncode < 0:
                raise Failure("exit code %d" % run.daemon.proc.returncode)
            return i  # it says so and does not start
        until = time.monotonic() + (2 if hits == inject.FOR_EVER else 30)
        while run.daemon.proc.poll() is None and time.monotonic() < until and run.behind() != 0:
            time.sleep(0.01)
        i.off()
        run.wait_delivered()
        run.end()
        return i


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("modes", nargs="*", default=["kill", "torn", "power", "again", "errors"])
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--ops", nargs="*", default=list(ERRORS), help="which calls fail, in the mode errors")
    p.add_argument("--posts", type=int, default=16, help="of 500 events each")
    p.add_argument("--seed", default="", help="which of the k-th, and how writes tear; else by chance")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    args.seed = int(args.seed) if args.seed else random.SystemRandom().randrange(1 << 30)
    why = inject.usable() or without_plugin([name for name in plugins_of(CONF) if name != "destination.null"])
    if why:
        print(why)
        return 77
    print("seed %d" % args.seed)
    sweep = Sweep(args)
    rnd = sweep.rnd
    for mode in args.modes:
        total = sweep.count(["write"] if mode == "torn" else inject.WRITES) if mode != "errors" else 0
        points = sweep.choose(total)
        if mode != "errors":
            print("%s: %d points" % (mode, total))
        if mode == "kill":
            sweep.section(mode, points, sweep.kill)
        elif mode == "torn":
            sweep.section(mode, [(n, rnd.randrange(1000)) for n in points], sweep.torn)
        elif mode == "power":
            sweep.section(mode, [(n, rnd.choice([None, rnd.randrange(1 << 30)])) for n in points], sweep.power)
        elif mode == "again":
            sweep.section(mode, [(n, 1 + rnd.randrange(total)) for n in points], sweep.again)
        elif mode == "errors":
            for op in args.ops:
                found = [(n, op, rnd.choice(ERRORS[op]), rnd.choice((1, 3, inject.FOR_EVER)))
                         for n in sweep.choose(sweep.count([op]))]
                sweep.section("errors, " + op, found, sweep.errors)
    print("%d trials, %d of them without a fault as all was over, %d failed (seed %d)" % (
        sweep.trials, sweep.idle, len(sweep.failures), args.seed))
    if not sweep.failures:
        shutil.rmtree(sweep.home)
    return bool(sweep.failures)


if __name__ == "__main__":
    sys.exit(main())

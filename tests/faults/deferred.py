#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Events that steps put aside until a time, while the daemon is stopped or
disturbed at every write that it makes.

Each trial: twelve events, of which one step puts three aside, twice, and another
puts three aside once, after itself.  From before they are sent until all rows are
there the process is to stop before its n-th write, sync, rename ...  Then it
starts again, with a first step that drops whatever it is asked about: who had
passed it before goes on.  In the end there are twelve rows, each once, no dead
letter, and nothing is put aside.

modes: as of retry.py; chaos kills the daemon and Postgres again and again"""
import argparse
import errno
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from points import CONF, Failure, Request, Run, Sweep, event  # noqa: E402
from retry import PLAIN_STEPS  # noqa: E402
from servers import plugins_of, postgres_bindir, without_plugin  # noqa: E402

EVENTS = 12
STEPS = """steps = ( { name = "keep"; plugin = "filter.match"; where = "kind == row%s"; },
              { name = "twice"; plugin = "step.later"; where = "late == twice"; delay = "40ms"; times = 2; },
              { name = "once"; plugin = "step.later"; where = "late == once"; delay = "60ms"; after = true; } );"""
# Of what is put aside, which the first step has passed when it is.
DROPS = " and late not in { once, twice }"


class LaterRun:
    def __init__(self, run, events=EVENTS):
        self.run, self.events = run, events
        self.configure("")
        body = [self.event(n) for n in range(events)]
        run.requests = [Request("/v1/ingest", body, body)]

    def configure(self, drops):
        conf = CONF.replace(PLAIN_STEPS, STEPS % drops)
        with open(self.run.conf, "w") as f:
            f.write(conf % {"base": self.run.base, "connections": Run.connections})

    def event(self, n):
        e = event(self.run.trial, n)
        e["payload"]["late"] = {1: "twice", 2: "once"}.get(n % 4, "never")
        return e

    def aside(self):
        r = self.run.daemon.command("dead", "list", "--waiting", "-c", self.run.conf, "--json")
        if r.returncode:
            raise Failure("dead list --waiting: " + r.stderr.decode())
        return [json.loads(line) for line in r.stdout.decode().splitlines()]

    def rows(self):
        return sorted(int(n) for n in self.run.pg.lines("select n from points.rows where trial = %d" % self.run.trial))

    def finish(self):
        """A clean start; then everything is to be there, once."""
        run = self.run
        self.configure(DROPS if self.passed() else "")
        if not run.start():
            raise Failure("does not start again: %s" % run.daemon.proc.returncode)
        run.send_all(again=True)
        until = time.monotonic() + 40
        while self.rows() != list(range(self.events)) or self.aside():
            if time.monotonic() > until:
                raise Failure("rows %s, put aside %s" % (self.rows(), self.aside()))
            time.sleep(0.03)
        run.wait_delivered()
        run.end()
        letters = run.daemon.command("dead", "list", "-c", run.conf, "--json").stdout
        if letters or self.rows() != list(range(self.events)):
            raise Failure("rows %s, dead letters %s" % (self.rows(), letters.decode()))

    def passed(self):
        """Has the lane passed all of them, so that none is new to its steps?  Only
        then may the first step drop them.  The last is never put aside."""
        return Run.connections == 1 and self.events - 1 in self.rows()


def disturbed(run, control, ops, action, param=0, after=0, shadow=None):
    r = LaterRun(run)
    # An earlier run, undisturbed: the lane has begun.
    if not run.start():
        raise Failure("does not start: %s" % run.daemon.proc.returncode)
    run.end()
    if shadow:
        inject.prime(run.state, shadow)
    i = inject.Injection(control, run.state, ops, shadow=shadow)
    run.plain_env.update(i.env())
    if not run.start():
        raise Failure("does not start: %s" % run.daemon.proc.returncode)
    before = i.count
    i.now(ops, action, param, 1, after)
    run.send(run.requests[0])
    deadline = time.monotonic() + (5 if action == inject.FAIL else 20)
    while run.daemon.proc.poll() is None and len(r.rows()) < EVENTS and time.monotonic() < deadline:
        if action == inject.FAIL and not run.requests[0].done:
            run.send(run.requests[0])
        time.sleep(0.01)
    if run.daemon.proc.poll() is None and action != inject.FAIL:
        run.end(i)
    counted = i.count - before
    i.off()
    if run.daemon.proc.poll() is None:
        run.daemon.kill()
    return r, counted, i


def trial(run, control, point):
    mode, n, param = point
    shadow = run.base + "/shadow" if mode == "power" else None
    action = {"kill": inject.KILL, "torn": inject.TORN, "power": inject.KILL, "errors": inject.FAIL}[mode]
    ops = {"torn": ["write"], "errors": ["write", "sync"]}.get(mode, inject.WRITES)
    r, _, i = disturbed(run, control, ops, action, param, n, shadow)
    what = i.what if i.fired else "nothing: it was over"
    if mode == "power" and i.fired:
        inject.cut_power(run.state, shadow)
    for name in inject.Injection(control + "2", run.state, []).env():
        run.plain_env.pop(name, None)
    if mode == "power":
        boot = run.base + "/boot"
        with open(boot, "w") as f:
            f.write("another boot\n")
        run.plain_env.update(inject.Injection(control + "3", run.state, [], boot=boot).env())
    try:
        r.finish()
    except Failure as e:
        raise Failure("%s (at %s)" % (e, what))
    return what


def count(sweep, ops):
    counted = []

    def body(run, control):
        r, n, _ = disturbed(run, control, ops, inject.COUNT)
        counted.append(n)
        run.plain_env.pop("LD_PRELOAD")
        r.finish()
    if not sweep.run("count " + ",".join(ops), body):
        raise Failure("the scenario fails without any fault")
    return counted[0]


def chaos(run, control, point):
    """Two hundred events."""
    rnd = random.Random(point)
    r = LaterRun(run, events=200)
    if not run.start():
        raise Failure("does not start")
    run.send_all(again=True)
    for _ in range(8):
        time.sleep(rnd.random() * 0.25)
        if rnd.random() < 0.3:
            run.pg.kill()
            run.pg.start()
            continue
        run.daemon.kill()
        if not run.start():
            raise Failure("does not start again")
    run.daemon.kill()
    r.finish()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("modes", nargs="*", default=["kill", "torn", "power", "errors", "chaos"])
    p.add_argument("--every", type=int, default=1, help="only every k-th point")
    p.add_argument("--trials", type=int, default=10, help="of chaos")
    p.add_argument("--seed", default="")
    p.add_argument("--connections", type=int, default=1, help="of the lane to Postgres")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    Run.connections = args.connections
    why = inject.usable() or (None if postgres_bindir() else "no Postgres server found")
    why = why or without_plugin(plugins_of(CONF))
    if why:
        print(why)
        return 77
    seed = int(args.seed) if args.seed else random.SystemRandom().randrange(1 << 30)
    print("seed %d" % seed)
    rnd = random.Random(seed)
    sweep = Sweep(args)
    try:
        for mode in args.modes:
            if mode == "chaos":
                sweep.section("deferred, chaos", [rnd.randrange(1 << 30) for _ in range(args.trials)], chaos)
                continue
            ops = {"torn": ["write"], "errors": ["write", "sync"]}.get(mode, inject.WRITES)
            total = count(sweep, ops)
            params = {"torn": lambda: rnd.randrange(1, 1000), "errors": lambda: rnd.choice([errno.EIO, errno.ENOSPC])}
            sweep.section("deferred, " + mode,
                          [(mode, n - 1, params.get(mode, int)()) for n in sweep.choose(total, args.every, rnd)], trial)
    except Failure as e:
        sweep.failures.append(str(e))
    finally:
        sweep.close()
    print("%d trials, %d failed (seed %d)" % (sweep.trials, len(sweep.failures), seed))
    for text in sweep.failures:
        print("  " + text)
    return 1 if sweep.failures else 0


if __name__ == "__main__":
    sys.exit(main())

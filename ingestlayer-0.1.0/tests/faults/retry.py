#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ingestlayer dead retry`, stopped or disturbed at every write that it makes.

Each trial: twelve events, of which the table refuses four; they are mended, and
`dead retry --all` is given while the process is to stop before its n-th write,
sync, rename ... from there on.  Then the daemon starts again, and the command
is given twice more.  In the end there are twelve rows, each once, and no dead
letter.

modes:
  kill    the daemon stops before the n-th call
  torn    a part of the n-th write gets through, then it stops
  power   stopped there, and what was not synced is gone
  errors  the n-th write or sync fails, once
  chaos   both the daemon and Postgres are killed again and again at any
          moment, the command is given all the time, and some rows are refused
          more than once"""
import argparse
import errno
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from points import CONF, Failure, Request, Run, Sweep, event  # noqa: E402
from servers import plugins_of, postgres_bindir, without_plugin  # noqa: E402

EVENTS = 12
SETUP = """
create table points.mended (trial bigint);
create function points.good(t bigint, n bigint) returns boolean language sql as
  'select n % 3 <> 0 or exists (select from points.mended where trial = t)';
create table points.checked (check (points.good(trial, n))) inherits (points.rows);
create function points.elsewhere() returns trigger language plpgsql as
  'begin insert into points.checked values (new.*); return null; end';
create trigger elsewhere before insert on points.rows for each row execute function points.elsewhere();
"""


class RetryRun:
    """What a trial does beside what points.py's Run can."""

    def __init__(self, run, events=EVENTS):
        self.run, self.events = run, events
        run.requests = []

    def send(self):
        run = self.run
        if not run.start():
            raise Failure("does not start: %s" % run.daemon.proc.returncode)
        body = [event(run.trial, i) for i in range(self.events)]
        request = Request("/v1/ingest", body, body)
        if run.send(request) != 202:
            raise Failure("the events are not accepted")
        run.wait_delivered()

    def mend(self):
        self.run.pg.sql("insert into points.mended values (%d)" % self.run.trial)

    def retry(self, wait=False):
        r = self.run.daemon.command("dead", "retry", "-c", self.run.conf, "--all", *(["--wait"] if wait else []))
        if r.returncode not in (0, 1):
            raise Failure("dead retry: exit code %d: %s" % (r.returncode, r.stderr.decode()))
        return r.returncode == 0

    def letters(self):
        r = self.run.daemon.command("dead", "list", "-c", self.run.conf, "--json")
        if r.returncode:
            raise Failure("dead list: " + r.stderr.decode())
        return r.stdout.decode().splitlines()

    def rows(self):
        return sorted(int(n) for n in self.run.pg.lines("select n from points.rows where trial = %d" % self.run.trial))

    def finish(self):
        """A clean start; then everything is to be there, once."""
        run = self.run
        if not run.start():
            raise Failure("does not start again: %s" % run.daemon.proc.returncode)
        until = time.monotonic() + 40
        self.retry()
        while self.letters():
            if time.monotonic() > until:
                raise Failure("still dead letters: %s" % self.letters())
            self.retry()
            time.sleep(0.02)
        run.wait_delivered()
        run.end()
        if self.rows() != list(range(self.events)):
            raise Failure("rows %s" % self.rows())
        if self.letters():
            raise Failure("dead letters: %s" % self.letters())


def disturbed(run, control, ops, action, param=0, after=0, shadow=None):
    r = RetryRun(run)
    i = inject.Injection(control, run.state, ops, shadow=shadow)
    run.plain_env.update(i.env())
    r.send()
    bad = len(r.letters())
    if bad != EVENTS / 3:
        raise Failure("%d dead letters, not %d" % (bad, EVENTS / 3))
    r.mend()
    before = i.count
    i.now(ops, action, param, 1, after)
    done = r.retry()
    deadline = time.monotonic() + 20
    while done and run.daemon.proc.poll() is None and r.letters() and time.monotonic() < deadline:
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
    """Sixty events; the twenty bad ones are mended a few at a time."""
    rnd = random.Random(point)
    r = RetryRun(run, events=60)
    r.send()
    stop = threading.Event()

    def nag():
        while not stop.is_set():
            r.retry()

    nagging = threading.Thread(target=nag)
    nagging.start()
    try:
        for i in range(8):
            if i == 4:
                r.mend()
            time.sleep(rnd.random() * 0.4)
            if rnd.random() < 0.4:
                run.pg.kill()
                run.pg.start()
                continue
            run.daemon.kill()
            if not run.start():
                raise Failure("does not start again")
    finally:
        stop.set()
        nagging.join()
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
        sweep.pg.sql(SETUP)
        for mode in args.modes:
            if mode == "chaos":
                sweep.section("retry, chaos", [rnd.randrange(1 << 30) for _ in range(args.trials)], chaos)
                continue
            ops = {"torn": ["write"], "errors": ["write", "sync"]}.get(mode, inject.WRITES)
            total = count(sweep, ops)
            params = {"torn": lambda: rnd.randrange(1, 1000), "errors": lambda: rnd.choice([errno.EIO, errno.ENOSPC])}
            sweep.section("retry, " + mode,
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

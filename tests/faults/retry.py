#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ingestlayer dead retry`, stopped or disturbed at every write that it makes.

Each trial: twelve events, of which the table refuses three, and a step as many
whose user nobody knows.  All of that is mended, and the config changed so that
the first step would drop every event.  `dead retry --all` is given while the
process is to stop before its n-th write, sync, rename ... from there on.  Then
the daemon starts again, and the command is given until nothing is left but the
letter that a later step drops each time.  That one stays until its entity is
another.  In the end there are twelve rows, each once, and no dead letter.

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
import json
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
STEPS = """steps = ( { name = "keep"; plugin = "filter.match"; where = "kind == row"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "dead-letter"; },
              { plugin = "filter.match"; where = "$entity.user.plan != free"; } );"""
PLAIN_STEPS = CONF[CONF.index("    steps = ") + 4:CONF.index("    destinations")].rstrip()
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
        self.configure(STEPS)

    def configure(self, steps):
        with open(self.run.conf, "w") as f:
            f.write(CONF.replace(PLAIN_STEPS, steps) % {"base": self.run.base, "connections": Run.connections})

    def user(self, name, plan):
        """Until it is answered: the daemon may be on its way up."""
        body = {"kind": "user", "external_id": name, "traits": {"plan": plan}}
        until = time.monotonic() + 30
        while self.run.send(Request("/v1/entities", body, want=(200, 201))) not in (200, 201):
            if time.monotonic() > until:
                raise Failure("the entity is not taken")
            time.sleep(0.02)

    def stops_at_step(self, n):
        return n % 4 == 1

    def is_free(self, n):
        return n % 8 == 5

    def event(self, n):
        e = event(self.run.trial, n)
        if self.stops_at_step(n):
            e["payload"]["user"] = "free" if self.is_free(n) else "late"
        return e

    def refused(self):
        return [n for n in range(self.events) if n % 3 == 0 or self.stops_at_step(n)]

    def send(self):
        run = self.run
        if not run.start():
            raise Failure("does not start: %s" % run.daemon.proc.returncode)
        self.user("u1", "pro")
        body = [self.event(i) for i in range(self.events)]
        request = Request("/v1/ingest", body, body)
        if run.send(request) != 202:
            raise Failure("the events are not accepted")
        run.wait_delivered()

    def mend(self):
        """The next start has a config that would drop all of them."""
        self.run.pg.sql("insert into points.mended values (%d)" % self.run.trial)
        self.user("late", "pro")
        self.user("free", "free")
        self.configure(STEPS.replace("kind == row", "kind == nothing"))

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

    def retry_until(self, done):
        until = time.monotonic() + 40
        self.retry()
        while not done():
            if time.monotonic() > until:
                raise Failure("still dead letters: %s" % self.letters())
            self.retry()
            time.sleep(0.02)

    def dropped(self):
        """Only such letters are left."""
        return all(json.loads(d)["code"] == "dropped_on_retry" for d in self.letters())

    def finish(self):
        """A clean start; then everything is to be there, once, but for what a
        step drops, whose letters are; and in the end that as well."""
        run = self.run
        if not run.start():
            raise Failure("does not start again: %s" % run.daemon.proc.returncode)
        self.retry_until(self.dropped)
        free = [n for n in range(self.events) if self.is_free(n)]
        stay = sorted(json.loads(d)["event_id"] for d in self.letters())
        if stay != sorted(self.event(n)["id"] for n in free):
            raise Failure("the letters that stay: %s" % stay)
        if self.rows() != [n for n in range(self.events) if n not in free]:
            raise Failure("rows %s without %s" % (self.rows(), free))
        self.user("free", "pro")
        self.retry_until(lambda: not self.letters())
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
    if bad != len(r.refused()):
        raise Failure("%d dead letters, not %d" % (bad, len(r.refused())))
    r.mend()
    run.end()
    if not run.start():
        raise Failure("does not start with the other config")
    before = i.count
    i.now(ops, action, param, 1, after)
    done = r.retry()
    deadline = time.monotonic() + 20
    while done and run.daemon.proc.poll() is None and not r.dropped() and time.monotonic() < deadline:
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
    """Sixty events; half of them are mended in the middle."""
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

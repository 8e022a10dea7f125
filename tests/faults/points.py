#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small fixed scenario, stopped or disturbed at every call it makes.

The scenario: start over a spool that has a file to be used again, requests (own
ids, idempotency keys, one row that the table refuses, one event that a filter
drops, one that the gate refuses, an entity), delivery, stop.  Each trial does something at the n-th call, then
starts the daemon again without injection, sends what was not answered 202 once
more, lets it deliver and accounts:
  acknowledged = rows + dead letters + deliberate drops, each exactly once,
and no row that nobody sent.  The ids in the answers are those in the table.

modes:
  kill    the process stops before the n-th write, sync, rename, ...
  torn    a part of the n-th write gets through, then the process stops
  power   stopped there, and what was not synced is gone; also in a blend of
          what was synced and what was not
  ext4    the same on a real file system that is shut down at that moment; for
          root, and left out elsewhere
  errors  the n-th call fails (once, or from then on)
  memory  the n-th allocation fails: start-up, the requests and their delivery,
          the stop; with every kind of request that there is"""
import argparse
import base64
import errno
import fcntl
import glob
import gzip
import hashlib
import hmac
import http.client
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import inject  # noqa: E402
from servers import Daemon, Postgres, plugins_of, postgres_bindir, without_plugin  # noqa: E402

KEY = "points-key"
CONF = """
state_dir = "%(base)s/state";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { segment = "1MiB"; retain = "0s"; min_free = "0B"; };
entities = { map_size = "4MiB"; };
sources = ( { name = "points"; plugin = "sdk.event"; keys = ( { key = "env:KEY"; entities = "all"; } ); } );
pipelines = (
  { name = "points";
    sources = ( { source = "points"; match = "p.*"; } );
    steps = ( { plugin = "filter.match"; where = "not (kind == drop)"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "points.rows";
                       connections = %(connections)d;
                       statement_timeout = "2s";
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "trial"; value = "$event.payload.trial"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""


# For the memory: also webhooks, Segment's calls, CloudEvents, declared events.
WIDE_CONF = CONF.replace('sources = ( { name = "points"; plugin = "sdk.event"; keys = ( { key = "env:KEY"; entities = "all"; } ); } );', """
events = ( { type = "p.row"; unknown = "allow";
             fields = ( { name = "trial"; type = "integer"; required = true; },
                        { name = "kind"; type = "string"; } ); } );
sources = ( { name = "points"; plugin = "sdk.event"; keys = ( { key = "env:KEY"; entities = "all"; } ); undeclared = "accept"; },
            { name = "hook"; plugin = "webhook.in"; token = "hook"; secrets = ( "env:KEY" );
              undeclared = "accept"; } );
""").replace('( { source = "points"; match = "p.*"; } )',
             '( { source = "points"; match = "p.*"; }, { source = "hook"; match = "p.*"; } )')


def event(trial, i, kind="row", own=True, key=None):
    e = {"type": "p.row", "payload": {"kind": kind, "trial": trial, "user": "u1",
                                      "n": "no number" if kind == "bad" else i}}
    if own:
        e["id"] = "t%d-%d" % (trial, i)
    if key:
        e["idempotencyKey"] = "k%d-%d" % (trial, i)
    return e


class Request:
    def __init__(self, path, body, events=(), want=202, headers=None, method="POST", after=None, late=False):
        self.path, self.events, self.method, self.after, self.late = path, events, method, after, late
        self.body = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self.want = want if isinstance(want, tuple) else (want,)
        self.headers = dict({"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}, **headers or {})
        self.done = False
        self.ids = None  # of the events, where the answer tells them


def large_of(trial, n, late=False):
    """Two of them do not fit into a segment."""
    e = event(trial, n)
    e["payload"]["text"] = "x" * 700000
    return Request("/v1/ingest", [e], [e], late=late)


def requests_of(trial):
    """Every event has a number of its own in the trial: its payload's n."""
    def ingest(*events):
        return Request("/v1/ingest", list(events), events)
    return [
        Request("/v1/entities", {"kind": "user", "external_id": "u1", "traits": {"plan": "pro"}}, want=(200, 201)),
        ingest(event(trial, 1), event(trial, 2, "drop"), event(trial, 3)),
        ingest(event(trial, 4, own=False, key=True)),
        large_of(trial, 5, late=True),
        large_of(trial, 10),
        ingest(event(trial, 6), event(trial, 7, "bad")),
        ingest(event(trial, 4, own=False, key=True)),
        Request("/v1/ingest", [{"id": "refused-%d" % trial, "payload": {"trial": trial}}],
                want=422),
        ingest(event(trial, 8, own=False, key=True), event(trial, 9)),
    ]


def wide_requests_of(trial):
    """One of every kind that there is."""
    def payload(n, kind="row"):
        return {"kind": kind, "trial": trial, "n": n, "user": "u1"}

    def track(n):
        return {"type": "track", "event": "p.track", "userId": "u1", "messageId": "m%d-%d" % (trial, n),
                "properties": payload(n)}

    def row(n):
        return {"payload": payload(n)}
    lines = b"\n".join(json.dumps(event(trial, n)).encode() for n in (31, 32))
    cloud = {"specversion": "1.0", "id": "ce%d" % trial, "source": "/points", "type": "p.ce", "data": payload(33)}
    hook = json.dumps(dict(payload(34), type="p.hook")).encode()
    basic = {"Authorization": "Basic " + base64.b64encode((KEY + ":").encode()).decode()}
    many = b"".join(json.dumps({"kind": "user", "external_id": "u%d" % i, "traits": {"n": i}}).encode() + b"\n"
                    for i in range(2, 30))
    return requests_of(trial) + [
        Request("/v1/ingest", gzip.compress(lines), [event(trial, 31), event(trial, 32)],
                headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}),
        Request("/v1/ingest", cloud, [row(33)], headers={"Content-Type": "application/cloudevents+json"}),
        Request("/whk/hook", hook, [row(34)], headers={
            "X-Ingest-Signature": hmac.new(KEY.encode(), hook, hashlib.sha256).hexdigest(),
            "Idempotency-Key": "h%d" % trial}),
        Request("/v1/track", track(35), [row(35)], want=200, headers=basic),
        Request("/v1/batch", {"batch": [
            {"type": "identify", "userId": "u1", "messageId": "i%d" % trial, "traits": {"plan": "free"}},
            {"type": "group", "userId": "u1", "groupId": "acme", "messageId": "g%d" % trial, "traits": {"n": 1}},
            track(36), track(37)]}, [row(36), row(37)], want=200, headers=basic),
        Request("/v1/entities", many, want=(200, 201), headers={"Content-Type": "application/x-ndjson"}),
        Request("/v1/entities/user/u1", {"traits": {"seats": 5}}, want=200, method="PATCH",
                after=0),
        Request("/v1/entities?kind=user&limit=10", None, want=200, method="GET"),
        Request("/v1/ingest", {"type": "p.row", "payload": {"kind": 5}}, want=422),
    ]


class Failure(Exception):
    pass


class Run:
    """One trial's folder and daemon; Postgres is shared."""
    connections = 1  # of the lane to Postgres

    def __init__(self, pg, trial, base, wide=False):
        self.pg, self.trial, self.base = pg, trial, base
        self.state = os.path.join(base, "state")
        self.conf = os.path.join(base, "points.conf")
        with open(self.conf, "w") as f:
            f.write((WIDE_CONF if wide else CONF) % {"base": base, "connections": self.connections})
        self.daemon = Daemon(base, self.conf, {"KEY": KEY, "DSN": pg.dsn})
        self.plain_env = dict(self.daemon.env)
        self.before = []
        self.requests = wide_requests_of(trial) if wide else requests_of(trial)
        self.codes = []

    def prepare(self, shadow=None):
        """Earlier runs, undisturbed: two segments, all of it delivered.  Each
        leaves a file of the index, which the next start makes one of."""
        small = [Request("/v1/ingest", [e], [e]) for e in (event(self.trial, n) for n in (23, 24, 25))]
        large = [large_of(self.trial, 21), large_of(self.trial, 22)]
        self.before = small + large
        for together in [[r] for r in small] + [large]:
            self.start()
            for r in together:
                if self.send(r) != 202:
                    raise Failure("no answer before any fault")
            self.wait_delivered()
            self.end()
        if shadow:
            inject.prime(self.state, shadow)

    def start(self, injection=None, boot=None, limit=30):
        """True when it is ready, False when it ended before."""
        self.daemon.env = dict(self.plain_env)
        if injection:
            self.daemon.env.update(injection.env())
        with open(self.daemon.log, "ab") as log:
            self.daemon.proc = subprocess.Popen([os.path.join(inject.BUILD, "ingestlayer"), "run", "-c", self.conf],
                                                env=self.daemon.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        began = time.monotonic()
        while self.daemon.proc.poll() is None:
            if self.readyz() == 200:
                return True
            if time.monotonic() > began + limit and injection and injection.fired:
                return True  # it says on /readyz that it is not
            if time.monotonic() > began + max(limit, 60):
                raise Failure("the daemon neither starts nor ends within %d s" % max(limit, 60))
            time.sleep(0.005)
        return False

    def readyz(self, body=False):
        try:
            conn = http.client.HTTPConnection("127.0.0.1", self.daemon.admin, timeout=5)
            conn.request("GET", "/readyz")
            answer = conn.getresponse()
            text = answer.read().decode()
            conn.close()
            return (answer.status, text) if body else answer.status
        except (OSError, http.client.HTTPException):
            return (0, "") if body else 0

    def send(self, request):
        """The status, or 0 when there was no answer."""
        try:
            conn = http.client.HTTPConnection("127.0.0.1", self.daemon.gate, timeout=20)
            conn.request(request.method, request.path, request.body, request.headers)
            answer = conn.getresponse()
            text = answer.read()
            conn.close()
        except (OSError, http.client.HTTPException):
            return 0
        if answer.status in request.want:
            request.done = True
            if request.events and answer.status == 202:
                data = json.loads(text)["data"]
                ids = [item["id"] for item in data["events"]]
                if data["accepted"] + data["duplicates"] != len(request.events):
                    raise Failure("a 202 for %s of %d events" % (text, len(request.events)))
                if request.ids not in (None, ids):
                    raise Failure("answered with ids %s, then with %s" % (request.ids, ids))
                request.ids = ids
        elif answer.status not in (429, 503):
            raise Failure("status %d for %s: %s" % (answer.status, request.path, text[:300]))
        return answer.status

    def send_all(self, again=False):
        """Once each.  again: until all are answered.  True if that has used a
        file of the spool again."""
        until = time.monotonic() + 30
        for r in self.requests:
            if r.after is not None and not self.requests[r.after].done:
                continue  # it changes what that one makes
            if r.late and not r.done:
                self.let_pass()
            while not r.done or again == "all":
                status = self.send(r)
                if not again or r.done:
                    break
                if self.daemon.proc.poll() is not None:
                    raise Failure("the daemon died, exit code %s" % self.daemon.proc.returncode)
                if time.monotonic() > until:
                    raise Failure("no answer: %s %s" % (status, self.readyz(body=True)))
                time.sleep(0.02)
        return self.has_reused()

    def let_pass(self):
        """Wait for the spool to let a segment of an earlier run go."""
        until = time.monotonic() + 3
        while self.before and self.daemon.proc.poll() is None and time.monotonic() < until:
            if not self.requests[1].done or glob.glob(self.state + "/spool/*.old"):
                break
            time.sleep(0.01)

    def has_reused(self):
        """Is a segment in a file that was another's before?"""
        for name in glob.glob(self.state + "/spool/*.seg"):
            with open(name, "rb") as f:
                if struct.unpack("<8sI", f.read(12))[1] == 2:
                    return True
        return False

    def lag(self):
        r = self.daemon.command("status", "-c", self.conf, "--json")
        return None if r.returncode else sum(lane["lag_events"] for lane in json.loads(r.stdout)["lanes"])

    def wait_delivered(self, limit=30):
        until = time.monotonic() + limit
        while self.daemon.proc.poll() is None:
            if self.lag() == 0:
                return
            if time.monotonic() > until:
                raise Failure("not delivered within %d s" % limit)
            time.sleep(0.03)

    def end(self, injection=None, limit=40):
        """SIGTERM, which delivers what is there; then look at how it ended."""
        if self.daemon.proc.poll() is None:
            self.daemon.proc.terminate()
            try:
                self.daemon.proc.wait(limit)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                raise Failure("does not stop within %d s of SIGTERM" % limit)
        code = self.daemon.proc.returncode
        if code < 0 and not (code == -9 and injection and injection.fired):
            raise Failure("ended by signal %d" % -code)
        if not injection and code != 0:
            raise Failure("exit code %d" % code)
        return code

    def settle(self):
        """Start cleanly, send again what has no answer, and account."""
        began = self.start()
        if not began:
            raise Failure("does not start again: exit code %s" % self.daemon.proc.returncode)
        self.send_all(again=True)
        for r in self.before:
            if self.send(r) != 202:  # with the same id
                raise Failure("an earlier event is not known")
        self.wait_delivered()
        self.end()
        self.account()

    def account(self):
        rows = {}
        for line in self.pg.lines("select n || ' ' || event_id from points.rows where trial = %d" % self.trial):
            n, event_id = line.split(" ", 1)
            rows.setdefault(int(n), []).append(event_id)
        out = self.daemon.command("dead", "list", "-c", self.conf, "--json")
        if out.returncode:
            raise Failure("dead list: " + out.stderr.decode())
        dead = {}
        for line in out.stdout.decode().splitlines():
            letter = json.loads(line)
            if not letter["lane"].startswith("gate/"):
                dead[letter["event_id"]] = dead.get(letter["event_id"], 0) + 1
        wrong = []
        known, ids = set(), {}
        for r in self.before + self.requests:
            for i, e in enumerate(r.events):
                n, kind = e["payload"]["n"], e["payload"]["kind"]
                if kind == "bad":
                    if dead.pop(e["id"], 0) != 1:
                        wrong.append("the dead letter of %s" % e["id"])
                    continue
                known.add(n)
                if kind == "row":
                    ids[n] = r.ids[i] if r.ids else None
        for n, event_id in ids.items():
            if rows.get(n) != [event_id] and (event_id or len(rows.get(n, ())) != 1):
                wrong.append("event %d was answered as %s, its rows are %s" % (n, event_id, rows.get(n, "none")))
        wrong += ["a row that nobody sent: %s" % n for n in rows if n not in known]
        wrong += ["a row of an event that was to be dropped: %s" % n for n in rows if n in known - set(ids)]
        wrong += ["a dead letter that should not be: %s" % i for i in dead]
        if wrong:
            raise Failure("; ".join(wrong))


class Ext4:
    """A file system in a file, mounted at `at`."""
    SHUTDOWN = 0x8004587d  # EXT4_IOC_SHUTDOWN
    NO_LOG_FLUSH = struct.pack("I", 2)

    def __init__(self, image, at):
        self.image, self.at, self.mounted = image, at, False

    def __enter__(self):
        with open(self.image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-qF", self.image], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.mount()
        return self

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.at], check=True, stderr=subprocess.DEVNULL)
        self.mounted = True

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(fd, self.SHUTDOWN, self.NO_LOG_FLUSH)
        os.close(fd)
        subprocess.run(["umount", self.at], check=True)
        self.mounted = False
        self.mount()

    def __exit__(self, kind, value, trace):
        if self.mounted:
            subprocess.run(["umount", "-l", self.at])

    @classmethod
    def usable(cls):
        if os.geteuid():
            return False
        base = tempfile.mkdtemp(prefix="il-ext4-")
        try:
            os.mkdir(base + "/at")
            with cls(base + "/disk", base + "/at") as disk:
                disk.cut()
            return True
        except (OSError, subprocess.CalledProcessError):
            return False
        finally:
            shutil.rmtree(base, ignore_errors=True)


class Sweep:
    def __init__(self, args):
        self.args = args
        self.home = tempfile.mkdtemp(prefix="il-points-")
        os.chmod(self.home, 0o755)
        self.pg = Postgres(self.home, settings=["fsync=off"])
        self.pg.start()
        self.pg.sql("create schema points; create table points.rows (event_id text, trial bigint, n bigint)")
        self.trials = 0
        self.events = 0
        self.spared = 0
        self.failures = []
        self.table = []

    def close(self):
        self.pg.stop()
        if not self.failures:
            shutil.rmtree(self.home)

    def run(self, name, body, wide=False):
        """One trial: body(run, injection path) does what it is about."""
        self.trials += 1
        base = os.path.join(self.home, "t%d" % self.trials)
        os.mkdir(base)
        run = Run(self.pg, self.trials, base, wide)
        what = ""
        try:
            what = body(run, os.path.join(base, "control")) or ""
            self.events += sum(len(r.events) for r in run.requests)
            ok = True
        except (Failure, RuntimeError, KeyError, ValueError) as e:
            ok = False
            what = getattr(e, "what", "")
            self.failures.append("%s: %s (files in %s)" % (name, e, base))
            print("FAILED %s: %s%s; files in %s" % (name, e, what and " at " + what, base), flush=True)
        finally:
            if run.daemon.proc and run.daemon.proc.poll() is None:
                run.daemon.kill()
        if ok:
            shutil.rmtree(base)
            if self.args.verbose:
                print("%s: ok %s" % (name, what), flush=True)
        return ok

    def choose(self, total, k, rnd):
        """Every k-th of 1 ... total, from a place that the seed decides."""
        return list(range(1 + rnd.randrange(k), total + 1, k))

    def section(self, name, points, trial, wide=False):
        began, failed = time.monotonic(), len(self.failures)
        for i, point in enumerate(points):
            self.run("%s %s" % (name, point), lambda run, control: trial(run, control, point), wide)
            if (i + 1) % 50 == 0:
                print("  %s: %d of %d" % (name, i + 1, len(points)), flush=True)
        self.table.append((name, len(points), len(self.failures) - failed, time.monotonic() - began))
        print("%-28s %5d trials, %d failed, %.0f s" % self.table[-1], flush=True)

    # --- the modes ---

    def play(self, run, injection):
        """The scenario, as far as it gets."""
        if run.start(injection):
            run.reused = run.send_all()
            if run.daemon.proc.poll() is None and injection.fired == 0:
                run.wait_delivered()
        code = run.end(injection)
        if not injection.fired:
            run.settle()
            return "nothing: the scenario was over"
        return injection.what if code else injection.what + " (no harm)"

    def count(self, ops, shadow=False):
        counted = []

        def body(run, control):
            at = run.base + "/shadow" if shadow else None
            run.prepare(at)
            i = inject.Injection(control, run.state, ops, shadow=at)
            self.play(run, i)
            counted.append(i.count)
            if not run.reused:
                raise Failure("no file of the spool is used again")
        if not self.run("count " + ",".join(ops), body):
            raise Failure("the scenario fails without any fault")
        return counted[0]

    def kill(self, run, control, n):
        run.prepare()
        i = inject.Injection(control, run.state, inject.WRITES, at=n, action=inject.KILL)
        what = self.play(run, i)
        run.settle()
        return what

    def torn(self, run, control, point):
        n, share = point
        run.prepare()
        i = inject.Injection(control, run.state, ["write"], at=n, action=inject.TORN, param=share)
        what = self.play(run, i)
        run.settle()
        return what

    def power(self, run, control, point):
        n, seed = point
        shadow = run.base + "/shadow"
        run.prepare(shadow)
        i = inject.Injection(control, run.state, inject.WRITES, at=n, action=inject.KILL, shadow=shadow)
        what = self.play(run, i)
        if os.path.isdir(run.state):
            inject.cut_power(run.state, shadow, seed)
        boot = run.base + "/boot"
        with open(boot, "w") as f:
            f.write("another boot\n")
        i = inject.Injection(control + "2", run.state, [], boot=boot)
        run.plain_env.update(i.env())
        run.settle()
        return what

    def ext4(self, run, control, n):
        os.mkdir(run.state)
        with Ext4(run.base + "/disk", run.state) as disk:
            run.prepare()
            subprocess.run(["sync", "-f", run.state], check=True)
            i = inject.Injection(control, run.state, inject.WRITES, at=n, action=inject.KILL)
            what = self.play(run, i)
            disk.cut()
            boot = run.base + "/boot"
            with open(boot, "w") as f:
                f.write("another boot\n")
            i = inject.Injection(control + "2", run.state, [], boot=boot)
            run.plain_env.update(i.env())
            run.settle()
        return what

    def errors(self, run, control, point):
        n, op, number, hits = point
        shadow = run.base + "/shadow"
        run.prepare(shadow)
        action = inject.FAIL if number else inject.SHORT
        i = inject.Injection(control, run.state, [op], at=n, action=action, param=number, hits=hits, shadow=shadow)
        began = run.start(i, limit=8)
        if began:
            run.send_all()
            refused = [r for r in run.requests if not r.done]
            if refused and run.daemon.proc.poll() is None and op in ("write", "sync", "truncate") \
                    and hits == inject.FOR_EVER and all(r.path == "/v1/ingest" for r in refused):
                status, text = run.readyz(body=True)
                if status != 503 or "reasons\":[]" in text:
                    raise Failure("events are refused, and /readyz says %d %s (at %s)" % (status, text, i.what))
            # What was acknowledged is on the disk by now, or it never was.
            if run.daemon.proc.poll() is None:
                run.daemon.kill()
        elif run.daemon.proc.returncode < 0:
            raise Failure("ended by signal %d at %s" % (-run.daemon.proc.returncode, i.what))
        if i.fired and os.path.isdir(run.state):
            inject.cut_power(run.state, shadow)
        try:
            run.settle()
        except Failure as e:
            raise Failure("%s (at %s)" % (e, i.what))
        return i.what

    def memory(self, run, control, point):
        phase, n, hits = point
        at = n if phase == "start" else 0
        i = inject.Injection(control, run.state, ["malloc"], at=at, action=inject.FAIL, param=errno.ENOMEM, hits=hits)
        try:
            if run.start(i, limit=10):
                if phase == "requests":
                    i.now(["malloc"], inject.FAIL, errno.ENOMEM, hits, n - 1)
                run.send_all()
                i.off()
                if run.daemon.proc.poll() is None:
                    run.send_all(again=True)
                    run.wait_delivered()
                if phase == "stop":
                    i.now(["malloc"], inject.FAIL, errno.ENOMEM, hits, n - 1)
                    run.end(i)
            code = run.daemon.proc.poll()
            if code is not None and code < 0 and " libconfig.so" in i.what:
                # libconfig does not look at what malloc returns.  It only reads
                # the config, before there is anything to lose.
                self.spared += 1
            elif code is not None and code < 0:
                raise Failure("ended by signal %d" % -code)
            i.off()
            if code is None:
                run.end(i)
            run.settle()
        except Failure as e:
            raise Failure("%s (at %s)" % (e, i.what))
        return i.what


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("modes", nargs="*", default=["kill", "torn", "power", "ext4", "errors", "memory"])
    p.add_argument("--every", type=int, default=1, help="only every k-th point")
    p.add_argument("--point", type=int, help="this one alone")
    p.add_argument("--seed", default="", help="which of the k-th, and how writes tear; else by chance")
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
    sweep = Sweep(args)
    try:
        for mode in args.modes:
            globals()["sweep_" + mode](sweep, args, random.Random(seed))
    except Failure as e:
        sweep.failures.append(str(e))
    finally:
        sweep.close()
    print("%d trials, %d events, %d failed (seed %d)" % (sweep.trials, sweep.events, len(sweep.failures), seed))
    if sweep.spared:
        print("  %d crashes in libconfig, which does not expect that memory ends" % sweep.spared)
    for text in sweep.failures:
        print("  " + text)
    return 1 if sweep.failures else 0


def points(sweep, args, rnd, total):
    return [args.point] if args.point else sweep.choose(total, args.every, rnd)


def sweep_kill(sweep, args, rnd):
    total = sweep.count(inject.WRITES)
    print("%d write points" % total)
    sweep.section("kill", points(sweep, args, rnd, total), sweep.kill)


def sweep_torn(sweep, args, rnd):
    total = sweep.count(["write"])
    sweep.section("torn", [(n, rnd.randrange(1, 1000)) for n in points(sweep, args, rnd, total)], sweep.torn)


def sweep_power(sweep, args, rnd):
    total = sweep.count(inject.WRITES, shadow=True)
    sweep.section("power, all unsynced gone", [(n, None) for n in points(sweep, args, rnd, total)], sweep.power)
    sweep.section("power, blended", [(n, rnd.randrange(1 << 30)) for n in points(sweep, args, rnd, total)],
                  sweep.power)


def sweep_ext4(sweep, args, rnd):
    if not Ext4.usable():
        print("ext4: cannot mount and shut down a file system here")
        return
    total = sweep.count(inject.WRITES)
    sweep.section("ext4 shut down", points(sweep, args, rnd, total), sweep.ext4)


def sweep_errors(sweep, args, rnd):
    for op, numbers in (("write", (errno.ENOSPC, errno.EIO, 0)), ("sync", (errno.EIO,)),
                        ("truncate", (errno.ENOSPC,)), ("rename", (errno.EIO,)), ("unlink", (errno.EIO,)),
                        ("mkdir", (errno.EROFS,)), ("open", (errno.EMFILE, errno.EROFS)), ("mmap", (errno.ENOMEM,)),
                        ("read", (errno.EIO, 0))):
        total = sweep.count([op])
        for number in numbers:
            for hits in (1, inject.FOR_EVER):
                name = "%s %s%s" % (op, inject.errno_name(number) if number else "short",
                                    " for ever" if hits > 1 else "")
                sweep.section(name, [(n, op, number, hits) for n in points(sweep, args, rnd, total)], sweep.errors)


def sweep_memory(sweep, args, rnd):
    counted = {}

    def body(run, control):
        i = inject.Injection(control, run.state, ["malloc"])
        run.start(i)
        counted["start"] = i.count
        run.send_all()
        run.wait_delivered()
        counted["requests"] = i.count - counted["start"]
        began = i.count
        run.end()
        counted["stop"] = i.count - began
        run.account()
    if not sweep.run("count malloc", body, wide=True):
        raise Failure("the scenario fails without any fault")
    print("allocations: %(start)d to start, %(requests)d for the requests, %(stop)d to stop" % counted)
    for phase in ("start", "requests", "stop"):
        for hits in (1, 20):
            at = points(sweep, args, rnd, counted[phase])
            if phase == "stop" and not args.point:
                at = range(1, counted[phase] + 1)  # so few that none is left out
            sweep.section("memory, %s, %d fail" % (phase, hits), [(phase, n, hits) for n in at], sweep.memory,
                          wide=True)


if __name__ == "__main__":
    sys.exit(main())

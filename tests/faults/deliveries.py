#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon with a lane to webhook.out, stopped or disturbed at every write of
what such a lane keeps: one moment of its life at a time, each with the calls
that it makes.

Each trial brings the lane to that moment, does something at the n-th call that
follows below the folders of that moment, then starts the daemon again, mends what was
wrong, and lets it deliver.  The receiver's log is what counts:
  every event was delivered, or is a dead letter, once, or a person dropped it;
  one came a second time only if it was under way when the process ended, or was
  delivered in the last 100 ms before;
  each attempt of an event has its one webhook-id;
  none of a key was sent before all that come before it under that key had come
  to their end.

modes:
  kill    the process stops before the n-th write, sync, rename, ...
  torn    a part of the n-th write gets through, then it stops
  power   stopped there, and what was not synced is gone; also in a blend of
          what was synced and what was not
  errors  the n-th call fails once: no restart, no request is made again
  for-ever  it fails from then on: the lane waits and says so, and goes on once
          it works again"""
import argparse
import collections
import errno
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import inject  # noqa: E402
from receiver import Answer, Receiver  # noqa: E402
from servers import INGESTLAYER, PATIENCE, Daemon, plugins_of, without_plugin  # noqa: E402

KEY = "deliveries-key"
CONF = """
state_dir = "%(base)s/state";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { segment = "1MiB"; min_free = "0B"; };
entities = { map_size = "4MiB"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "out"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "webhook.out"; name = "%(name)s"; %(was)s url = "%(url)s/in";
                       schedule = ( "1h", "1h" ); jitter = 0; reject = ( 422 ); concurrency = 4;
                       order = "key"; order_key = "$event.payload.key"; } ); } );
"""
HOUR = 3600
BOUND = 0.1 + 1.0 * PATIENCE  # a sync, and a machine that does other things
LIMIT = 40 * PATIENCE

Sent = collections.namedtuple("Sent", "event status at connection webhook_id")


class Failure(Exception):
    pass


class World:
    """One trial's folder, daemon and receiver."""

    def __init__(self, base):
        self.base, self.state, self.conf = base, base + "/state", base + "/out.conf"
        self.receiver = Receiver()
        self.receiver.script = self.answer
        self.daemon = Daemon(base, self.conf, {"KEY": KEY, "INGESTLAYER_CLOCK_FILE": base + "/clock"})
        self.injected, self.boot = {}, {}
        self.events, self.dropped, self.unanswered = {}, set(), []
        self.sent, self.ends = [], []  # ends: of a life: (time, last connection)
        self.mended = self.forgiven = False
        self.gate, self.gate_at = threading.Event(), 0
        self.offset, self.name = 0, "hook"
        self.marks_failed_at = None
        self.configure()
        self.jump(0)

    def close(self):
        if self.alive():
            self.daemon.kill()
        self.gate.set()
        self.receiver.close()

    # --- the daemon ---
    def configure(self, name="hook", was=""):
        self.name = name
        with open(self.conf, "w") as f:
            f.write(CONF % {"base": self.base, "url": self.receiver.url, "name": name, "was": was})

    def jump(self, seconds):
        self.offset += seconds
        with open(self.base + "/clock.new", "w") as f:
            f.write("%d\n" % (self.offset * 1000000))
        os.rename(self.base + "/clock.new", self.base + "/clock")

    def next_hour(self):
        """What is parked is due; a lane at rest looks within a minute, and at once with an event."""
        self.jump(HOUR + 1)
        return self.post(("hour%d" % len(self.events), "good"))

    def alive(self):
        return self.daemon.proc is not None and self.daemon.proc.poll() is None

    def start(self):
        """True when it is ready, False when it ended before."""
        env = dict(self.daemon.env, **self.boot, **self.injected)
        with open(self.daemon.log, "ab") as log:
            self.daemon.proc = subprocess.Popen([INGESTLAYER, "run", "-c", self.conf], env=env,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + LIMIT
        while self.alive():
            if self.daemon.ready():
                return True
            if time.monotonic() > until:
                raise Failure("the daemon neither starts nor ends")
            time.sleep(0.01)
        return False

    def ended(self):
        """It has just ended, at any moment: what it sent is read by now."""
        at = time.time()
        time.sleep(0.1 * PATIENCE)
        self.ends.append((at, self.receiver.accepted))

    def kill(self):
        if self.alive():
            self.daemon.kill()
        self.ended()

    def stop(self):
        code = self.daemon.stop()
        if code:
            raise Failure("exit code %d" % code)

    def log(self):
        with open(self.daemon.log, errors="replace") as f:
            return f.read()

    # --- what goes in ---
    def post(self, *events, pad=0):
        """Each is (name, kind) or (name, kind, key).  False: no answer."""
        body = []
        for name, kind, *key in events:
            n = len(self.events)
            self.events[name] = (n, kind, key[0] if key else None)
            body.append({"id": name, "type": "test.event",
                         "payload": dict({"n": n, "kind": kind, "pad": "x" * pad}, **({"key": key[0]} if key else {}))})
        return self.post_body(json.dumps(body).encode())

    def post_body(self, body):
        """What was not answered is sent once more at the end."""
        request = urllib.request.Request("http://127.0.0.1:%d/v1/ingest" % self.daemon.gate, body,
                                         {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
        try:
            with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
                return answer.status == 202
        except urllib.error.HTTPError as e:
            raise Failure("POST: %d %s" % (e.code, e.read())) from None
        except (OSError, http.client.HTTPException):
            self.until(lambda: False, "the daemon ends, as it does not answer")
            self.unanswered.append(body)
            return False

    def command(self, *args, env=None):
        return subprocess.run([INGESTLAYER, *args, "-c", self.conf], env=dict(self.daemon.env, **env or {}),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def lane(self):
        r = self.command("status", "--json")
        for lane in json.loads(r.stdout)["lanes"] if r.returncode == 0 else ():
            if lane["name"] == "out/" + self.name:
                return lane
        return None

    def listed(self, *args):
        r = self.command("dead", "list", "--json", *args)
        if r.returncode:
            raise Failure("dead list: " + r.stderr.decode())
        return [json.loads(line) for line in r.stdout.decode().splitlines()]

    def until(self, condition, what, ends_too=True):
        """True; or False once the daemon has ended, where that may be."""
        end = time.monotonic() + LIMIT
        while not condition():
            if not self.alive():
                if not ends_too:
                    raise Failure("the daemon has ended: " + what)
                return False
            if time.monotonic() > end:
                raise Failure("not within %d s: %s (lane %s)" % (LIMIT, what, self.lane()))
            time.sleep(0.03)
        return True

    # --- the receiver ---
    def answer(self, request):
        name = json.loads(request.body)["id"]
        kind = self.events[name][1]
        status, until = 200, None
        if kind == "never" or (kind == "later" and not self.mended) or (kind == "again" and self.mended != "all"):
            status = 400
        elif kind == "bad" and not self.forgiven:
            status = 422
        elif kind == "gone" and not self.mended:
            status = 410
        elif kind == "slow":
            until = self.gate
        self.sent.append(Sent(name, status, time.time(), request.connection, request.headers["webhook-id"]))
        return Answer(status, until=until)

    def open_gate(self):
        self.gate_at = time.time()
        self.gate.set()

    def delivered(self):
        return {s.event for s in list(self.sent) if s.status == 200}

    def tries(self, *names):
        return sum(s.event in names for s in list(self.sent))

    # --- the end ---
    def settle(self):
        """Without faults, and mended: to the end of all."""
        self.injected, self.mended = {}, "all"
        self.open_gate()
        if not self.alive() and not self.start():
            raise Failure("it does not start any more")
        for body in self.unanswered:
            self.post_body(body)
        end = time.monotonic() + LIMIT

        def over():
            lane = self.lane()
            if self.forgiven and self.letters_of("bad"):
                self.command("dead", "retry", "--all", "out/" + self.name)
                return False
            if lane and lane["paused"]:
                self.command("lane", "resume", lane["name"])
            if lane and lane["parked"] and (lane["held_off"] or not lane["lag_events"]):
                self.next_hour()
            return lane and lane["state"] == "running" and not lane["lag_events"] and not lane["parked"]
        while not over():
            if time.monotonic() > end:
                raise Failure("it does not come to an end: %s" % self.lane())
            time.sleep(0.1)
        time.sleep(0.2)  # nothing else comes
        self.account()
        self.stop()

    def account(self):
        self.account_ends()
        self.account_repeats()
        self.account_ids()
        self.account_order()

    def letters(self):
        return [one["event_id"] for one in self.listed()]

    def letters_of(self, kind):
        return [name for name in self.letters() if self.events[name][1] == kind]

    def account_ends(self):
        letters, delivered, wrong = self.letters(), self.delivered(), []
        for name, (_, kind, _) in self.events.items():
            want = kind == "never" or (kind == "bad" and not self.forgiven)
            if name in self.dropped:
                if name in letters:
                    wrong.append("%s was dropped, and is a letter" % name)
            elif letters.count(name) != int(want):
                wrong.append("%s (%s) is %d letters" % (name, kind, letters.count(name)))
            elif (name in delivered) == want:
                wrong.append("%s (%s) was %s" % (name, kind, "delivered" if want else "lost"))
        if wrong:
            raise Failure("; ".join(wrong))

    def end_between(self, first, then):
        for at, last in self.ends:
            if first.connection <= last < then.connection:
                return at
        return None

    def account_repeats(self):
        """What got its 2xx and was sent again."""
        got = {}
        for s in self.sent:
            before = got.get(s.event)
            if before:
                end = self.end_between(before, s)
                if end is None:
                    raise Failure("%s was sent again without an end in between" % s.event)
                done = max(before.at, self.gate_at) if self.events[s.event][1] == "slow" else before.at
                failing = self.marks_failed_at and done > self.marks_failed_at - BOUND
                if end - done > BOUND and not failing:
                    raise Failure("%s was sent again, %.3f s after it was delivered" % (s.event, end - done))
            if s.status == 200:
                got[s.event] = s

    def account_ids(self):
        ids = {}
        for s in self.sent:
            ids.setdefault(s.event, set()).add(s.webhook_id)
        if any(len(have) != 1 for have in ids.values()) or len(set.union(set(), *ids.values())) != len(ids):
            raise Failure("webhook-ids: %s" % ids)

    def account_order(self):
        gone, done = set(self.letters()) | self.dropped, set()
        for s in self.sent:
            n, kind, key = self.events[s.event]
            for other, (m, _, same) in self.events.items():
                if key and key == same and m < n and other not in done | gone and kind != "bad":
                    raise Failure("%s was sent before %s had come to its end" % (s.event, other))
            if s.status == 200:
                done.add(s.event)


# --- moments -------------------------------------------------------------------

class Moment:
    only = "parked/"  # what it writes to
    by_command = False
    again = False  # a request may be made again, without a restart
    says = "keeping "  # what the lane says of a store that fails for ever
    told = False  # or a command has

    def prepare(self, w):
        pass

    def act(self, w):
        pass

    def over(self, w):
        return True

    def waiting(self, w, count):
        lane = w.lane()
        return lane is not None and lane["parked"] == count and not lane["lag_events"]


def some(prefix):
    """Good ones, some of keys that another one holds up, some that are refused."""
    p = prefix
    return [(p + "1", "good"), (p + "2", "later", p + "k"), (p + "3", "good", p + "k"), (p + "4", "bad"),
            (p + "5", "good", p + "l"), (p + "6", "later"), (p + "7", "bad"), (p + "8", "good", p + "l"),
            (p + "9", "never", p + "m"), (p + "10", "good", p + "m")]


PARKED_OF_SOME, LETTERS_OF_SOME = 5, 2


class Settle(Moment):
    """A batch leaves: parked events, letters and the position."""

    def act(self, w):
        w.post(*some("a"))

    def over(self, w):
        return self.waiting(w, PARKED_OF_SOME)


class SettleAgain(Settle):
    """The same on a store that has such."""

    def prepare(self, w):
        w.post(*some("a"))
        w.until(lambda: self.waiting(w, PARKED_OF_SOME), "the first batch", False)

    def act(self, w):
        w.post(*some("b"))

    def over(self, w):
        return self.waiting(w, 2 * PARKED_OF_SOME)


class Marks(Moment):
    """What was delivered of a batch that is not settled is written down."""
    says = None

    def prepare(self, w):
        self.second = threading.Event()
        plain = w.answer

        def answer(request):
            a = plain(request)
            if w.sent[-1].event.startswith("n"):
                a.until = self.second
            return a
        w.receiver.script = answer
        w.post(*[("m%d" % i, "good") for i in range(5)], ("s1", "slow"), *[("n%d" % i, "good") for i in range(3)])
        w.until(lambda: w.tries("s1", "n0", "n1", "n2") == 4, "all are under way", False)
        time.sleep(BOUND + 0.3)  # the first are on disk, and too old to be sent again

    def act(self, w):
        for i, s in enumerate(w.sent):
            if s.event.startswith("n"):
                w.sent[i] = s._replace(at=time.time())
        self.second.set()
        self.until = time.monotonic() + 1.0 * PATIENCE

    def over(self, w):
        return time.monotonic() > self.until


class RetrySettle(Moment):
    """Parked events came again: delivered, parked again, given up, and the next of a chain."""

    def prepare(self, w):
        w.post(("x0", "never"))
        w.until(lambda: self.waiting(w, 1), "x0 is parked", False)
        w.next_hour()
        w.until(lambda: w.tries("x0") == 2 and self.waiting(w, 1), "x0 is parked again", False)
        w.post(("x1", "later", "k"), ("x2", "good", "k"), ("x3", "later"), ("x4", "again"), ("x5", "never", "l"),
               ("x6", "good", "l"))
        w.until(lambda: self.waiting(w, 7), "all are parked", False)

    def act(self, w):
        w.mended = True
        w.next_hour()

    def over(self, w):  # x4, x5 and what waits behind it
        return w.tries("x4") >= 2 and w.tries("x5") >= 2 and self.waiting(w, 3)


class Gone(Moment):
    """410: the destination pauses the lane, which its cursor keeps."""
    only = "lanes/"
    again = True
    says = None

    def act(self, w):
        w.post(("g1", "good"), ("g2", "gone"), ("g3", "good"))

    def over(self, w):
        lane = w.lane()
        return lane is not None and bool(lane["paused"])


class ByPerson(Moment):
    """`lane pause`, then `lane resume`: what the command has said holds after a restart."""
    only = "lanes/"
    says = None

    def prepare(self, w):
        w.post(("p1", "good"), ("p2", "later"))
        w.until(lambda: self.waiting(w, 1), "p2 is parked", False)

    def act(self, w):
        self.said = None
        for verb in ("pause", "resume", "pause"):
            if not w.alive():
                return  # the command would do it by itself
            self.said = None
            if not w.command("lane", verb, "out/hook").returncode and w.alive():
                self.said = verb

    def after(self, w):
        """Alive or started again, and nothing fails any more."""
        lane = w.lane()
        if self.said == "pause" and not lane["paused"]:
            raise Failure("lane pause has said that it is, and it is not")

    def over(self, w):
        return True


class Attempts(Moment):
    """The file of what was tried, which nothing hangs on."""
    only = "instances/"
    says = None

    def prepare(self, w):
        w.post(*some("a"))
        w.until(lambda: self.waiting(w, PARKED_OF_SOME), "the first batch", False)
        time.sleep(1.2)

    def act(self, w):
        w.post(*some("b"))
        self.until = time.monotonic() + 2.2

    def over(self, w):
        return time.monotonic() > self.until and self.waiting(w, 2 * PARKED_OF_SOME)


class Rename(Moment):
    """A lane with a new name takes along what it has."""
    only = "parked/ lanes/ dead/"
    says = None

    def prepare(self, w):
        w.post(*some("a"))
        w.until(lambda: self.waiting(w, PARKED_OF_SOME), "the batch", False)
        w.stop()
        w.configure("anew", 'was = "out/hook";')

    def act(self, w):
        w.start()

    def over(self, w):
        return self.waiting(w, PARKED_OF_SOME)


class RetryParked(Moment):
    """`dead retry --waiting`: due now."""

    def prepare(self, w):
        w.post(*some("a"))
        w.until(lambda: self.waiting(w, PARKED_OF_SOME), "the batch", False)
        w.mended = True

    def act(self, w):
        self.retry(w, "--waiting")

    def retry(self, w, *which):
        """It fails and says so, or has done it."""
        r = w.command("dead", "retry", *which, "--all", "out/hook")
        self.told = r.returncode != 0 and bool(r.stderr)
        if r.returncode and w.alive() and not self.told:
            raise Failure("dead retry: exit code %d, without a word" % r.returncode)

    def over(self, w):  # never, and what waits behind it
        lane = w.lane()
        return lane is not None and lane["parked"] <= 2 or w.tries("a9") < 2 and self.refused(w)

    def refused(self, w):
        """The command has failed: it is to be given again."""
        self.retry(w, "--waiting")
        return False


class RetryLetters(RetryParked):
    """`dead retry`: a letter is parked again, due now."""

    def prepare(self, w):
        super().prepare(w)
        w.mended = False
        w.forgiven = True

    def act(self, w):
        self.retry(w)

    def over(self, w):
        if w.listed("out/hook"):
            self.retry(w)
            return False
        return self.waiting(w, PARKED_OF_SOME)


class DropParked(Moment):
    """`dead drop --waiting`: gone, and the next of a chain is due."""
    by_command = True
    says = None
    args = ("--waiting", "out/hook", "--event", "a2")
    names = ("a2",)

    def prepare(self, w):
        w.post(*some("a"))
        w.until(lambda: self.waiting(w, PARKED_OF_SOME), "the batch", False)

    def drop(self, w, env):
        return w.command("dead", "drop", *self.args, "--all", env=env)

    def after_command(self, w, result):
        there = {one["event_id"] for one in w.listed(*[a for a in self.args if a == "--waiting"])}
        left = set(self.names) & there
        if result.returncode == 0 and left:
            raise Failure("dead drop has said that they are gone, and %s are not" % left)
        if left and left != set(self.names):
            raise Failure("only some were dropped; %s are there" % left)
        w.dropped |= set(self.names) - left


class DropLetters(DropParked):
    """`dead drop` of letters."""
    args = ("out/hook",)
    names = ("a4", "a7")


class ParkingOn(Moment):
    """Nothing can be sent, and the lane falls behind: it parks what it reads."""

    def prepare(self, w):
        self.away = True
        plain = w.answer

        def answer(request):
            a = plain(request)
            if self.away and w.mended != "all":
                w.sent[-1] = w.sent[-1]._replace(status=502)
                return Answer(502)
            return a
        w.receiver.script = answer
        w.post(*[("o%d" % i, "good") for i in range(4)])
        w.until(lambda: (w.lane() or {}).get("held_off") or len(w.sent) >= 3 and self.waiting(w, 4),
                "it is left alone", False)

    def act(self, w):
        for k in range(4):
            if not w.post(*[("o%d-%d" % (k, i), "good") for i in range(4)], pad=180000):
                return

    def over(self, w):
        lane = w.lane()
        return lane is not None and lane["parked"] > 6


MOMENTS = [Settle, SettleAgain, Marks, RetrySettle, Gone, ByPerson, Attempts, Rename, RetryParked, RetryLetters,
           DropParked, DropLetters, ParkingOn]


# --- trials --------------------------------------------------------------------

def play(w, moment, i):
    """Until it is over, or the daemon has ended."""
    moment.act(w)
    if w.alive():
        w.until(lambda: moment.over(w), "%s is over (at %s)" % (type(moment).__name__, i.what))


def by_command(w, moment, i, shadow):
    if shadow:
        w.stop()
        inject.prime(w.state, shadow)
    result = moment.drop(w, i.env())
    if shadow and i.fired:
        return result
    moment.after_command(w, result)
    return result


class Trials:
    def __init__(self, args):
        self.args, self.rnd = args, random.Random(args.seed)
        self.home = tempfile.mkdtemp(prefix="il-deliveries-")
        self.trials, self.failures, self.sums = 0, [], collections.Counter()
        self.counts = {}

    def run(self, name, body):
        self.trials += 1
        base = os.path.join(self.home, "t%d" % self.trials)
        os.mkdir(base)
        w = World(base)
        what = ""
        try:
            what = body(w) or ""
            ok = True
        except (Failure, RuntimeError, OSError, ValueError, KeyError, TypeError) as e:
            ok = False
            self.failures.append("%s: %s: %s (files in %s)" % (name, type(e).__name__, e, base))
            print("FAILED " + self.failures[-1], flush=True)
        finally:
            w.close()
        self.sums["events"] += len(w.events)
        self.sums["requests"] += len(w.sent)
        self.sums["again"] += len([s for s in w.sent if s.status == 200]) - len(w.delivered())
        if ok:
            shutil.rmtree(base)
            if self.args.verbose:
                print("%s: ok %s" % (name, what), flush=True)
        return ok

    def choose(self, total):
        if self.args.sample:
            return [self.rnd.randrange(total) + 1] if total else []
        return list(range(1, total + 1))

    def begin(self, w, moment, ops, shadow=None):
        i = inject.Injection(w.base + "/control", w.state, [], shadow=shadow)
        if not moment.by_command:
            w.injected = i.env()
        if not w.start():
            raise Failure("it does not start")
        moment.prepare(w)
        i.narrow(moment.only)
        return i

    def count(self, kind, ops):
        """How many calls there are, undisturbed; and that all is right then."""
        known = self.counts.get((kind, tuple(ops)))
        if known is not None:
            return known
        counted = []

        def body(w):
            moment = kind()
            i = self.begin(w, moment, ops)
            i.now(ops, inject.COUNT)
            before = i.count
            if moment.by_command:
                by_command(w, moment, i, None)
            else:
                play(w, moment, i)
            counted.append(i.count - before)
            w.settle()
        if not self.run("%s, undisturbed" % kind.__name__, body):
            raise Failure("%s fails without any fault" % kind.__name__)
        if not counted[0] and "write" in ops:
            raise Failure("%s writes nothing" % kind.__name__)
        self.counts[kind, tuple(ops)] = counted[0]
        return counted[0]

    def stopped(self, w, kind, ops, n, action, param=0, shadow=None, seed=None):
        moment = kind()
        i = self.begin(w, moment, ops, shadow)
        i.now(ops, action, param, 1, n - 1)
        result = None
        if moment.by_command:
            result = by_command(w, moment, i, shadow)
        else:
            play(w, moment, i)
        if not moment.by_command or not shadow:
            self.end(w, moment, i)
        if shadow and i.fired:
            inject.cut_power(w.state, shadow, seed)
            with open(w.base + "/boot", "w") as f:
                f.write("another boot\n")
            w.boot = inject.Injection(w.base + "/control2", w.state, [], boot=w.base + "/boot").env()
            if result:
                moment.after_command(w, result)
        self.go_on(w, moment)
        return i.what if i.fired else "nothing: it was over"

    def end(self, w, moment, i):
        """The life in which it happened ends, if it has not."""
        i.off()
        if moment.by_command:
            return
        fired = i.fired and not w.alive()
        if fired:
            w.ended()
        else:
            w.kill()

    def go_on(self, w, moment):
        w.injected = {}
        if not w.alive() and not w.start():
            raise Failure("it does not start any more")
        if hasattr(moment, "after"):
            moment.after(w)
        w.settle()

    def fails(self, w, kind, op, n, number, hits):
        moment = kind()
        ops = [op]
        i = self.begin(w, moment, ops)
        i.now(ops, inject.FAIL, number, hits, n - 1)
        began = time.time()
        if moment.by_command:
            by_command(w, moment, i, None)
        else:
            moment.act(w)
            if hits == 1:
                w.until(lambda: moment.over(w), "over, after one failure at %s" % i.what)
            elif moment.says:
                self.says(w, moment, i)
            else:
                time.sleep(1)
            i.off()
            if w.alive():
                w.until(lambda: moment.over(w), "over, once nothing fails any more at %s" % i.what)
        i.off()
        if not w.alive() and not moment.by_command:
            code = w.daemon.proc.returncode
            if code < 0:
                raise Failure("ended by signal %d at %s" % (-code, i.what))
            w.ended()
        w.marks_failed_at = began
        self.go_on(w, moment)
        return i.what if i.fired else "nothing: it was over"

    def says(self, w, moment, i):
        """It waits, and says so; unless it was over before."""
        def said():
            lane = w.lane()
            return lane is not None and moment.says in lane["last_error"] and lane["state"] == "waiting" \
                or moment.told or not i.fired and moment.over(w)
        w.until(said, "the lane says that the store fails (at %s)" % i.what)


def sweep(trials, kind, mode):
    began, failed = time.monotonic(), len(trials.failures)
    rnd, name = trials.rnd, kind.__name__
    done = 0
    if mode in ("errors", "for-ever"):
        hits = 1 if mode == "errors" else inject.FOR_EVER
        for op, numbers in (("write", (errno.ENOSPC, errno.EIO)), ("sync", (errno.EIO,)), ("rename", (errno.EIO,))):
            if op == "rename" and kind is not Rename:
                continue
            for n in trials.choose(trials.count(kind, [op])):
                for number in [rnd.choice(numbers)] if trials.args.sample else numbers:
                    done += 1
                    trials.run("%s: %s %d %s %s" % (name, op, n, inject.errno_name(number), mode),
                               lambda w, op=op, n=n, number=number: trials.fails(w, kind, op, n, number, hits))
    else:
        ops = ["write"] if mode == "torn" else inject.WRITES
        action = inject.TORN if mode == "torn" else inject.KILL
        for n in trials.choose(trials.count(kind, ops)):
            seeds = [None, rnd.randrange(1 << 30)] if mode == "power" else [None]
            for seed in [rnd.choice(seeds)] if trials.args.sample else seeds:
                done += 1
                param = rnd.randrange(1, 1000) if mode == "torn" else 0
                trials.run("%s: %s %d %s" % (name, mode, n, "" if seed is None else "blended %d" % seed),
                           lambda w, n=n, seed=seed, param=param: trials.stopped(
                               w, kind, ops, n, action, param, w.base + "/shadow" if mode == "power" else None, seed))
    print("%-14s %-9s %4d trials, %d failed, %.0f s" % (name, mode, done, len(trials.failures) - failed,
                                                        time.monotonic() - began), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("modes", nargs="*", default=["kill", "torn", "power", "errors", "for-ever"])
    p.add_argument("--sample", type=int, help="only so many, each at one of its points")
    p.add_argument("--moment", help="of these alone: " + ", ".join(kind.__name__ for kind in MOMENTS))
    p.add_argument("--seed", default="")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    args.seed = int(args.seed) if args.seed else random.SystemRandom().randrange(1 << 30)
    why = inject.usable() or without_plugin(plugins_of(CONF))
    if why:
        print(why)
        return 77
    print("seed %d" % args.seed)
    trials = Trials(args)
    what = [(kind, mode) for kind in MOMENTS if not args.moment or kind.__name__ in args.moment.split(",")
            for mode in args.modes]
    for kind, mode in trials.rnd.sample(what, args.sample) if args.sample else what:
        try:
            sweep(trials, kind, mode)
        except Failure as e:
            trials.failures.append(str(e))
            print("FAILED %s" % e, flush=True)
    print("%d trials, %d failed; %d events, %d requests, %d of them a second time (seed %d)" % (
        trials.trials, len(trials.failures), trials.sums["events"], trials.sums["requests"], trials.sums["again"],
        args.seed))
    for text in trials.failures:
        print("  " + text)
    if not trials.failures:
        shutil.rmtree(trials.home)
    return 1 if trials.failures else 0


if __name__ == "__main__":
    sys.exit(main())

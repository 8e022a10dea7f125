#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A replay that sends events one by one, and what may come in between: it has no part
in order = "key", and disturbs none; a reload that leaves the lane alone does not
disturb it, one that changes the lane ends it with a reason; steps that remember decide
the same when it goes on after a kill; and a spool that is gone is said, event by event
where one was under way, while nothing that the lane has is lost."""
import json
import shutil
import subprocess
import threading
import time

from outsystem import LANE, Failed, Out, body_id, equal, event
from receiver import Answer, Receiver
from servers import INGESTLAYER

N = 40


def replay(s, *options, code=0, since="1h", wait=True):
    """The report, what else came, and what was said; or, not to be waited for, the
    process."""
    args = [INGESTLAYER, "replay", "-c", s.conf, "--lane", LANE, "--since", since, "--insert", "--json", *options]
    p = subprocess.Popen(args, env=s.daemon.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return ended(p, code) if wait else p


def ended(p, code=0):
    out, err = p.communicate()
    equal(p.returncode, code, "exit code (%s %s)" % (out[-500:], err))
    lines = [json.loads(line) for line in out.splitlines()]
    reports = [x["report"] for x in lines if "report" in x]
    return reports[0] if reports else None, lines, err.decode()


def contains(text, part):
    if part not in text:
        raise Failed("expected %r in %r" % (part, text))


def delivered(s, r, events):
    s.post(events)
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all is delivered")


def replayed(r, since=0):
    return [body_id(q) for q in r.requests[since:] if q.headers.get("webhook-replay")]


# order = "key": what a replay sends waits for none of its key, and none waits for it.
with Receiver() as r, Out('url = "%(url)s/in"; schedule = ( "1h" ); jitter = 0; order = "key"; '
                          'order_key = "$event.payload.key";', r) as s:
    delivered(s, r, [event(i, key="k") for i in range(5)])
    equal([body_id(q) for q in r.requests], ["e%06d" % i for i in range(5)], "in order, the first time")
    sent = len(r.requests)
    r.script = lambda q: Answer(500 if body_id(q) == "e000001" and q.headers.get("webhook-replay") else 200)
    p = replay(s, "--rate", "1000/s", wait=False)
    s.until(lambda: len(set(replayed(r, sent))) == 5, "those behind one that failed")
    equal(sorted(replayed(r, sent)), ["e%06d" % i for i in range(5)], "are sent, each once")
    delivered(s, r, [event(10 + i, key="k") for i in range(3)])
    live = [body_id(q) for q in r.requests[sent:] if not q.headers.get("webhook-replay")]
    equal(live, ["e%06d" % (10 + i) for i in range(3)], "the lane's own, in order, past that")
    r.script = lambda q: Answer(200)
    s.jump(3601)
    report, _, _ = ended(p)
    equal((report["sent"], report["failed"]), (5, 0), "and it comes again")
    # nor does it go ahead of a chain of the lane's: that stays as it is
    r.script = lambda q: Answer(500 if body_id(q) == "e000020" else 200)
    s.post([event(20 + i, key="k") for i in range(3)])
    s.until(lambda: s.lane()["parked"] == 3, "a chain")
    sent = len(r.requests)
    report, _, _ = replay(s, "--rate", "1000/s", since="3h")
    equal((report["sent"], report["left_out"]), (8, 3), "all but the chain")
    r.script = lambda q: Answer(200)
    s.jump(3601)
    s.until(lambda: s.lane()["parked"] == 0, "the chain is delivered")
    live = [body_id(q) for q in r.requests[sent:] if not q.headers.get("webhook-replay")]
    equal(live, ["e%06d" % (20 + i) for i in range(3)], "in order")
    equal(s.daemon.stop(), 0, "exit code")

# A reload on the way.
with Receiver() as r, Out('url = "%(url)s/in"; /* here */', r) as s:
    with open(s.conf) as f:
        text = f.read()

    def reload(text, code=0):
        with open(s.conf, "w") as f:
            f.write(text)
        told = s.daemon.command("reload", "-c", s.conf, "--json")
        equal(told.returncode, code, "reload: %s" % told.stderr)

    delivered(s, r, [event(i) for i in range(N)])
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    sent = len(r.requests)
    p = replay(s, "--rate", "20/s", since=since, wait=False)
    s.until(lambda: len(replayed(r, sent)) > 5, "some are sent")
    reload(text.replace('name = "app";', 'name = "other"; plugin = "sdk.event"; keys = ( "key-of-another" ); }, { name = "app";'))
    report, _, _ = ended(p)
    equal((report["sent"], report["failed"]), (N, 0), "beside a reload of something else")
    equal(sorted(replayed(r, sent)), ["e%06d" % i for i in range(N)], "each once")
    sent = len(r.requests)
    p = replay(s, "--rate", "20/s", since=since, wait=False)
    s.until(lambda: len(replayed(r, sent)) > 5, "some are sent")
    reload(text.replace("/* here */", 'timeout = "7s"; /* here */'))
    report, _, told = ended(p, 1)
    contains(told, "the lane was stopped meanwhile")
    some = len(replayed(r, sent))
    equal(5 < some < N, True, "it ended on the way: %d" % some)
    delivered(s, r, [event(100)])
    report, _, _ = replay(s, "--rate", "1000/s", since=since)
    equal((report["sent"], report["failed"]), (N + 1, 0), "with another config it is another replay")
    # back to the config of before: that one goes on
    reload(text)
    sent = len(r.requests)
    report, _, told = replay(s, "--rate", "1000/s", since=since)
    contains(told, "goes on after position")
    equal(report["sent"], N, "in all")
    equal(N - some <= len(replayed(r, sent)) <= N - some + 2, True, "of which now: %d" % len(replayed(r, sent)))
    equal(s.daemon.stop(), 0, "exit code")

# Steps that remember, over a kill: of ten events of a key the first alone passes, and
# carries how many there were.
STEPS = '''steps = ( { plugin = "count"; name = "nth"; key = "$event.payload.key"; },
                     { plugin = "dedupe"; key = "$event.payload.key"; window = "1h"; } );'''
with Receiver() as r, Out('url = "%(url)s/in"; fields = ( { name = "id"; value = "$event.id"; }, '
                          '{ name = "nth"; value = "$step.nth.count"; } );', r, steps=STEPS) as s:
    delivered(s, r, [event(i, key="k%d" % (i % N)) for i in range(3 * N)])
    first = sorted(q.body for q in r.requests)
    equal(len(first), N, "what passes")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    sent, kills = len(r.requests), 3
    for k in range(kills):
        had = len(r.requests)
        p = replay(s, "--rate", "20/s", since=since, wait=False)
        s.until(lambda: len(r.requests) >= had + 6, "some are sent")
        s.daemon.kill()
        p.communicate()
        s.daemon.start()
    report, _, told = replay(s, "--rate", "1000/s", since=since)
    contains(told, "goes on after position")
    equal((report["events"], report["delivered_today"], report["sent"]), (3 * N, N, N), "in all")
    again = [q.body for q in r.requests[sent:]]
    equal(sorted(set(again)), first, "the same, with the same results")
    equal(len(again) - N <= 3 * kills, True, "repeats: %d" % (len(again) - N))
    equal(s.daemon.stop(), 0, "exit code")

# The spool is lost on the way.
with Receiver() as r, Out('url = "%(url)s/in"; schedule = ( "1h", "1h" ); jitter = 0;', r,
                          top='spool = { segment = "1MiB"; retain = "9d"; };') as s:
    r.script = lambda q: Answer(500 if body_id(q) == "e000003" else 200)
    for k in range(0, N, 10):
        s.post([event(i, text="x" * 60000) for i in range(k, k + 10)])
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 1, "one waits")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    r.script = lambda q: Answer(500 if body_id(q) in ("e000003", "e000005") else 200)
    sent = len(r.requests)
    p = replay(s, "--rate", "1000/s", since=since, wait=False)
    s.until(lambda: len(set(replayed(r, sent))) == N - 1, "all are tried, and one waits")
    time.sleep(0.5)
    s.daemon.kill()
    p.communicate()
    # its oldest segment, with the one that waited
    segments = sorted(x for x in subprocess.run(["ls", s.path("state/spool")], capture_output=True, text=True,
                                                check=True).stdout.split() if x.endswith(".seg"))
    equal(len(segments) > 1, True, "segments: %s" % segments)
    subprocess.run(["rm", s.path("state/spool/" + segments[0])], check=True)
    s.daemon.start()
    report, lines, _ = replay(s, "--rate", "1000/s", since=since, code=1)
    failed = [x["failed"] for x in lines if "failed" in x]
    equal([(x["code"], x["message"]) for x in failed],
          [("gone", "the spool had let go of it before it was sent again")], "what is said of it")
    equal((report["sent"], report["failed"]), (N - 2, 1), "all others")
    equal(s.lane()["parked"], 1, "what the lane had parked is there")
    # and all of it
    s.daemon.stop()
    shutil.rmtree(s.path("state/spool"))
    s.daemon.start()
    report, _, told = replay(s, "--rate", "1000/s", since=since)
    equal((report["events"], report["sent"], report["failed"]), (0, 0, 0), "of another spool")
    r.script = lambda q: Answer(200)
    sent = len(r.requests)
    s.jump(3601)
    delivered(s, r, [event(200)])
    equal(sorted(body_id(q) for q in r.requests[sent:]), ["e000003", "e000200"], "what was parked, and what is new")
    equal(s.daemon.stop(), 0, "exit code")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ingestlayer replay` into a lane that sends events one by one: a diff sends nothing
and shows what would be sent; an insert sends the same events under the ids that they
had, marked as a replay, at its rate, by the schedule where one fails, and leaves the
lane as it was; what a kill interrupts goes on, and repeats no more than was under
way."""
import json
import subprocess
import threading
import time

from outsystem import LANE, Failed, Out, body_id, equal, event
from receiver import Answer, Receiver
from servers import PATIENCE

N = 40
OPTIONS = 'url = "%(url)s/in"; schedule = ( "30s", "2m" ); jitter = 0; reject = ( 422 );'
STEPS = 'steps = ( { plugin = "filter.match"; where = "n != 13"; } );'
SLACK = 0.4 * PATIENCE


def replay(s, *options, code=0, since="1h", lane=LANE):
    r = s.daemon.command("replay", "-c", s.conf, "--lane", lane, "--since", since, "--json", *options)
    equal(r.returncode, code, "exit code (%s %s)" % (r.stdout[-500:], r.stderr))
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    reports = [x["report"] for x in lines if "report" in x]
    return reports[0] if reports else None, lines, r.stderr.decode()


def counts(report):
    keys = ("events", "delivered_today", "would_send", "refused", "sent", "failed", "left_out", "gone_from_spool")
    return {k: report[k] for k in keys if report[k]}


def contains(text, part):
    if part not in text:
        raise Failed("expected %r in %r" % (part, text))


def stands(s):
    lane = s.lane()
    return {k: lane[k] for k in ("position", "parked", "dead_letters", "delivered")}


with Receiver() as r, Out(OPTIONS, r, steps=STEPS) as s:
    # 7 is a letter, 8 is parked
    r.script = lambda q: Answer({"e000007": 422, "e000008": 500}.get(body_id(q), 200))
    s.post([event(i) for i in range(N)])
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 1, "the rest is delivered")
    first = {body_id(q): q.headers["webhook-id"] for q in r.requests}
    equal(len(first), N - 1, "events that were sent")
    before, sent = stands(s), len(r.requests)

    report, lines, _ = replay(s)
    equal(counts(report), {"events": N - 2, "delivered_today": N - 3, "would_send": N - 3, "left_out": 2}, "--diff")
    equal(report["receiver_was_asked"], False, "--diff")
    samples = [x for x in lines if x.get("sample") == "would_send"]
    equal(len(samples), 10, "samples")
    contains(samples[0]["request"], "webhook-id: " + first[samples[0]["id"]])
    text = s.run("replay", "--lane", LANE, "--since", "1h")
    contains(text, "%12d would be sent by --insert" % (N - 3))
    contains(text, "is not known: it cannot be asked")
    equal(len(r.requests), sent, "requests, after diffs")
    equal(counts(replay(s, "--where", "n < 10")[0]), {"events": 8, "delivered_today": 8, "would_send": 8, "left_out": 2},
          "--where")

    # the same ids, marked, in time
    begun = time.monotonic()
    report, _, _ = replay(s, "--insert", "--rate", "20/s")
    took = time.monotonic() - begun
    equal(counts(report), {"events": N - 2, "delivered_today": N - 3, "sent": N - 3, "left_out": 2}, "--insert")
    again = r.requests[sent:]
    equal(sorted(body_id(q) for q in again), sorted(set(first) - {"e000007", "e000008"}), "what was sent again")
    equal({body_id(q): q.headers["webhook-id"] for q in again}, {body_id(q): first[body_id(q)] for q in again}, "ids")
    equal({q.headers.get("webhook-replay") for q in again}, {"true"}, "webhook-replay")
    equal({q.headers.get("webhook-replay") for q in r.requests[:sent]}, {None}, "webhook-replay, the first time")
    if took < (N - 4) / 20:
        raise Failed("%d events at 20/s took %.2f s" % (N - 3, took))
    equal(stands(s), before, "the lane")

    # one that fails is tried by the schedule, and then named; others are not held up
    r.script = lambda q: Answer(400 if body_id(q) == "e000011" else 200, body="not you")
    sent = len(r.requests)
    result = []
    thread = threading.Thread(target=lambda: result.append(replay(s, "--insert", "--rate", "50/s", code=1)))
    thread.start()
    s.until(lambda: len({body_id(q) for q in r.requests[sent:]}) == N - 3, "all are tried once")
    s.until(lambda: not thread.is_alive(), "it ends", step=30)
    report, lines, _ = result[0]
    equal(counts(report), {"events": N - 2, "delivered_today": N - 3, "sent": N - 4, "failed": 1, "left_out": 2}, "with a failure")
    failed = [x["failed"] for x in lines if "failed" in x]
    equal([(x["id"], x["attempts"], x["code"]) for x in failed], [("e000011", 3, "http_400")], "what failed")
    equal(len([q for q in r.requests[sent:] if body_id(q) == "e000011"]) >= 3, True, "attempts")
    equal({k: v for k, v in stands(s).items() if k != "delivered"} ["dead_letters"], before["dead_letters"], "letters")

    # a letter is decided anew as dead retry says: dropped, and replayed
    letter = s.dead()[0]["position"]
    r.script = lambda q: Answer(200)
    told = s.daemon.command("dead", "retry", "-c", s.conf, "--anew", LANE, str(letter))
    contains(told.stderr.decode(), "`ingestlayer replay --insert` takes it from the spool")
    s.run("dead", "drop", LANE, str(letter))
    report, _, _ = replay(s, "--insert", "--rate", "1000/s", "--where", "n == 7")
    equal(counts(report), {"events": 1, "delivered_today": 1, "sent": 1}, "a letter that was dropped")
    equal(body_id(r.requests[-1]), "e000007", "what is sent")

    # what cannot be
    r.script = lambda q: Answer(200)
    contains(replay(s, "--update", code=1)[2], "cannot be changed any more; --insert sends it once more")
    contains(replay(s, "--rate", "5/s", code=2)[2], "--rate is for --insert")
    contains(replay(s, "--insert", "--rate", "fast", code=2)[2], "expected a number of events and a time")
    equal(s.daemon.stop(), 0, "exit code")

# the daemon is killed on the way
KILLS = 4
with Receiver() as r, Out(OPTIONS, r) as s:
    s.post([event(i) for i in range(200)])
    s.until(lambda: s.lane()["lag_events"] == 0, "all is delivered")
    first = {body_id(q): q.headers["webhook-id"] for q in r.requests}
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    before, sent, kills = stands(s), len(r.requests), []
    delays = {}

    def script(q):
        delays[q.number] = 0.02 * (q.number % 3)
        return Answer(200, delay=delays[q.number])

    r.script = script
    ask = ["replay", "-c", s.conf, "--lane", LANE, "--since", since, "--insert", "--rate", "50/s"]
    for k in range(KILLS):
        thread = threading.Thread(target=s.daemon.command, args=ask)
        had = len(r.requests)
        thread.start()
        s.until(lambda: len(r.requests) >= had + 12 + k, "some are sent")
        s.daemon.kill()
        kills.append((time.time(), r.accepted))
        thread.join()
        time.sleep(0.3 * PATIENCE)
        s.daemon.start()
        s.post([event(1000 + k)])  # is not of the range
    s.until(lambda: s.lane()["lag_events"] == 0, "what is new is delivered")
    report, _, told = replay(s, "--insert", "--rate", "50/s", since=since)
    contains(told, "goes on after position")
    equal((report["events"], report["sent"], report["failed"]), (200, 200, 0), "after kills")
    again = [q for q in r.requests[sent:] if q.headers.get("webhook-replay")]
    equal(sorted({body_id(q) for q in again}), sorted(first), "what was sent again")
    equal({q.headers["webhook-id"] == first[body_id(q)] for q in again}, {True}, "ids")
    done, late = {}, 0.0
    for q in again:
        name = body_id(q)
        if name in done:
            connection, at = done[name]
            killed = [t for t, last in kills if connection <= last < q.connection]
            if not killed:
                raise Failed("%s came twice without a kill in between" % name)
            late = max(late, killed[0] - at)
        done[name] = q.connection, q.at + delays[q.number]
    print("%d kills, %d repeats, the latest %.0f ms after its 2xx" % (KILLS, len(again) - 200, late * 1000))
    if late > 0.1 + SLACK:
        raise Failed("sent again %.3f s after it was delivered" % late)
    left = subprocess.run(["ls", s.path("state/replays")], capture_output=True, text=True).stdout
    equal(left, "", "what is kept of replays that are done")

    # interrupted: the lane is paused, and goes on
    s.run("lane", "pause", LANE)
    result = []
    thread = threading.Thread(target=lambda: result.append(replay(s, "--insert", "--rate", "100/s", since=since)))
    had = len(r.requests)
    thread.start()
    time.sleep(0.5)
    equal(len(r.requests), had, "requests while the lane is paused")
    contains(replay(s, "--insert", since=since, code=1)[2], "another replay of it is under way")
    s.run("why", "e000001")  # a replay that waits is in nobody's way
    s.run("lane", "resume", LANE)
    thread.join()
    equal(result[0][0]["sent"], 204, "after the pause")
    equal(s.daemon.stop(), 0, "exit code")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No more requests run at once than are allowed; at a stop each gets its
callback within the time, also where a name server does not answer."""
import os
import shutil
import sys
import tempfile
import threading
import time

from receiver import Answer, Receiver
from servers import under_a_checker
from tool import equal, line, send

running, most = 0, 0
lock = threading.Lock()


def timed(requests, options, env=None):
    start = time.monotonic()
    answers = send(requests, options, env)
    return answers, time.monotonic() - start


with Receiver() as r:
    r.script = lambda request: Answer(200, delay=0.1)
    answers, took = timed([line(r.url)] * 40, ["concurrency=4"])
    equal("statuses", [a.status for a in answers], [200] * 40)
    assert r.accepted <= 4, r.accepted
    assert took >= 1.0, took # ten after each other
    assert max(a.ms for a in answers) < 900, "time that a request waited is none of its own"

with Receiver() as r:
    # those that hang, those that have not begun, and one that ends within the grace
    r.script = lambda request: Answer(do="hang") if request.path == "/hang" else Answer(200, delay=0.8)
    answers, took = timed([line(r.url + "/soon"), *[line(r.url + "/hang", timeout=60000)] * 3, line(r.url + "/never")],
                          ["concurrency=4", "stop=300", "grace=1500"])
    equal("at a stop", [a.what for a in answers], ["answered"] + ["cancelled"] * 4)
    assert 1.5 < took < 4, took
    assert all(a.error == "given up" for a in answers[1:]), answers
    equal("begun", sorted(q.path for q in r.requests), ["/hang"] * 3 + ["/soon"])
    answers, took = timed([line(r.url + "/hang", timeout=60000)] * 20, ["concurrency=10", "stop=200", "grace=0"])
    equal("without grace", {a.what for a in answers}, {"cancelled"})
    assert took < 2, took

# a head that came is an answer, also where its body is still to come
with Receiver() as r:
    r.script = lambda request: Answer(200, body="x" * 100, do="stall")
    answers, took = timed([line(r.url, timeout=60000)], ["stop=500", "grace=0"])
    equal("the head came", (answers[0].what, answers[0].status, answers[0].whole), ("answered", 200, False))

resolver = os.path.join(os.environ["IL_BUILDDIR"], "plugins", "warehouse.pg", "tests", ".libs", "resolver.so")
if not os.path.exists(resolver):
    print("skipped: names, for warehouse.pg was not built")
    sys.exit(0)
if under_a_checker():
    print("skipped: names, for a sanitizer's own library has to come first")
    sys.exit(0)
dir = tempfile.mkdtemp()
try:
    with open(os.path.join(dir, "hosts"), "w") as f:
        f.write("hangs.test wait\nhere.test 127.0.0.1\n")
    env = {"LD_PRELOAD": resolver, "IL_RESOLVER": os.path.join(dir, "hosts")}
    with Receiver() as r:
        # a name that hangs holds up neither its own time-out nor others
        here = "http://here.test:%d/" % r.port
        answers, took = timed([line("http://hangs.test/", timeout=700), *[line(here)] * 20], ["concurrency=2"], env)
        equal("hangs", answers[0].what, "timeout")
        equal("others", {a.status for a in answers[1:]}, {200})
        assert max(a.ms for a in answers) < 2000 and took < 4, (answers, took)
        answers, took = timed([line("http://hangs.test/", timeout=60000)] * 3, ["stop=200", "grace=300"], env)
        equal("at a stop", {a.what for a in answers}, {"cancelled"})
        assert took < 3, took
finally:
    shutil.rmtree(dir)
sys.exit(0)

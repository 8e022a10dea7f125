# SPDX-License-Identifier: MIT
"""Events of one key wait behind the first that failed, and say so; once a person
drops that one, or has it sent, the next goes out by itself, in order, also after
a kill -9 in between.  Who is held off is in status, with why and until when."""
import os

from each import LANE, Each
from gate import contains, equal, eventually

HOUR = 3600000

with Each() as s:
    s.plan("a1 fail 9 %d" % HOUR, "b1 fail 9 %d" % HOUR, "a2 fail 9 %d" % HOUR)
    s.post("a1", "a2", "a3", key="a")
    s.post("b1", key="b")
    s.post("c1", key="c")
    s.post("a4", key="a")
    s.settled()
    s.becomes(["c1"], "other keys go on")
    waiting = s.listed("--waiting")
    first = waiting["a1"]["position"]
    equal({i: waiting[i]["waits_behind"] for i in waiting},
          {"a1": None, "a2": first, "a3": first, "a4": first, "b1": None}, "what waits behind what")
    equal([waiting[i]["attempts"] for i in ("a1", "a2", "a4")], [1, 0, 0], "attempts")
    equal([waiting[i]["due"] is None for i in ("a1", "a2")], [False, True], "due")
    contains(s.dead("list", "--waiting")[1], "\n    waits behind %d, 0 attempts\n" % first, "dead list --waiting")

    # One in the middle is not sent before its time, and nobody waits for that.
    code, out, err = s.dead("retry", "--wait", LANE, str(waiting["a3"]["position"]))
    equal((code, out, err), (0, "retried 0\nwaiting behind another: 1\nsettled 0, dead letters again 0\n", ""),
          "retry of one that waits")

    # The head is dropped: the next one is tried, and fails, by the plan.
    equal(s.dead("drop", LANE, str(first)), (0, "dropped 1\n", ""), "drop of the head")
    eventually(lambda: s.listed("--waiting")["a2"]["attempts"] == 1, "the next is tried")
    equal(s.delivered(), ["c1"], "delivered")
    waiting = s.listed("--waiting")
    second = waiting["a2"]["position"]
    equal((waiting["a2"]["waits_behind"], waiting["a3"]["waits_behind"], waiting["a4"]["waits_behind"]),
          (None, second, second), "what waits behind what")

    # Without a daemon: it goes on at the start.
    s.daemon.kill()
    s.plan("b1 fail 9 %d" % HOUR)
    equal(s.dead("drop", LANE, str(second)), (0, "dropped 1\n", ""), "drop without a daemon")
    equal(s.listed("--waiting")["a3"]["waits_behind"], None, "a3 is the head")
    s.daemon.start()
    s.becomes(["c1", "a3", "a4"], "the rest of the chain, in order")

    # The head is sent now: what waits behind it follows.
    s.plan()
    s.post("b2", key="b")
    s.settled()
    equal(s.listed("--waiting")["b2"]["waits_behind"], waiting["b1"]["position"], "b2 waits")
    code, out, _ = s.dead("retry", "--wait", "--waiting", "--all", LANE)
    equal((code, out), (0, "retried 1\nwaiting behind another: 1\nsettled 1, dead letters again 0\n"), "the chain")
    s.becomes(["c1", "a3", "a4", "b1", "b2"], "the chain")

    # A letter that is tried again is in no order any more.
    s.plan("d1 die 2 0", "d2 fail 9 %d" % HOUR)
    s.post("d1", "d2", key="d")
    s.settled()
    eventually(lambda: "d1" in s.listed(), "d1 is a letter")
    eventually(lambda: s.listed("--waiting")["d2"]["attempts"] == 1, "d2 is tried")
    s.plan("d2 fail 9 %d" % HOUR)
    equal(s.dead("retry", "--wait", "--all", LANE)[0], 0, "exit code")
    equal(s.delivered()[-1], "d1", "the letter")
    equal(sorted(s.listed("--waiting")), ["d2"], "what waits")

    # --- held off ---
    s.plan("crm hold %d 429" % HOUR, "- hold 4000 busy")
    s.post("e1")
    eventually(lambda: s.lane()["held_off"], "it is held off")
    held = {one["target"]: one for one in s.lane()["held_off"]}
    equal((held["crm"]["why"], held[None]["why"]), ("429", "busy"), "why")
    out = s.command("status", "-c", s.conf)[1]
    contains(out, "%s: held off until %s (" % (LANE, held["crm"]["until"]), "status")
    contains(out, "): crm: 429\n", "status")
    s.plan()
    s.post("e2")
    s.becomes(["c1", "a3", "a4", "b1", "b2", "d1", "e1", "e2"], "it goes on")

    # --- damaged: named, passed over, dropped, and the chain goes on ---
    s.plan("f1 fail 9 %d" % HOUR)
    s.post("f1", "f2", key="f", mark="find-me-here")
    s.settled()
    at = str(s.listed("--waiting")["f1"]["position"])
    s.daemon.kill()
    path = s.path("state/parked/data.mdb")
    with open(path, "r+b") as f:
        data = f.read()
        there = data.find(b"f1", 0)
        while there >= 0:
            if data[there:there + 400].find(b"find-me-here") > 0:
                f.seek(there)
                f.write(b"g1")
            there = data.find(b"f1", there + 1)
    code, out, err = s.dead("show", LANE, at)
    equal((code, out), (1, ""), "show of a damaged one")
    contains(err, "at position %s is damaged" % at, "what it says")
    s.daemon.start()
    code, out, err = s.dead("retry", LANE, at)
    equal(code, 1, "exit code of its retry")
    equal(s.dead("drop", LANE, at)[:2], (0, "dropped 1\n"), "drop of a damaged one")
    eventually(lambda: s.delivered()[-1] == "f2", "the chain goes on")
    equal(os.path.exists(path), True, "the store is there")

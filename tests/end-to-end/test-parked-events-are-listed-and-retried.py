# SPDX-License-Identifier: MIT
"""What a destination by event is to send again is listed with its answer and
its time, shown as it would be sent, and sent now, or dropped, when a person says
so: beside a daemon, and after a kill -9; its letters likewise, chosen by time and
by reason."""
import json
import time

from each import LANE, Each
from gate import contains, equal, eventually

HOUR = 3600000

with Each() as s:
    s.plan("w1 fail 3 %d" % HOUR, "w2 fail 1 %d 429" % HOUR, "q1 quiet %d" % HOUR,
           "d1 die 1 0 404", "d2 die 1 0", "d3 die 1 0")
    s.post("a", "w1", "w2", "q1", "d1", "d2", "d3", to="http://x")
    s.settled()
    equal(s.delivered(), ["a"], "delivered")

    # --- listed ---
    waiting = s.listed("--waiting")
    equal(sorted(waiting), ["q1", "w1", "w2"], "what waits")
    w1 = waiting["w1"]
    equal((w1["lane"], w1["attempts"], w1["code"], w1["message"], w1["target"], w1["waits_behind"],
           w1["was_letter"]), (LANE, 1, "503", "answered with 503, attempt 1", "http://x", None, False), "w1")
    equal(w1["due"] > w1["at"] >= w1["first_at"], True, "due, at, first_at (%s)" % w1)
    equal(waiting["q1"]["attempts"], 0, "attempts of q1")
    letters = s.listed()
    equal(sorted(letters), ["d1", "d2", "d3"], "letters")
    equal((letters["d1"]["code"], letters["d1"]["attempts"], letters["d1"]["retry"]), ("404", 1, None), "d1")
    for args in (["list", LANE + "x"], ["show", LANE + "x", "1"]):
        code, out, err = s.dead(*args)
        equal((code, out, err), (1, "", 'ingestlayer dead: state_dir knows no lane "%sx"; did you mean "%s"?\n'
                                 % (LANE, LANE)), "dead of a lane that is none")
    code, out, _ = s.dead("list")
    contains(out, "404: answered with 404, attempt 1", "dead list")
    contains(out, "3 events wait to be sent again: ingestlayer dead list --waiting", "dead list")
    code, out, _ = s.dead("list", "--waiting", LANE)
    contains(out, "  test.event  w1\n    503: answered with 503, attempt 1\n    due ", "dead list --waiting")
    contains(out, ", 1 attempt, to http://x\n", "dead list --waiting")

    # --- chosen ---
    equal(sorted(s.listed("--waiting", "--code", "429")), ["w2"], "--code")
    equal(sorted(s.listed("--reason", "with 50")), ["d2", "d3"], "--reason, part of the message")
    equal(sorted(s.listed("--reason", "404")), ["d1"], "--reason, the code")
    equal(sorted(s.listed("--reason", "ANSWERED")), [], "--reason, of other case")
    equal(sorted(s.listed("--event", "d2")), ["d2"], "--event")
    equal(sorted(s.listed("--waiting", "--pipeline", "hooks", "--event", "w1")), ["w1"], "--pipeline, --event")
    equal(sorted(s.listed("--waiting", "--since", "1h")), ["q1", "w1", "w2"], "--since 1h")
    time.sleep(1.1)
    equal(sorted(s.listed("--waiting", "--since", "1s")), [], "--since 1s")
    equal(sorted(s.listed("--since", letters["d1"]["at"])), ["d1", "d2", "d3"], "--since, the time itself")
    equal(sorted(s.listed("--since", "2999-01-01T00:00:00Z")), [], "--since, a time to come")
    code, _, err = s.dead("list", "--since", "yesterday")
    equal(code, 2, "exit code of a wrong --since")
    contains(err, "2026-11-29T07:00:00Z", "what it says")

    # --- shown ---
    at = str(w1["position"])
    code, out, err = s.dead("show", LANE, at, str(letters["d1"]["position"]))
    equal((code, err), (0, ""), "dead show")
    contains(out, "put aside first 20", "dead show")
    contains(out, '"payload":{"n":1,"to":"http://x"}', "dead show")
    contains(out, "given up after 1 attempt\n    failed first 20", "dead show")
    code, out, err = s.dead("show", "--render", LANE, at)
    contains(out, '    would be sent as\nEACH w1\n{"n":1,"to":"http://x"}\n', "dead show --render (%s)" % err)
    code, out, err = s.dead("show", "--json", "--render", LANE, str(letters["d1"]["position"]))
    one = json.loads(out)
    equal((code, one["event"]["id"], one["entities"], one["render"], one["render_error"]),
          (0, "d1", {}, 'EACH d1\n{"n":1,"to":"http://x"}', None), "dead show --json --render")
    code, _, err = s.dead("show", LANE, "9999")
    equal(code, 1, "exit code of one that there is not")
    contains(err, "has no dead letter 9999, and nothing waits there", "what it says")

    # --- now: it fails again; then it does not ---
    code, out, err = s.dead("retry", "--wait", LANE, at)
    equal((code, out), (1, "retried 1\nsettled 0, dead letters again 0, waiting again 1\n"), "in vain (%s)" % err)
    equal(s.listed("--waiting")["w1"]["attempts"], 2, "its attempts")
    s.plan("d2 die 1 0")
    code, out, err = s.dead("retry", "--wait", "--waiting", "--all", "--reason", "attempt 2")
    equal((code, out), (0, "retried 1\nsettled 1, dead letters again 0\n"), "one (%s)" % err)
    s.becomes(["a", "w1"], "delivered")

    # A letter, by the reason, and by its position; one fails again.
    code, out, err = s.dead("retry", "--wait", "--all", "--reason", "answered with 503")
    equal((code, out), (1, "retried 2\nsettled 1, dead letters again 1\n"), "letters (%s)" % err)
    s.becomes(["a", "w1", "d3"], "delivered")
    equal(s.listed()["d2"]["attempts"], 1, "attempts of d2, begun anew")
    code, out, _ = s.dead("retry", "--wait", LANE, str(letters["d1"]["position"]))
    equal((code, out), (0, "retried 1\nsettled 1, dead letters again 0\n"), "d1")

    # One that was a letter and waits says so.
    s.plan("d2 fail 5 %d" % HOUR)
    equal(s.dead("retry", "--wait", LANE, str(letters["d2"]["position"]))[0], 1, "exit code")
    equal(s.listed("--waiting")["d2"]["was_letter"], True, "was_letter")
    contains(s.dead("list", "--waiting")[1], "1 attempt, was a dead letter, to http://x", "dead list --waiting")

    # --- status ---
    lane = s.lane()
    equal((lane["parked"], lane["dead_letters"]), (3, 0), "parked and letters")
    contains(s.command("status", "-c", s.conf)[1], "3 events wait to be sent again", "status")

    # --- kill -9: all is as it was ---
    s.daemon.kill()
    equal(sorted(s.listed("--waiting")), ["d2", "q1", "w2"], "what waits, without a daemon")
    code, out, err = s.dead("retry", "--waiting", "--all")
    equal(code, 1, "exit code of retry without a daemon")
    contains(err, "start it", "what it says")
    code, out, err = s.dead("drop", LANE, str(waiting["q1"]["position"]))
    equal((code, out, err), (0, "dropped 1\n", ""), "drop without a daemon")
    s.daemon.start()
    equal(sorted(s.listed("--waiting")), ["d2", "w2"], "what waits after the start")
    code, out, _ = s.dead("retry", "--wait", "--waiting", "--all", "--code", "429", LANE)
    equal((code, out), (0, "retried 1\nsettled 1, dead letters again 0\n"), "w2")

    # --- dropped ---
    s.plan("x1 die 1 0", "x2 die 1 0", "y1 fail 9 %d" % HOUR)
    s.post("x1", "x2", "y1")
    s.settled()
    code, out, _ = s.dead("drop", "--all", LANE)
    equal((code, out), (0, "dropped 2\n"), "letters are dropped")
    equal(sorted(s.listed("--waiting")), ["d2", "y1"], "what waits still does")
    code, out, _ = s.dead("drop", "--waiting", "--all", "--event", "y1", LANE)
    equal((code, out), (0, "dropped 1\n"), "one that waits is dropped")
    code, out, _ = s.dead("drop", "--waiting", "--all", LANE)
    equal((code, out), (0, "dropped 1\n"), "the rest is dropped")
    equal(s.dead("list", "--waiting")[1], "nothing waits to be sent again\n", "dead list --waiting")
    eventually(lambda: s.lane()["parked"] == 0, "status knows")
    equal(s.dead("drop", LANE, at)[0], 1, "exit code of dropping what is gone")
    equal(s.delivered(), ["a", "w1", "d3", "d1", "w2"], "delivered in all")

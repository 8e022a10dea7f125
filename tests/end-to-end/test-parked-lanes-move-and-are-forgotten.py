# SPDX-License-Identifier: MIT
"""A lane that delivers event by event takes what it has parked, and its letters,
along to another name, whatever kills come between; left out of the config it
keeps them, and check, the start, status and lane list count them; lane forget
lets them go."""
import json

from each import CONF, DESTINATION, LANE, Each, lanes
from gate import contains, equal, eventually

HOUR = 3600000
MOVED = lanes(("other", "", DESTINATION + ' was = "%s";' % LANE))
BESIDE = lanes(("stays", 'status = "paused";', 'plugin = "destination.null"; name = "x"; begin = "now";'))
OTHER = "other/each"

with Each() as s:
    s.plan("w1 fail 1 %d" % HOUR, "w2 fail 1 %d" % HOUR, "d1 die 1 0")
    s.post("a", "w1", "w2", key="k")
    s.post("d1")
    s.settled()
    equal((s.lane()["parked"], s.lane()["dead_letters"]), (2, 1), "parked and letters")
    before = s.listed("--waiting")

    # --- another name ---
    s.daemon.kill()
    s.configure(MOVED)
    for _ in range(2):  # perhaps in the move
        s.daemon.start()
        s.daemon.kill()
    s.daemon.start()
    s.settled(OTHER)
    after = s.listed("--waiting")
    equal([after[i]["position"] for i in ("w1", "w2")], [before[i]["position"] for i in ("w1", "w2")], "positions")
    equal({one["lane"] for one in list(after.values()) + list(s.listed().values())}, {OTHER}, "the name")
    code, out, err = s.dead("show", "--render", OTHER, str(after["w1"]["position"]))
    contains(out, "EACH w1\n", "render under the new name (%s)" % err)
    equal(s.dead("retry", LANE, str(after["w1"]["position"]))[0], 1, "exit code under the old name")
    code, out, err = s.dead("retry", "--wait", OTHER, str(after["w1"]["position"]))
    equal((code, out), (0, "retried 1\nsettled 1, dead letters again 0\n"), "w1 (%s)" % err)
    equal(s.delivered()[:2], ["a", "w1"], "delivered")
    s.plan("w2 fail 9 %d" % HOUR, "w3 fail 9 %d" % HOUR)
    s.post("w3")
    s.settled(OTHER)
    eventually(lambda: s.lane(OTHER)["parked"] in (1, 2), "w3 waits")
    parked = s.lane(OTHER)["parked"]

    # --- not in the config ---
    equal(s.daemon.stop(), 0, "exit code: it does not wait for what is parked")
    s.configure(BESIDE)
    code, out, err = s.command("check", "-c", s.conf)
    equal(code, 0, "exit code of check (%s)" % err)
    says = "1 dead letters are kept for it, and %d that wait to be sent again" % parked
    contains(out, "lane %s is not in this config any more: at least 0 events and %s" % (OTHER, says), "check")
    s.daemon.start()
    left = {one["name"]: one for one in s.status()["left"]}
    equal((left[OTHER]["dead_letters"], left[OTHER]["parked"]), (1, parked), "left in status")
    contains(s.log(), "1 dead letters and %d events that wait to be sent again" % parked, "the log")
    contains(s.command("status", "-c", s.conf)[1], "to be sent again and 1 dead letter are kept for it", "status")
    contains(s.command("lane", "list", "-c", s.conf)[1], "parked", "lane list")
    code, out, err = s.dead("show", "--render", OTHER, str(s.listed("--waiting")["w3"]["position"]))
    equal(code, 1, "exit code of render")
    contains(out, "cannot be rendered: the lane is not in this config", "render")
    code, out, err = s.dead("retry", "--all", OTHER)
    contains(err, "has no active or paused pipeline with the lane", "retry")
    equal(s.dead("list")[1].count(OTHER), 1, "its letter is listed")

    # --- the same name, but a destination that takes no single events ---
    equal(s.daemon.stop(), 0, "exit code")
    s.configure(lanes(("other", "", 'plugin = "destination.null"; name = "each";')))
    s.daemon.start()
    at = str(s.listed("--waiting")["w3"]["position"])
    code, out, err = s.dead("retry", OTHER, at)
    equal((code, out), (1, "retried 0\n"), "retry")
    contains(err, "takes no events one by one any more", "what it says")
    code, out, err = s.dead("show", "--json", "--render", OTHER, at)
    equal((code, json.loads(out)["render"]), (1, None), "render")
    contains(json.loads(out)["render_error"], "destination.null does not show what it would send", "why")
    equal(s.dead("drop", OTHER, at)[:2], (0, "dropped 1\n"), "it can be dropped")

    # A letter of such a destination is kept as it was accepted, in the other
    # store; the lane takes it again by the spool, whatever it delivers to then.
    equal(s.daemon.stop(), 0, "exit code")
    s.configure(lanes(("other", "", 'plugin = "destination.null"; name = "each"; refuse_while = "%(base)s/conf";'
                       .replace("conf", "ingestlayer.conf"))))
    s.daemon.start()
    s.post("n1", "n2")
    s.settled(OTHER)
    equal(sorted(s.listed()), ["d1", "n1", "n2"], "letters of both stores")
    equal(s.daemon.stop(), 0, "exit code")
    s.plan("w2 fail 9 %d" % HOUR, "n2 fail 9 %d" % HOUR)
    s.configure(lanes(("other", "", DESTINATION)))
    s.daemon.start()
    n1, n2 = (str(s.listed()[i]["position"]) for i in ("n1", "n2"))
    contains(s.dead("show", "--render", OTHER, n1)[1], "would be sent as\nEACH n1\n", "render of an older letter")
    code, out, err = s.dead("retry", "--wait", OTHER, n1, n2, str(s.listed()["d1"]["position"]))
    equal((code, out), (1, "retried 3\nsettled 2, dead letters again 0, waiting again 1\n"), "both stores (%s)" % err)
    equal(sorted(s.delivered()[-2:]), ["d1", "n1"], "delivered")
    equal((s.listed(), "n2" in s.listed("--waiting")), ({}, True), "letters, and what waits")
    s.plan("x1 die 1 0")
    s.post("x1")
    s.settled(OTHER)
    parked = s.lane(OTHER)["parked"] + 1

    # --- forgotten ---
    equal(s.daemon.stop(), 0, "exit code")
    s.configure(BESIDE)
    code, out, err = s.command("lane", "forget", "-c", s.conf, OTHER)
    equal(code, 0, "exit code of forget (%s)" % err)
    contains(out, "1 dead letters and %d events that waited to be sent again" % (parked - 1), "forget")
    equal((s.dead("list")[1], s.dead("list", "--waiting")[1]),
          ("no dead letters\n", "nothing waits to be sent again\n"), "what there is")
    equal(OTHER in s.command("check", "-c", s.conf)[1], False, "check names it")

    # Its name begins anew.
    s.configure(CONF.replace('name = "each";', 'name = "each"; begin = "now";'))
    s.daemon.start()
    s.plan("z1 fail 9 %d" % HOUR)
    s.post("z1")
    s.settled()
    equal(list(s.listed("--waiting")), ["z1"], "what waits")

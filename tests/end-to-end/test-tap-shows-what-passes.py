# SPDX-License-Identifier: MIT
"""`ingestlayer tap` shows events as they pass the gate, a step and the way to a
destination, or those that a step ends; without what a step further on takes out
of them; and what is wrong with the question is said."""
import os
import signal
import time

from each import DESTINATION, HEAD, HTTP, Each
from gate import contains, equal, eventually
from tapped import Tap, jobs

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
CONF = HEAD + HTTP + """
plugin_dir = ( "BUILD/tests" );
pipelines = (
  { name = "hooks"; sources = ( { source = "app"; } );
    steps = (
      { plugin = "filter.match"; name = "odd"; where = "n != 2"; },
      { plugin = "redact.pii"; fields = ( "mail" ); },
      { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "dead-letter"; } );
    destinations = ( { DESTINATION when = "n != 3"; } ); },
  { name = "plain"; sources = ( { source = "app"; match = "test.event"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); },
  { name = "draft"; status = "draft"; sources = ( { source = "app"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD).replace("DESTINATION", DESTINATION)
MAIL = "ada@acme.com"
ADA = '{"kind":"user","external_id":"ada","traits":{"plan":"pro"}}'

with Each(CONF) as s:
    def ask(*args, code):
        r = s.daemon.command("tap", "-c", s.conf, *args, timeout=60)
        equal(r.returncode, code, "exit code of tap %s (%s)" % (" ".join(args), r.stderr.decode()))
        return r.stderr.decode()

    equal(s.curl("-H", "Authorization: Bearer " + s.daemon.env["KEY"], "-H", "Content-Type: application/json", "-d",
                 ADA, "http://127.0.0.1:%d/v1/entities" % s.daemon.gate)[2], 201, "the entity")
    s.plan("bad fail 2 1")

    # --- as the gate accepts them ---
    s.post("before", n=1, user="ada")
    with Tap(s) as t, Tap(s, "--raw") as raw, Tap(s, "--where", "n == 2", "--events", "1") as one:
        s.post("a", n=1, user="ada", mail=MAIL)
        a = t.next()
        equal((a["at"], a["position"], a["event"]["id"], a["event"]["source_id"]), ("gate", 2, "a", "app"), "at the gate")
        equal((a["event"]["payload"], a["hidden"]), (None, True), "what a pipeline would take something out of")
        a = raw.next()
        equal((a["event"]["payload"]["mail"], "hidden" in a), (MAIL, False), "--raw")
        s.post("b", n=2, user="ada")
        equal(one.next()["event"]["id"], "b", "--where")
        equal(one.ends(), (0, ""), "--events")
        eventually(lambda: len(jobs(s)) == 2, "one has ended")
    eventually(lambda: not jobs(s), "nobody looks any more")

    # --- in a lane ---
    with Tap(s, "hooks/each") as t, Tap(s, "--after", "odd", "hooks/each") as odd, \
            Tap(s, "--after", "odd", "--raw", "hooks/each") as raw, Tap(s, "--dropped", "hooks/each") as dropped, \
            Tap(s, "--dropped", "--after", "3", "hooks/each") as third, \
            Tap(s, "--where", "$entity.user.plan == pro and n == 7", "hooks/each") as pro, \
            Tap(s, "plain/d") as plain:
        s.post("c", n=1, user="ada", mail=MAIL)
        c = t.next()
        equal((c["at"], c["lane"], c["attempt"], c["entities"]), ("destination", "hooks/each", 1,
                                                                 {"user": {"plan": "pro"}}), "to its destination")
        hidden = c["event"]["payload"]["mail"]
        equal(MAIL in hidden, False, "what was taken out")
        c = odd.next()
        equal((c["at"], c["step"], c["event"]["payload"]["mail"], "entities" in c), ("after", "odd", hidden, False),
              "after a step, before that which takes it out")
        equal(raw.next()["event"]["payload"]["mail"], MAIL, "--raw")
        equal(plain.next()["event"]["payload"]["mail"], MAIL, "of a lane that takes nothing out")
        for n, user in ((2, "ada"), (3, "ada"), (4, "nobody")):
            s.post("n%d" % n, n=n, user=user, mail=MAIL)
        # a batch goes through one step after the other, and so they come
        got = sorted((dropped.next() for _ in range(3)), key=lambda d: d["position"])
        equal([(d["event"]["id"], d["step"], d["plugin"], d["became"], d["code"]) for d in got],
              [("n2", "odd", "filter.match", "dropped", None), ("n3", "when", None, "elsewhere", None),
               ("n4", "3", "enrich.entity", "letter", "unknown_entity")], "--dropped")
        equal([d["event"]["payload"]["mail"] == hidden for d in got], [True] * 3, "what is shown of them")
        equal(third.ids(1), ["n4"], "--dropped --after")
        equal(odd.ids(2), ["n3", "n4"], "after the step")
        s.post("bad", n=7, user="ada")
        equal([(t.next()["attempt"]) for _ in range(1)], [1], "a first attempt")
        equal(pro.ids(1), ["bad"], "--where, of what steps have added")
        time.sleep(6)  # longer than a client may be silent
        for tap in (third, plain):
            equal(tap.proc.poll(), None, "one that sees nothing for long")
        equal(plain.ids(4), ["n2", "n3", "n4", "bad"], "all of them")
        plain.nothing()
        third.nothing()
    eventually(lambda: not jobs(s), "nobody looks any more")

    # --- the lane is another one after a reload ---
    with Tap(s, "hooks/each") as t, Tap(s, "--dropped", "--after", "odd", "hooks/each") as odd:
        s.post("r1", n=1, user="ada")
        equal(t.ids(1), ["r1"], "before the reload")
        s.configure(CONF.replace("n != 2", "n != 20"))
        r = s.daemon.command("reload", "-c", s.conf, timeout=60)
        equal(r.returncode, 0, "reload (%s)" % r.stderr.decode())
        time.sleep(0.5)
        s.post("r2", n=2, user="ada")
        s.post("r20", n=20, user="ada")
        equal((t.ids(1), odd.ids(1)), (["r2"], ["r20"]), "after the reload")
        s.configure(CONF)
        equal(s.daemon.command("reload", "-c", s.conf, timeout=60).returncode, 0, "reload")

    eventually(lambda: not jobs(s), "nobody looks any more")

    # --- nobody reads ---
    with Tap(s, "--rate", "100000", "plain/d") as t:
        t.proc.send_signal(signal.SIGSTOP)
        for k in range(60):
            s.post(*["f%d-%d" % (k, i) for i in range(100)], n=1, filler="x" * 1000)
        s.settled("plain/d")
        equal(len(jobs(s)), 1, "it is still there")
        t.proc.send_signal(signal.SIGCONT)
        t.next()
        time.sleep(2)  # until it has read what there was
        s.post("end", n=1, user="ada")
        while t.next()["event"]["id"] != "end":
            pass
    contains(t.errors, "that passed were not looked at", "what was skipped")

    # --- what is wrong ---
    contains(ask("no/such", code=1), "it has hooks/each, plain/d", "an unknown lane")
    contains(ask("draft/d", code=1), 'no lane "draft/d" in the running config', "a lane that does not run")
    contains(ask("--after", "4", "hooks/each", code=1), "it has odd, 2, 3", "an unknown step")
    contains(ask("--where", "n =", code=2), "position 3", "a bad expression")
    for args in (("--after", "odd"), ("--dropped",), ("--rate", "0"), ("--rate", "x"), ("--events", "0"), ("a", "b"),
                 ("--nonsense",)):
        ask(*args, code=2)

    def refused(what, word):
        _, body, status = s.curl("--unix-socket", s.path("state/control"), "http://x/v1/tap" + what)
        equal(status >= 400, True, what)
        contains(body, '"code":"%s"' % word, what)
    refused("?rate=nan", "bad_request")
    refused("?where=%3D", "bad_expression")
    refused("?dropped=1", "bad_request")
    refused("?lane=" + "x" * 500, "unknown_lane")
    equal(s.curl("http://127.0.0.1:%d/v1/tap" % s.daemon.admin)[2], 404, "at the admin listener")
    with Tap(s) as t:
        s.daemon.stop()
        code, errors = t.ends()
        equal(code, 1, "exit code as the daemon stops")
    contains(ask(code=1), "no daemon", "without a daemon")

# SPDX-License-Identifier: MIT
"""`ingestlayer why` tells for every way an event can end where it is in each lane,
and by which step, condition and line of the config: with the daemon, without it,
and after that config has changed."""
import json
import os
import urllib.error
import urllib.request

from asked import Why, line_of
from each import DESTINATION, HEAD, HTTP, Each
from gate import KEY, contains, equal, eventually

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
CONF = HEAD + HTTP + """
plugin_dir = ( "BUILD/tests" );
events = (
  { type = "use";
    fields = ( { name = "plan"; type = "string"; required = true; }, { name = "key"; type = "string"; },
               { name = "user"; type = "string"; }, { name = "seats"; type = "number"; },
               { name = "hush"; type = "number"; } ); },
  { type = "view"; fields = ( { name = "plan"; type = "string"; } ); } );
pipelines = (
  { name = "hooks";
    sources = ( { source = "app"; match = "use"; } );
    steps = (
      { plugin = "filter.match"; name = "paying";
        where = "plan == pro or (plan == team and seats > 3)"; },
      { plugin = "dedupe"; name = "once"; key = "$event.payload.key"; },
      { plugin = "enrich.entity"; name = "who"; kind = "user"; key = "$event.payload.user"; unknown = "dead-letter"; } );
    destinations = ( { DESTINATION } ); },
  { name = "chat";
    sources = ( { source = "app"; } );
    destinations = (
      { name = "loud"; plugin = "destination.null"; when = "plan != free";
        steps = ( { plugin = "filter.match"; name = "late"; where = "not exists(hush)"; } ); } ); },
  { name = "asleep"; status = "paused";
    sources = ( { source = "app"; match = "use"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD).replace("DESTINATION", DESTINATION)


def post(s, *events, want=202, path="/v1/ingest"):
    req = urllib.request.Request("http://127.0.0.1:%d%s" % (s.daemon.gate, path), json.dumps(list(events)).encode(),
                                 {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
    try:
        with urllib.request.urlopen(req, timeout=60) as r:
            status, answer = r.status, json.loads(r.read())
    except urllib.error.HTTPError as e:
        status, answer = e.code, json.loads(e.read())
    equal(status, want, "status (%s)" % answer)


def traits(s, **t):
    post(s, {"kind": "user", "external_id": "ada", "traits": t}, path="/v1/entities", want=200)


def use(ident, key=None, **payload):
    e = {"id": ident, "type": "use", "payload": dict({"plan": "pro", "user": "ada", "key": ident}, **payload)}
    if key:
        del e["id"]
        e["idempotencyKey"] = key
    return e


# What is sent, and what has to become of it in hooks/each and chat/loud.
ORACLE = {
    "sent": ("passed", "passed"),
    "free": ("dropped paying", "elsewhere"),
    "small": ("dropped paying", "passed"),
    "twice": ("dropped once", "passed"),
    "nobody": ("letter who", "passed"),
    "parked": ("parked", "passed"),
    "dead": ("letter", "passed"),
    "hush": ("passed", "dropped late"),
    "other": ("no_match", "passed"),
}
EVENTS = [use("sent"), use("free", plan="free"), use("small", plan="team", seats=3), use("twice"),
          use("nobody", user="none"), use("parked"), use("dead"), use("hush", hush=1),
          {"id": "other", "type": "view", "payload": {}}]
EVENTS[3]["payload"]["key"] = "sent"


def check(why, what):
    for ident, (hooks, chat) in ORACLE.items():
        got = why.fates(ident)
        # the letter of a step is recorded with its reason, and not with its name
        equal((got["hooks/each"], got["chat/loud"]), (hooks.replace("letter who", "letter"), chat),
              "%s, %s" % (ident, what))
        equal(got["asleep/d"], "no_match" if ident == "other" else "not_yet", "%s, %s" % (ident, what))


with Each(CONF, start=False) as s:
    why = Why(s)
    contains(why.run("sent", code=1)[1], "No such file", "before the first start")
    s.plan("parked fail 3 3600000 429", "dead die 1 0 404")
    s.daemon.start()
    traits(s, plan="pro")
    post(s, *EVENTS)
    s.settled("hooks/each")
    s.settled("chat/loud")
    check(why, "beside the daemon")

    # --- which condition, and where it stands ---
    small = why.lanes("small")["hooks/each"]
    equal((small["place"], small["plugin"], small["known"]),
          (line_of(s.conf, "where = \"plan == pro"), "filter.match", "recomputed"), "what decided")
    asked = small["conditions"][-1]
    equal([(c["text"], c["holds"], c["decides"], [v["value"] for v in c["saw"]]) for c in asked["conditions"]],
          [("plan == pro", False, True, ["team"]), ("plan == team", True, False, ["team"]),
           ("seats > 3", False, True, [3])], "conditions")
    text = why.run("small")[0]
    contains(text, "seats > 3: does not hold, as seats = 3", "for people")
    contains(text, "dropped by step paying (filter.match)", "for people")
    free = why.lanes("free")["chat/loud"]
    equal((free["place"], free["conditions"][-1]["option"]), (line_of(s.conf, "when ="), "when"), "when")
    twice = why.lanes("twice")["hooks/each"]
    equal((twice["plugin"], twice["known"]), ("dedupe", "recomputed"), "what remembers")
    contains(" ".join(l["text"] for l in twice["lines"]), "of position 1", "which one it is a duplicate of")

    # --- what is recorded ---
    parked = why.lanes("parked")["hooks/each"]
    equal((parked["known"], parked["kept"]["code"], parked["kept"]["attempts"]), ("recorded", "429", 1), "parked")
    dead = why.lanes("dead")["hooks/each"]
    equal((dead["known"], dead["kept"]["code"]), ("recorded", "404"), "a letter")
    equal(why.lanes("nobody")["hooks/each"]["kept"]["code"], "unknown_entity", "a step's letter")
    equal(why.lanes("sent")["asleep/d"]["events_before"], 0, "before the first one")
    equal(why.lanes("free")["asleep/d"]["events_before"], 1, "before the second one")
    contains(why.run("--lane", "asleep/d", "free")[0], "the lane is paused", "not yet")

    # --- by its key, a duplicate, a refusal ---
    post(s, use(None, key="order-7"), use(None, key="order-7"))
    s.settled("hooks/each")
    found = why.events("order-7")
    equal([one["key"] for one in found], ["order-7"], "by its key")
    equal(why.fates(found[0]["event"]["id"])["hooks/each"], "passed", "by the id that the gate made")
    bad = {"id": "bad", "type": "use", "payload": {"plan": 7}}
    post(s, bad, want=422)
    eventually(lambda: s.daemon.command("why", "-c", s.conf, "bad").returncode == 0, "the refusal is kept")
    refused = why.events("bad")[0]
    equal((refused["refused_by"], refused["fate"]), ("gate/app", "refused"), "a refusal")
    contains(why.run("bad")[0], "no lane has seen it", "a refusal")

    # --- those of an expression ---
    got = why.events("--where", "plan == free or seats == 3", "--lane", "chat/loud")
    equal([(one["event"]["id"], one["lanes"][0]["fate"]) for one in got], [("free", "elsewhere"), ("small", "passed")],
          "--where")
    out, err = why.run("--where", "plan == pro", "--most", "2", "--json")
    equal(len(out.splitlines()), 2, "--most")
    contains(err, "there are more", "--most")
    contains(why.run("--where", "plan == none", code=1)[1], "no event since then", "--where, none")

    # --- a letter that is tried again ---
    s.plan("parked fail 3 3600000 429")
    equal(s.dead("retry", "--wait", "--event", "dead", "--all")[0], 0, "dead retry")
    equal(why.fates("dead")["hooks/each"], "passed", "after the retry")
    equal(s.dead("drop", "--all", "--event", "nobody", "hooks/each")[0], 0, "dead drop")
    gone = why.lanes("nobody")["hooks/each"]
    equal((gone["fate"], gone["step"]), ("gone", "who"), "a letter that was dropped")

    # --- the rule changes ---
    before = line_of(s.conf, "where = \"plan == pro")
    s.daemon.stop()
    s.configure("# a line more\n\n" + CONF.replace("plan == pro or (plan == team and seats > 3)", "plan == free"))
    ORACLE["dead"] = ("passed", "passed")
    ORACLE["nobody"] = ("gone who", "passed")
    check(why, "without the daemon, the rule changed")
    s.daemon.start()
    post(s, use("later"), use("later-free", plan="free"))
    s.settled("hooks/each")
    check(why, "the rule changed")
    equal(why.lanes("small")["hooks/each"]["place"], before, "where the old rule stood")
    equal(why.fates("later")["hooks/each"], "dropped paying", "by the new rule")
    equal(why.fates("later-free")["hooks/each"], "passed", "by the new rule")
    equal(why.lanes("later")["hooks/each"]["place"], line_of(s.conf, "where = \"plan == free"), "the new rule")

    # --- and again, by a reload ---
    s.configure(CONF.replace("plan == pro or (plan == team and seats > 3)", "plan == team"))
    equal(s.daemon.command("reload", "-c", s.conf, timeout=60).returncode, 0, "reload")
    post(s, use("latest"), use("latest-team", plan="team"))
    s.settled("hooks/each")
    check(why, "the rule changed again")
    equal([why.fates(i)["hooks/each"] for i in ("later", "later-free", "latest", "latest-team")],
          ["dropped paying", "passed", "dropped paying", "passed"], "each by the rule of its time")

    # --- the entity has changed since ---
    traits(s, plan="free")
    sent = why.lanes("sent")["hooks/each"]
    equal(sent["known"], "cannot be known", "after the entity has changed")
    contains(" ".join(l["text"] for l in sent["lines"]), "has changed since", "what it says")
    equal(why.lanes("small")["hooks/each"]["known"], "recomputed", "one that was dropped before that is asked")

    # --- what is wrong ---
    contains(why.run("nothing-at-all", code=1)[1], "nothing is known of", "an id that nobody knows")
    contains(why.run("--lane", "no/such", "sent", code=1)[1], 'there is no lane "no/such"', "no such lane")
    for args in ([], ["a", "b"], ["a", "--where", "x == 1"], ["--where", "x ="], ["--since", "soon", "--where", "x == 1"],
                 ["--most", "0", "--where", "x == 1"], ["--most", "3", "a"], [""], ["x" * 256], ["--nonsense", "a"]):
        why.run(*args, code=2)

    # --- the config is broken, or not there ---
    state = s.path("state")
    r = s.daemon.command("why", "--state-dir", state, "--json", "small")
    equal(json.loads(r.stdout)["lanes"] != [], True, "without a config")
    s.configure(CONF.replace("plan == pro or", "plan = pro or"))
    equal(why.fates("small")["hooks/each"], "dropped paying", "with a config that is broken")

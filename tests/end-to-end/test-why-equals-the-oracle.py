# SPDX-License-Identifier: MIT
"""Of a run of events with every fate, twice across a change of the rule,
`ingestlayer why` tells of each what became of it, and each is where it says."""
import json
import os
import random
import time
import urllib.error
import urllib.request

from asked import Why
from each import DESTINATION, HEAD, HTTP, Each
from gate import KEY, equal
from servers import PATIENCE

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
CONF = HEAD + HTTP + """
plugin_dir = ( "BUILD/tests" );
events = ( { type = "use"; fields = ( { name = "n"; type = "integer"; required = true; },
                                      { name = "word"; type = "string"; }, { name = "user"; type = "string"; } ); },
           { type = "view"; fields = ( { name = "n"; type = "integer"; } ); } );
pipelines = (
  { name = "hooks"; sources = ( { source = "app"; match = "use"; } );
    steps = ( { plugin = "filter.match"; name = "rule"; where = "RULE"; },
              { plugin = "dedupe"; name = "once"; key = "$event.payload.word"; },
              { plugin = "enrich.entity"; name = "who"; kind = "user"; key = "$event.payload.user";
                unknown = "dead-letter"; } );
    destinations = ( { DESTINATION when = "n != 5"; } ); },
  { name = "asleep"; status = "paused"; sources = ( { source = "app"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD).replace("DESTINATION", DESTINATION)
RULES = [("n < 6", lambda n: n < 6), ("n > 2", lambda n: n > 2), ("n in {1, 5, 7}", lambda n: n in (1, 5, 7))]


def post(s, events, path="/v1/ingest"):
    """The ids of those that were accepted."""
    req = urllib.request.Request("http://127.0.0.1:%d%s" % (s.daemon.gate, path), json.dumps(events).encode(),
                                 {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
    try:
        with urllib.request.urlopen(req, timeout=60) as r:
            return json.loads(r.read())
    except urllib.error.HTTPError as e:
        return json.loads(e.read())


def one(rng, ident):
    kind = rng.random()
    if kind < 0.1:
        return {"id": ident, "type": "view", "payload": {"n": 1}}
    return {"id": ident, "type": "use", "payload": {"n": rng.randrange(8), "word": "k%d" % rng.randrange(150),
                                                    "user": "none" if kind < 0.2 else "ada"}}


def fate(event, rule, seen, parked, dead):
    """As the config says."""
    p = event["payload"]
    if event["type"] != "use":
        return "no_match"
    if not rule(p["n"]):
        return "dropped rule"
    if p["word"] in seen:
        return "dropped once"
    seen.add(p["word"])
    if p["user"] == "none":
        return "letter"
    if p["n"] == 5:
        return "elsewhere"
    return "parked" if event["id"] in parked else "letter" if event["id"] in dead else "passed"


rng = random.Random(SEED)
print("SEED=%d" % SEED)
with Each(CONF.replace("RULE", RULES[0][0]), start=False) as s:
    why, oracle, total = Why(s), {}, 0
    ids = ["e%d" % i for i in range(900)]
    parked, dead = set(rng.sample(ids, 30)), None
    dead = set(rng.sample([i for i in ids if i not in parked], 30))
    s.plan(*["%s fail 9 3600000" % i for i in parked], *["%s die 1 0 410" % i for i in dead])
    s.daemon.start()
    post(s, {"kind": "user", "external_id": "ada", "traits": {"plan": "pro"}}, "/v1/entities")
    for turn, (text, rule) in enumerate(RULES):
        if turn:
            s.configure(CONF.replace("RULE", text))
            if turn == 1:
                s.daemon.stop()
                s.daemon.start()
            else:
                equal(s.daemon.command("reload", "-c", s.conf, timeout=60).returncode, 0, "reload")
        seen = set()  # behind another rule a step remembers anew, of all that the spool has
        for e in oracle.values():
            if e[0]["type"] == "use" and rule(e[0]["payload"]["n"]):
                seen.add(e[0]["payload"]["word"])
        for k in range(0, 300, 50):
            events = [one(rng, i) for i in ids[turn * 300 + k:turn * 300 + k + 50]]
            for e in events[:30] if k == 100 else []:  # many in a row that are dropped
                e["payload"]["n"] = 7 if not turn else 0
            post(s, events + events[:3] + [{"id": "bad%d-%d" % (turn, k), "type": "use", "payload": {"n": "x"}}])
            for e in events:
                oracle[e["id"]] = (e, fate(e, rule, seen, parked, dead))
        s.settled("hooks/each")

    def check(what):
        got = {}
        for answer in why.events("--where", "n >= 0", "--most", "5000"):
            lanes = {lane["lane"]: lane for lane in answer["lanes"]}
            here = lanes["hooks/each"]
            got[answer["event"]["id"]] = here["fate"] + (" " + here["step"] if here["fate"] == "dropped" else "")
            equal(lanes["asleep/d"]["fate"], "not_yet", answer["event"]["id"])
        wrong = {i: (got.get(i), want) for i, (_, want) in oracle.items() if got.get(i) != want}
        equal((len(got), wrong), (len(oracle), {}), what)

    want = {i for i, (_, want) in oracle.items() if want == "passed"}
    equal((sorted(want - set(s.delivered())), sorted(set(s.delivered()) - want)), ([], []), "what was delivered or not")
    check("beside the daemon")
    time.sleep(2 * PATIENCE)  # where the lane is it writes down once a second at most
    s.daemon.kill()
    check("without it")
    print({f: sum(want == f for _, want in oracle.values()) for f in sorted({w for _, w in oracle.values()})})
    for turn in range(3):
        equal(why.events("bad%d-0" % turn)[0]["fate"], "refused", "a refusal")

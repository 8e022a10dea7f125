# SPDX-License-Identifier: MIT
"""`ingestlayer dead retry` after the config has changed: what stopped at the
destination passes a filter that would drop it now, and is not asked `when`; what
stopped at a step goes on there, or is told that there is no such step; what a
step drops keeps its letter, and the command says so; --anew decides anew."""
import json

from system import HEAD, System, contains, equal, event

LANE = "all/warehouse.pg"
CONF = HEAD.replace("keys = ( \"env:KEY\" )", "keys = ( { key = \"env:KEY\"; entities = \"all\"; } )") + """
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    steps = ( {{STEPS}} );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; {{WHEN}}
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; },
                                   { name = "plan"; value = "$entity.user.plan"; } ); } ); }
);
"""
TABLE = """create schema t;
create table t.rows (event_id text, n bigint constraint small check (n < 100), plan text)"""
KEEP = '{ name = "keep"; plugin = "filter.match"; where = "%s"; }'
LOOK = '{ name = "%s"; plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "dead-letter"; }'


def conf(*steps, when=""):
    return CONF.replace("{{STEPS}}", ", ".join(steps)).replace("{{WHEN}}", 'when = "%s";' % when if when else "")


def configure(s, *steps, when=""):
    s.daemon.stop()
    with open(s.conf, "w") as f:
        f.write(conf(*steps, when=when) % {"base": s.base})
    s.daemon.start()


def retry(s, *args, code=0):
    r = s.daemon.command("dead", "retry", "-c", s.conf, "--wait", *args)
    equal(r.returncode, code, "dead retry %s (%s%s)" % (" ".join(args), r.stdout.decode(), r.stderr.decode()))
    return r.stdout.decode()


def user(s, i, plan):
    e = {"kind": "user", "external_id": "u%d" % i, "traits": {"plan": plan}}
    equal(s.http("POST", "/v1/entities", e)[0], 201, "an entity")


def rows(s):
    return s.pg.sql("select coalesce(string_agg(event_id || ':' || coalesce(plan, '-'), ' ' order by event_id), '') from t.rows")


def letters(s):
    return {d["event_id"]: d for d in s.dead()}


with System(conf(KEEP % "n > 0", LOOK % "who"), table=TABLE) as s:
    user(s, 1, "free")
    user(s, 2, "free")
    # 1 and 2 stop at the table, 3 and 4 at the step, 5 goes through.
    s.post([event(1, n=101, user="u1"), event(2, n=102, user="u2"), event(3, n=3, user="u3"), event(4, n=4, user="u4"),
            event(5, n=5, user="u1")])
    s.delivered()
    equal(rows(s), "e000005:free", "rows")
    dead = letters(s)
    equal([dead["e00000%d" % i]["stopped"] for i in (1, 3)],
          [{"at": "destination"}, {"at": "step", "step": "who", "plugin": "enrich.entity"}], "where they stopped")
    show = s.daemon.command("dead", "show", "-c", s.conf, LANE, str(dead["e000003"]["position"])).stdout.decode()
    contains(show, "stopped at step who (enrich.entity)", "dead show")

    # The table is mended; the filter's answer, `when` and an entity have changed.
    s.pg.sql("alter table t.rows drop constraint small")
    equal(s.http("PATCH", "/v1/entities/user/u1", {"traits": {"plan": "pro"}})[0], 200, "another trait")
    configure(s, KEEP % "n > 1000", LOOK % "who", when="n > 1000")
    contains(retry(s, LANE, str(dead["e000001"]["position"])), "settled 1, dead letters again 0", "what became of it")
    equal(rows(s), "e000001:pro e000005:free", "rows")

    # Its step passes it now, `when` leaves it out: the letter stays.
    user(s, 3, "new")
    out = retry(s, "--all", "--since", "1h", "--reason", "unknown_entity", code=1)
    contains(out, "settled 0, dead letters again 1, dropped 1 (their letters stay)", "what became of them")
    now = letters(s)
    equal((now["e000003"]["code"], now["e000003"]["position"]),
          ("dropped_on_retry", dead["e000003"]["position"]), "the letter that stays")
    contains(now["e000003"]["message"], "when left it out", "its reason")
    contains(now["e000003"]["message"], "unknown_entity", "its reason")
    equal((now["e000004"]["code"], now["e000004"]["attempts"]), ("unknown_entity", 2), "one that is a letter again")

    # The step has another name: a letter that says so; and its own again: it goes on there.
    configure(s, KEEP % "n > 1000", LOOK % "whom")
    contains(retry(s, "--all", "--code", "unknown_entity", LANE, code=1), "dead letters again 1", "without its step")
    now = letters(s)
    equal((now["e000004"]["code"], now["e000004"]["stopped"]["step"]), ("step_gone", "who"), "the letter")
    contains(now["e000004"]["message"], "no step who (enrich.entity) any more", "its reason")
    configure(s, KEEP % "n > 1000", LOOK % "who")
    user(s, 4, "late")
    contains(retry(s, "--all", "--code", "step_gone"), "settled 1", "with its step")
    equal(rows(s), "e000001:pro e000004:late e000005:free", "rows")

    # Anew, the filter judges it: it stays.  Otherwise it goes on where it stopped.
    contains(retry(s, "--all", "--anew", LANE, code=1), "dropped 2 (their letters stay)", "anew")
    for m in [d["message"] for d in s.dead()]:
        contains(m, "dropped by step keep (filter.match) when it was tried again; before that ", "the reason")
        equal(m.count("before that"), 1, "how often it says so")
    contains(retry(s, "--all"), "settled 2, dead letters again 0\n", "as it was decided")
    equal(s.dead(), [], "letters")
    equal(rows(s), "e000001:pro e000002:free e000003:new e000004:late e000005:free", "rows")
    equal(s.daemon.command("dead", "list", "-c", s.conf, "--anew").returncode, 2, "--anew with list")
    s.daemon.stop()
    exported = [json.loads(line) for line in
                s.daemon.command("spool", "export", "-c", s.conf).stdout.decode().splitlines()]
    equal([(e["retry"]["stopped"] or {}).get("at") for e in exported if e["id"] == "e000004" and "retry" in e],
          ["step"] * 3, "what the spool says")

# SPDX-License-Identifier: MIT
"""dead show takes out of a letter what its lane takes out of events, as JSON, for
people and rendered; --raw does not.  Where nobody can tell what that is, the payload
is hidden.  A lane that takes nothing out shows all, whatever else is wrong in the
config."""
import json
import os

from system import HEAD, TABLE, System, contains, equal

COLUMNS = """columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } );"""
CONF = HEAD + """
pipelines = (
  { name = "kept"; sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "redact.pii"; fields = ( "email" ); detect = ( "phone" ); } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows"; COLUMNS
                       steps = ( { plugin = "redact.pii"; fields = ( "user" ); how = "hash"; key = "env:SECRET"; } ); } ); },
  { name = "open"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows"; COLUMNS } ); } );
""".replace("COLUMNS", COLUMNS)
PRIVATE = ("ada@acme.com", "+49 171 1234567", "u-18")
PAYLOAD = {"email": PRIVATE[0], "note": "call " + PRIVATE[1], "user": PRIVATE[2], "n": "no number"}


def show(s, lane, *options, code=0):
    position = [str(d["position"]) for d in s.dead() if d["lane"] == lane][0]
    r = s.daemon.command("dead", "show", *options, lane, position)
    equal(r.returncode, code, "dead show %s: %s" % (options, r.stderr.decode()))
    return r.stdout.decode()


def says(text, *parts):
    equal([part for part in PRIVATE if part in text], list(parts), "what is seen in " + text)


with System(CONF, table=TABLE, env={"SECRET": "a secret of the test"}) as s:
    s.post([{"id": "e1", "type": "test.event", "payload": PAYLOAD}])
    s.delivered()
    says(show(s, "kept/rows", "-c", s.conf))
    letter = json.loads(show(s, "kept/rows", "-c", s.conf, "--json"))
    payload = letter["event"]["payload"]
    says(json.dumps(payload))
    equal((payload["n"], letter["event"]["id"], "hidden" in letter), ("no number", "e1", False), "all else")
    equal(show(s, "kept/rows", "-c", s.conf, "--json"), json.dumps(letter, separators=(",", ":")) + "\n", "the same each time")
    rendered = json.loads(show(s, "kept/rows", "-c", s.conf, "--json", "--render"))
    says(json.dumps(rendered))
    contains(rendered["render"], "e1", "the row")

    # All of it, where that is asked for.
    for options in (("-c", s.conf), ("-s", s.base + "/state")):
        raw = json.loads(show(s, "kept/rows", "--raw", "--json", *options))
        equal((raw["event"]["payload"], "hidden" in raw), (PAYLOAD, False), "raw")

    # Nobody can tell: without a config, without what a step needs, without the lane.
    with open(s.conf) as f:
        whole = f.read()
    other = s.base + "/other.conf"
    with open(other, "w") as f:
        f.write(whole.replace('name = "kept"', 'name = "gone"'))
    del s.daemon.env["SECRET"]
    for options in (("-s", s.base + "/state"), ("-c", s.conf), ("-c", other)):
        hidden = json.loads(show(s, "kept/rows", "--json", *options))
        equal((hidden["event"]["payload"], hidden["hidden"], hidden["event_id"]), (None, True, "e1"), "hidden by %s" % (options,))
        text = show(s, "kept/rows", *options)
        says(text)
        contains(text, "--raw", "how it is seen")

    # Nothing is taken out: the far side's secrets and other lanes do not matter.
    dsn = s.daemon.env.pop("DSN")
    says(show(s, "open/rows", "-c", s.conf), *PRIVATE)
    s.daemon.env["DSN"] = dsn
    os.unlink(other)

    for usage in (("list", "--raw"), ("retry", "--raw", "kept/rows", "1")):
        equal(s.daemon.command("dead", *usage, "-c", s.conf).returncode, 2, "usage: %s" % (usage,))

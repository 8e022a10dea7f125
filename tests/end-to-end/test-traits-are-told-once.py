# SPDX-License-Identifier: MIT
"""Two lanes of one pipeline tell the store of each trait once, the first that comes
there; neither the second, nor a restart, nor a lane with another name brings an
old one back."""
import json

from system import HEAD, System, equal, eventually

LANE = """{ plugin = "warehouse.pg"; name = "%s"; connection = "env:DSN"; table = "t.rows"; %s
            columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); }"""
PIPE = """
pipelines = (
  { name = "%s";
    sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "upsert.entity"; name = "tell"; kind = "user"; id = "$event.payload.user";
                traits = ( { name = "n"; value = "$event.payload.n"; } ); } );
    destinations = ( %s ); }
);
"""


def config(pipe, *lanes):
    return HEAD + PIPE % (pipe, ", ".join(LANE % lane for lane in lanes))


def n_of(s, user):
    r = s.daemon.command("entity", "get", "-c", s.conf, "user", user)
    equal(r.returncode, 0, "entity get: " + r.stderr.decode())
    return json.loads(r.stdout)["traits"]["n"]


def events(s, *pairs):
    s.post([{"type": "t", "payload": {"user": user, "n": n}} for user, n in pairs])


def lane(s, verb, name):
    r = s.daemon.command("lane", verb, "-c", s.conf, name)
    equal(r.returncode, 0, "lane %s: %s" % (verb, r.stderr.decode()))


with System(config("pipe", ("first", ""), ("second", ""))) as s:
    lane(s, "pause", "pipe/second")
    events(s, ("a", 1), ("b", 1), ("a", 2))
    eventually(lambda: s.lane("pipe/first")["lag_events"] == 0, "the first lane delivers")
    equal((n_of(s, "a"), n_of(s, "b")), (2, 1), "as the first lane told it")
    status, answer, _ = s.http("POST", "/v1/entities", {"kind": "user", "external_id": "a", "traits": {"n": "by hand"}})
    equal(status, 200, "POST /v1/entities: %s" % answer)
    lane(s, "resume", "pipe/second")
    s.delivered()
    equal(n_of(s, "a"), "by hand", "after the second lane has passed the events")
    equal(s.pg.sql("select count(*) from t.rows"), "6", "rows of both lanes")

    # One that was behind, under another name and in another pipeline.
    lane(s, "pause", "pipe/first")
    events(s, ("b", 5))
    eventually(lambda: s.lane("pipe/second")["lag_events"] == 0, "the second lane delivers")
    equal(n_of(s, "b"), 5, "as the second lane told it")
    s.daemon.stop()
    with open(s.conf, "w") as f:
        f.write(config("renamed", ("third", 'was = "pipe/first";')) % {"base": s.base})
    s.daemon.start()
    status, answer, _ = s.http("POST", "/v1/entities", {"kind": "user", "external_id": "b", "traits": {"n": "by hand"}})
    equal(status, 200, "POST /v1/entities: %s" % answer)
    lane(s, "resume", "renamed/third")
    s.delivered()
    equal(n_of(s, "b"), "by hand", "told by the pipeline under its name before")
    events(s, ("b", 7))
    s.delivered()
    equal(n_of(s, "b"), 7, "what is new")

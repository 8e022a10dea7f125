# SPDX-License-Identifier: MIT
"""What was refused, of whatever shape, is sent with `dead show --json` and emit
once the declaration allows it, and arrives as it would have: its own id, type,
time and payload.  So does what `spool export` prints."""
import base64
import json

from system import KEY, System, equal, eventually

CONF = """
state_dir = "%%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); undeclared = "accept"; },
            { name = "hooks"; plugin = "webhook.in"; token = "env:HOOK"; auth = "none"; type = "$body.type"; key = "$body.id"; undeclared = "accept"; } );
events = ( %s );
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; }, { source = "hooks"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
      columns = ( { name = "event_id"; value = "$event.id"; }, { name = "type"; value = "$event.type"; },
                  { name = "at"; value = "$event.timestamp"; }, { name = "n"; value = "$event.payload.n"; },
                  { name = "deep"; value = "$event.payload.deep"; } ); } ); }
);
"""
TABLE = "create schema t; create table t.rows (event_id text, type text, at timestamptz, n text, deep jsonb)"
TYPES = ("plain", "batch", "lines", "track", "made", "ce", "ce.batch", "ce.binary", "hook")
ENV = {"HOOK": "hook"}
DEEP = {"a": [1, {"b": "ü\u2028\"\\"}], "big": 12345678901234567890}


def conf(kind):
    return CONF % ", ".join('{ type = "%s"; unknown = "allow";'
                            ' fields = ( { name = "n"; type = "%s"; required = true; } ); }' % (t, kind) for t in TYPES)


def payload(**more):
    return dict({"n": "z", "deep": DEEP}, **more)


def native(n, kind):
    return {"id": "own-%d" % n, "type": kind, "timestamp": "2026-01-31T12:00:0%dZ" % n, "payload": payload()}


def cloud(n, kind):
    return {"specversion": "1.0", "id": "ce-%d" % n, "source": "/s", "type": kind, "time": "2026-01-31T12:00:0%dZ" % n,
            "data": payload()}


def send(s, status, path, body, of="application/json", key=KEY, **headers):
    headers = dict({"Content-Type": of}, **{k.replace("_", "-"): v for k, v in headers.items()})
    got, answer, _ = s.http("POST", path, body, headers=headers, key=key)
    equal(got, status, "status of %s (%s)" % (path, answer))


def send_all(s, refused=False):
    want, segment = (422, 422) if refused else (202, 200)
    send(s, want, "/v1/ingest", native(1, "plain"))
    send(s, want, "/v1/ingest", [native(2, "batch")])
    send(s, want, "/v1/ingest", json.dumps(native(3, "lines")).encode() + b"\n", of="application/x-ndjson")
    send(s, want, "/v1/ingest", {"type": "made", "idempotencyKey": "k", "payload": payload()})
    basic = {"Authorization": "Basic " + base64.b64encode((KEY + ":").encode()).decode()}
    send(s, segment, "/v1/batch", {"batch": [
        {"type": "track", "event": "track", "userId": "u", "messageId": "seg-1",
         "timestamp": "2026-01-31T12:00:04Z", "properties": payload()}]}, key=None, **basic)
    send(s, want, "/v1/ingest", cloud(5, "ce"), of="application/cloudevents+json")
    send(s, want, "/v1/ingest", [cloud(6, "ce.batch")], of="application/cloudevents-batch+json")
    send(s, want, "/v1/ingest", payload(), ce_specversion="1.0", ce_id="ce-7", ce_source="/s", ce_type="ce.binary",
         ce_time="2026-01-31T12:00:07Z")
    send(s, want, "/whk/hook", payload(id="hook-1", type="hook"), key=None)


def emit(s):
    """What `dead show --json` says of each letter, sent."""
    for d in s.dead():
        shown = s.daemon.command("dead", "show", "-c", s.conf, "--json", d["lane"], str(d["position"]))
        letter = json.loads(shown.stdout)
        equal(isinstance(letter.get("event"), dict), True, "an event in " + json.dumps(letter))
        source = d["lane"].split("/")[1]
        r = s.daemon.command("emit", "-c", s.conf, "--source", source, input=json.dumps(letter["event"]).encode())
        equal(r.returncode, 0, "emit of %s: %s%s" % (letter, r.stdout, r.stderr))


def rows(s):
    s.delivered()
    found = json.loads(s.pg.sql("select jsonb_agg(r order by type, event_id) from t.rows r"))
    equal(len(found), len(TYPES), "rows (%s)" % [r["event_id"] + r["type"] for r in found])
    return [dict(r, event_id=None if r["event_id"].startswith("evt_") else r["event_id"]) for r in found]


with System(conf("integer"), table=TABLE, env=ENV) as s:
    send_all(s, refused=True)
    eventually(lambda: len(s.dead()) == len(TYPES), "all are letters")
    s.daemon.stop()
    with open(s.conf, "w") as f:
        f.write(conf("string") % {"base": s.base})
    s.daemon.start()
    emit(s)
    late = rows(s)
    send_all(s)  # known by their ids and keys
    equal(rows(s), late, "rows when the senders come again")

with System(conf("string"), table=TABLE, env=ENV) as s:
    send_all(s)
    equal(rows(s), late, "rows of what was refused before, and of what was not")
    exported = s.daemon.command("spool", "export", "-c", s.conf).stdout.splitlines()

with System(conf("string"), table=TABLE, env=ENV) as s:
    for line in exported:
        r = s.daemon.command("emit", "-c", s.conf, "--source", json.loads(line)["source_id"], input=line)
        equal(r.returncode, 0, "emit of %s: %s%s" % (line, r.stdout, r.stderr))
    equal(rows(s), late, "rows of what was exported")

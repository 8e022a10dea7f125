# SPDX-License-Identifier: MIT
"""ingestlayer test --record makes a test of an event that came in: it passes as it
is, with the daemon and its database gone, and fails once the config does something
else with such an event."""
import os

from system import HEAD, System, contains, equal

CONF = HEAD + """
events = ( { type = "feature.used"; fields = ( { name = "user_id"; type = "string"; required = true; },
                                               { name = "feature"; type = "string"; },
                                               { name = "n"; type = "number"; }, { name = "text"; type = "string"; },
                                               { name = "list"; type = "array"; } ); }, { type = "order.placed"; } );
pipelines = (
  { name = "usage";
    sources = ( { source = "app"; match = "feature.*"; } );
    steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; },
              { plugin = "enrich.entity"; kind = "account"; key = "$entity.user.account_id"; } );
    destinations = (
      { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows"; create = true;
        columns = ( { name = "event_id"; value = "$event.id"; }, { name = "user_id"; value = "$event.payload.user_id"; },
                    { name = "account"; value = "$entity.account.name"; }, { name = "n"; value = "$event.payload.n"; } ); },
      { plugin = "slack"; url = "env:HOOK"; when = "feature == export";
        text = "{{ $entity.account.name }} \\\\\\\\ {{ feature }}"; },
      { plugin = "slack"; name = "paid"; url = "env:HOOK"; steps = ( { plugin = "filter.match"; name = "paying";
        where = "$entity.account.plan == pro"; } ); text = "paid"; } ); },
  { name = "others"; sources = ( { source = "app"; match = "order.*"; } );
    destinations = ( { plugin = "slack"; url = "env:HOOK"; text = "order"; } ); }
);
"""
HOOK = "http://127.0.0.1:9/services/T0/B0/nobody-listens"


def record(s, what, *options):
    r = s.daemon.command("test", "-c", s.conf, "--record", what, *options)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def test(s, text):
    path = os.path.join(s.base, "recorded.tests.conf")
    with open(path, "w") as f:
        f.write(text)
    r = s.daemon.command("test", "-v", path)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


with System(CONF, table="create schema t", env={"HOOK": HOOK}) as s:
    status, _, _ = s.http("POST", "/v1/entities", [
        {"kind": "user", "external_id": "u_1", "traits": {"account_id": "a_1", "name": "Ada \"the\" first\n\u00e9"}},
        {"kind": "account", "external_id": "a_1", "traits": {"name": "Acme", "plan": "free", "size": 1.10}},
        {"kind": "user", "external_id": "u_2", "traits": {"name": "nobody asks for this one"}}])
    equal(status in (200, 201), True, "entities")
    payload = {"user_id": "u_1", "feature": "export", "n": 12345678901234567890, "text": "a\"b\\c\n\u0000\u00e9\U0001f600", "list": [1, None]}
    answer = s.post([
        {"type": "feature.used", "payload": payload},
        {"type": "feature.used", "payload": {"user_id": "u_9"}, "id": "own", "idempotencyKey": "key-1",
         "timestamp": "2026-11-28T10:00:00.250Z"}])
    ids = [e["id"] for e in answer["data"]["events"]]

    # While the daemon runs.
    code, first, err = record(s, ids[0])
    equal((code, err), (0, ""), "test --record of a made id")
    for part in ("u_1", "a_1", "account_id", "12345678901234567890", 'account = "Acme"', 'drop = "paying"', "request = {"):
        contains(first, part, "what was recorded")
    for part in (ids[0], "u_2", "nobody-listens"):
        equal(part in first, False, "%r in what was recorded: %s" % (part, first))
    code, second, err = record(s, "key-1")
    equal((code, err), (0, ""), "test --record of a key")
    for part in ('id = "own"', 'key = "key-1"', 'timestamp = "2026-11-28T10:00:00.250Z"', 'event_id = "own"', 'account = "\\\\N"',
                 'drop = "when"'):
        contains(second, part, "what was recorded")
    code, out, err = record(s, "evt_nothing")
    equal((code, out), (1, ""), "test --record of what is not there")
    contains(err, 'there is no event "evt_nothing"', "what is said of it")

    s.daemon.kill()
    equal(record(s, ids[0])[:2], (0, first), "recorded without a daemon")
    s.pg.stop()
    for text in (first, second):
        code, out, err = test(s, text)
        equal((code, err), (0, ""), "the recorded test: " + out + text)

    # Other rules, other outcomes.
    with open(s.conf) as f:
        conf = f.read()
    for old, new in (("$entity.account.name", "$entity.user.name"), ("when = \"feature == export\"", "when = \"feature == api\""),
                     ("account.plan == pro", "account.plan == free"), ("$event.payload.n\"", "$event.payload.feature\"")):
        with open(s.conf, "w") as f:
            equal(old in conf, True, "there is " + old)
            f.write(conf.replace(old, new))
        code, out, err = test(s, first)
        equal((code, err), (1, ""), "the test with %s: %s" % (new, out))
    with open(s.conf, "w") as f:
        f.write(conf.replace('name = "app"', 'name = "web"').replace('source = "app"', 'source = "web"'))
    code, out, err = record(s, ids[0])
    equal((code, out), (1, ""), "test --record where the config has no such source")
    contains(err, 'there is no source "app" in the config', "what is said of it")

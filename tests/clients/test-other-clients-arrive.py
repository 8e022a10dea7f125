# SPDX-License-Identifier: MIT
"""Unmodified clients of Segment, RudderStack and CloudEvents become one row an
event, their retries none; what they identify enriches without any import."""
import json
import os
import shutil
import subprocess
import sys

from system import System, equal

here = os.path.join(os.environ["IL_SRCDIR"], "tests", "clients")
if not shutil.which("node") or not os.path.isdir(os.path.join(here, "node_modules", "cloudevents")):
    print("skipped: node or the clients are missing (npm ci in tests/clients)")
    sys.exit(77)

CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
events = ( { type = "feature.used";
             fields = ( { name = "feature"; type = "string"; required = true; },
                        { name = "count"; type = "integer"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( { key = "env:KEY"; entities = "all"; } ); undeclared = "accept"; } );
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "id"; value = "$event.id"; },
                                   { name = "type"; value = "$event.type"; },
                                   { name = "at"; value = "$event.timestamp"; },
                                   { name = "user_id"; value = "$event.payload.user_id"; },
                                   { name = "plan"; value = "$entity.user.plan"; },
                                   { name = "account"; value = "$entity.user.account"; } );
                       payload_column = "payload"; } ); }
);
"""
TABLE = """create schema t; create table t.rows (id text, type text, at timestamptz, user_id text,
           plan text, account text, payload jsonb)"""
CALLS = ["Order Completed|{0}|pro|{1}", "alias|{0}|pro|{1}", "group|{0}|pro|{1}", "identify|{0}|pro|",
         "page|{0}|pro|{1}", "screen|{0}|pro|{1}"]


def entity(s, path):
    status, answer, _ = s.http("GET", "/v1/entities/" + path)
    equal(status, 200, path)
    return answer["data"]["traits"]


with System(CONF, table=TABLE) as s:
    sent = subprocess.run(["node", os.path.join(here, "send.mjs")], env=s.daemon.env, cwd=here,
                          stdout=subprocess.PIPE, check=True, timeout=120)
    said = {line["name"]: line for line in map(json.loads, sent.stdout.decode().splitlines())}
    for name in ("segment", "rudder"):
        equal(said[name]["errors"], [], "errors of " + name)
        equal(said[name]["requests"] >= 2, True, name + " has sent again")
    equal(said["cloudevents"]["said"], [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [2, 1]], "answers to CloudEvents")
    s.delivered()

    # One row each, and what the clients identified is known.  RudderStack's sends the first call alone: it may
    # be a row before the account is known.
    for user, account in (("u-segment", "acme"), ("u-rudder", "umbrella")):
        rows = s.pg.sql("""select type, user_id, plan, case type when 'identify' then null else account end
                           from t.rows where user_id = '%s' and type <> 'com.example.order' order by type collate "C\"""" % user).splitlines()
        equal(rows, [r.format(user, account) for r in CALLS], "rows of " + user)
        equal(entity(s, "user/" + user), {"plan": "pro", "seats": 3, "account": account}, "entity of " + user)
        equal(entity(s, "account/" + account), {"name": "Acme Grüße 🎉"}, "entity of " + account)
    equal(s.pg.sql("select count(*), count(distinct id) from t.rows"), "19|19", "rows in all")
    equal(s.pg.sql("""select distinct at = '2026-01-31T12:00:00.250Z' from t.rows
                      where type = 'com.example.order'
                         or (type = 'Order Completed' and user_id = 'u-segment')"""), "t", "times")

    # a declared type holds what is declared; another what the clients add, too
    equal(s.pg.sql("select distinct payload from t.rows where type = 'feature.used'"),
          '{"count": 2, "feature": "csv.export"}', "payload of a declared type")
    equal(s.pg.sql("""select payload->>'total', payload->>'sku', payload->'context'->'library' is not null
                      from t.rows where type = 'Order Completed' and user_id = 'u-segment'"""),
          "12.5|a|t", "payload of track")
    equal(s.pg.sql("""select payload->>'name', payload->>'category', payload->>'path' from t.rows
                      where type = 'page' and user_id = 'u-rudder'"""), "Home|Docs|/", "payload of page")
    equal(s.pg.sql("""select payload->'traits'->>'plan' from t.rows
                      where type = 'identify' and user_id = 'u-segment'"""), "pro", "payload of identify")
    equal(s.pg.sql("""select payload->'cloudevent'->>'source', payload->'cloudevent'->>'id',
                             payload->'cloudevent'->>'tenant', payload->>'total', payload->'data', account
                      from t.rows where type = 'com.example.order' order by 2, 1""").splitlines(),
          ["https://shop.example/orders|b1|||[1, 2]|", "https://shop.example/orders|b2|||[1, 2]|",
           "/elsewhere|ce-binary||1||", "https://shop.example/orders|ce-binary|t1|12.5||acme",
           "https://shop.example/orders|ce-structured|t1|12.5||acme"], "CloudEvents")
    equal(s.dead(), [], "dead letters")

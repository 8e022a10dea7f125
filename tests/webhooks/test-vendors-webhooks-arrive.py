# SPDX-License-Identifier: MIT
"""Webhooks signed by the vendors' own libraries become one row each; retries
and strangers none."""
import json
import os
import shutil
import subprocess
import sys

from system import System, contains, equal

here = os.path.join(os.environ["IL_SRCDIR"], "tests", "webhooks")
LIBRARIES = ("stripe", "svix", "twilio", "@hubspot/api-client", "@linear/sdk", "@paddle/paddle-node-sdk")
if not shutil.which("node") or not all(os.path.isdir(os.path.join(here, "node_modules", name)) for name in LIBRARIES):
    print("skipped: node or the vendors' libraries are missing (npm ci in tests/webhooks)")
    sys.exit(77)

# The seed and the public key are those of RFC 8032, 7.1, TEST 1.
ENV = {
    "GITHUB_SECRET": "It's a Secret to Everybody",
    "STRIPE_SECRET": "whsec_new", "STRIPE_OLD": "whsec_old",
    "STANDARD_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "ED25519_SEED": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "SLACK_SECRET": "8f742231b10e8888abcd99yyyzzz85a5", "SHOPIFY_SECRET": "hush",
    "PADDLE_SECRET": "pdl_ntfset_01", "LINEAR_SECRET": "lin_wh_01", "HUBSPOT_SECRET": "hubspot-client-secret",
    "TWILIO_SECRET": "12345-auth-token", "PAGERDUTY_SECRET": "pagerduty-01", "ZENDESK_SECRET": "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
}
CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = (
  { name = "github"; plugin = "webhook.in"; scheme = "github"; token = "github-token"; secrets = "env:GITHUB_SECRET";
    type = ( "github.{{ $header.X-GitHub-Event }}.{{ $body.action }}", "github.{{ $header.X-GitHub-Event }}" ); },
  { name = "stripe"; plugin = "webhook.in"; scheme = "stripe"; token = "stripe-token";
    secrets = ( "env:STRIPE_SECRET", "env:STRIPE_OLD" ); },
  { name = "standard"; plugin = "webhook.in"; scheme = "standard"; token = "standard-token";
    secrets = ( "env:STANDARD_SECRET", "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" ); },
  { name = "slack"; plugin = "webhook.in"; scheme = "slack"; token = "slack-token"; secrets = "env:SLACK_SECRET"; },
  { name = "shopify"; plugin = "webhook.in"; scheme = "shopify"; token = "shopify-token"; secrets = "env:SHOPIFY_SECRET"; },
  { name = "svix"; plugin = "webhook.in"; scheme = "svix"; token = "svix-token"; secrets = "env:STANDARD_SECRET"; },
  { name = "paddle"; plugin = "webhook.in"; scheme = "paddle"; token = "paddle-token"; secrets = "env:PADDLE_SECRET"; },
  { name = "linear"; plugin = "webhook.in"; scheme = "linear"; token = "linear-token"; secrets = "env:LINEAR_SECRET"; },
  { name = "hubspot"; plugin = "webhook.in"; scheme = "hubspot"; token = "hubspot-token"; secrets = "env:HUBSPOT_SECRET";
    url = "https://hooks.example.com/whk/hubspot-token?to=a%%3Ab"; },
  { name = "twilio"; plugin = "webhook.in"; scheme = "twilio"; token = "twilio-token"; secrets = "env:TWILIO_SECRET";
    url = ( "https://hooks.example.com:443/whk/twilio-token", "https://hooks.example.com/whk/twilio-token" ); },
  { name = "pagerduty"; plugin = "webhook.in"; scheme = "pagerduty"; token = "pagerduty-token"; secrets = "env:PAGERDUTY_SECRET"; },
  { name = "zendesk"; plugin = "webhook.in"; scheme = "zendesk"; token = "zendesk-token"; secrets = "env:ZENDESK_SECRET"; }
);
pipelines = (
  { name = "all";
    sources = ( { source = "github"; match = "*"; }, { source = "stripe"; match = "*"; },
                { source = "standard"; match = "*"; }, { source = "slack"; match = "*"; },
                { source = "shopify"; match = "*"; }, { source = "svix"; match = "*"; },
                { source = "paddle"; match = "*"; }, { source = "linear"; match = "*"; },
                { source = "hubspot"; match = "*"; }, { source = "twilio"; match = "*"; },
                { source = "pagerduty"; match = "*"; }, { source = "zendesk"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.hooks";
                       columns = ( { name = "source"; value = "$event.source_id"; },
                                   { name = "type"; value = "$event.type"; } );
                       payload_column = "payload"; } ); }
);
"""
TABLE = "create schema t; create table t.hooks (source text, type text, payload jsonb)"
STATUS = [("github", 202), ("github", 202), ("github form", 202), ("github wrong", 401),
          ("stripe", 202), ("stripe", 202), ("stripe late", 401), ("stripe both", 202),
          ("standard", 202), ("standard", 202), ("standard several", 202), ("standard wrong", 401),
          ("standard v1a", 202), ("slack url", 200), ("slack event", 200), ("slack command", 200),
          ("slack action", 200), ("shopify", 202), ("shopify", 202), ("shopify", 202),
          ("paddle", 202), ("paddle", 202), ("paddle wrong", 401), ("linear", 202), ("linear late", 401),
          ("svix", 202), ("hubspot", 202), ("hubspot", 202), ("hubspot late", 401),
          ("twilio", 204), ("twilio", 204), ("twilio wrong", 401), ("twilio stream", 204), ("twilio unsigned", 401),
          ("pagerduty", 202), ("zendesk", 202)]
ROWS = ["github|github.issues.opened|2", "hubspot|contact.creation|1", "hubspot|contact.deletion|1",
        "linear|Issue.create|1", "paddle|transaction.completed|1", "pagerduty|incident.triggered|1",
        "shopify|orders/create|1", "shopify|orders/paid|1",
        "slack|block_actions|1", "slack|event_callback|1", "slack|slack.received|1",
        "standard|contact.created|3", "stripe|invoice.paid|3", "svix|user.created|1",
        "twilio|com.twilio.messaging.message.sent|2", "twilio|message.received|1", "zendesk|zen:event-type:ticket.created|1"]

with System(CONF, table=TABLE, env=ENV) as s:
    sent = subprocess.run(["node", os.path.join(here, "send.mjs")], env=s.daemon.env, cwd=here,
                          stdout=subprocess.PIPE, check=True, timeout=120)
    answers = [json.loads(line) for line in sent.stdout.decode().splitlines()]
    equal([(a["name"], a["status"]) for a in answers], STATUS, "answers")
    equal([a["body"] for a in answers if a["name"] == "slack url"], ["c0ffee"], "Slack's challenge")
    equal([a["body"] for a in answers if a["name"] == "slack command"], [""], "what Slack would show")
    first, again = [json.loads(a["body"])["data"] for a in answers if a["name"] == "github"]
    equal((again["duplicates"], again["events"][0]["id"]), (1, first["events"][0]["id"]), "GitHub's retry")
    s.delivered()
    equal(s.pg.sql("select source, type, count(*) from t.hooks group by 1, 2 order by 1, 2").splitlines(), ROWS, "rows")
    equal(s.pg.sql("select count(distinct payload) from t.hooks where source = 'github'"), "1",
          "GitHub's two content types are one payload")
    equal(s.pg.sql("select distinct payload->'issue'->>'title' from t.hooks where source = 'github'"),
          "Grüße 🎉", "text")
    equal(s.pg.sql("select payload->>'text' from t.hooks where type = 'slack.received'"), "Grüße 🎉", "a form's text")
    with open(s.daemon.log) as f:
        log = f.read()
    for name in ("GITHUB_SECRET", "STRIPE_SECRET", "STANDARD_SECRET", "SLACK_SECRET", "SHOPIFY_SECRET",
                 "PADDLE_SECRET", "LINEAR_SECRET", "HUBSPOT_SECRET", "TWILIO_SECRET", "PAGERDUTY_SECRET", "ZENDESK_SECRET"):
        equal(ENV[name] in log, False, name + " in the log")
    contains(log, "refused a request from 127.0.0.1: no secret fits its signature", "the log")

# SPDX-License-Identifier: MIT
"""conf/recipes/free-users.conf: Slack hears of free users on paid features and
of nobody else; the plan is the one in the store, whatever an event says."""
import json

from receiver import Answer, Receiver
from recipe import Recipe, used
from system import equal, eventually

with Receiver() as r, Recipe("free-users", SLACK_WEBHOOK_URL=r.url + "/services/T0/B0/a-token") as s:
    r.script = lambda request: Answer(200, {"Content-Type": "text/html"}, "ok")
    s.entities("user", {"u_1": {"email": "chen@globex.com", "account": "Globex", "plan": "free"},
                        "u_2": {"email": "ada@acme.com", "account": "Acme \"A\" & Söhne", "plan": "pro"}})
    s.send(used("u_1", "csv.export"), used("u_1", "chart.edit"), used("u_2", "csv.export"),
           used("<!channel>", "csv.export"), used("u_1", "<!channel>"))
    s.delivered()
    # From now on this one is a free user, too.
    s.entities("user", {"u_2": {"plan": "free"}})
    s.send(used("u_2", "sso.login"))
    r.wait(2)
    s.delivered()
    equal([json.loads(request.body) for request in r.requests], [
        {"text": "chen@globex.com (Globex, free plan) used csv.export"},
        {"text": "ada@acme.com (Acme \"A\" & Söhne, free plan) used sso.login"}], "messages")
    equal({(request.method, request.path, request.headers["content-type"]) for request in r.requests},
          {("POST", "/services/T0/B0/a-token", "application/json")}, "how they came")
    equal(s.pg.sql("select count(*), count(plan) from events.feature_used"), "6|5", "rows, and those of a plan")

    # What Slack calls malformed is a letter at once, and the letter does not tell the token.
    r.script = lambda request: Answer(400, {}, "invalid_payload")
    s.send(used("u_1", "api.call"))
    eventually(lambda: len(s.dead()) == 1, "a dead letter")
    letter = s.dead()[0]
    equal("400" in json.dumps(letter) and "a-token" not in json.dumps(letter), True, "the letter %s" % letter)
    with open(s.daemon.log) as f:
        equal("a-token" in f.read(), False, "the token in the log")

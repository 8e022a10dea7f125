# SPDX-License-Identifier: MIT
"""conf/recipes/alerts.conf: all events are rows, a few of them are alerts, and
an endpoint that is away holds up no row and loses no alert."""
import base64
import hashlib
import hmac
import json

from receiver import Answer, Receiver
from recipe import Recipe, used
from system import equal, eventually

KEY = b"a secret of twenty-four by"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def verified(request):
    """Its body, after a look at the signature as a stranger takes it."""
    signed = "%s.%s.%s" % (request.headers["webhook-id"], request.headers["webhook-timestamp"], request.body.decode())
    made = base64.b64encode(hmac.new(KEY, signed.encode(), hashlib.sha256).digest()).decode()
    equal(request.headers["webhook-signature"], "v1," + made, "signature")
    return json.loads(request.body)


with Receiver() as r, Recipe("alerts", ALERT_URL=r.url + "/alerts", ALERT_SECRET=SECRET) as s:
    s.entities("user", {"u_1": {"email": "ada@acme.com", "account": "Acme"}})
    ids = s.send(used("u_1", "csv.export", 99), used("u_1", "csv.export", 100, plan="pro"), used("u_1", "login", 500),
                 used("u_2", "export", 1000))
    r.wait(2)
    s.delivered()
    alerts = sorted((verified(request) for request in r.requests), key=lambda alert: alert["user_id"])
    for alert in alerts:
        equal(len(alert.pop("at")), len("2026-11-23T07:09:00.500000Z"), "length of the time")
    equal(alerts, [
        {"alert": "large export", "user_id": "u_1", "email": "ada@acme.com", "account": "Acme",
         "feature": "csv.export", "count": 100},
        {"alert": "large export", "user_id": "u_2", "feature": "export", "count": 1000}], "alerts")
    equal(len(set(r.ids())), 2, "ids, of two events: the SDK made the events' own")
    equal({request.path for request in r.requests}, {"/alerts"}, "where they went")
    rows = "select event_id, user_id, account, plan, feature, count from events.feature_used order by event_id"
    equal(s.pg.sql(rows).splitlines(), [
        ids[0] + "|u_1|Acme||csv.export|99", ids[1] + "|u_1|Acme|pro|csv.export|100", ids[2] + "|u_1|Acme||login|500",
        ids[3] + "|u_2|||export|1000"], "rows")

    r.script = lambda request: Answer(503)
    s.send(used("u_1", "pdf.export", 300), used("u_1", "login"))
    eventually(lambda: s.pg.sql("select count(*) from events.feature_used") == "6", "rows while the endpoint is away")
    r.wait(3)
    eventually(lambda: s.lane("usage/alerts")["parked"] == 1, "the alert waits")
    r.script = lambda request: Answer()
    s.jump(60)
    r.wait(4)
    equal(r.ids()[2:], [r.ids()[2]] * 2, "the alert, twice under one id")
    equal(len(set(r.ids())), 3, "ids, of three events")
    eventually(lambda: s.lane("usage/alerts")["parked"] == 0, "nothing waits")
    equal(s.dead(), [], "dead letters")

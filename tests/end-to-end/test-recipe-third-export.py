# SPDX-License-Identifier: MIT
"""conf/recipes/third-export.conf: a chat hears of the third export of a free user
and of no other, and each row has its number, through one kill -9 after another."""
import json

from receiver import Answer, Receiver
from recipe import Recipe, used
from system import equal

USERS, EXPORTS = 12, 5


def event(user, feature):
    kind, payload = used(user, feature)
    return {"type": kind, "payload": payload}


with Receiver() as r, Recipe("third-export", SLACK_WEBHOOK_URL=r.url + "/services/T0/B0/a-token") as s:
    r.script = lambda request: Answer(200, {"Content-Type": "text/html"}, "ok")
    s.entities("user", {"u_%d" % n: {"email": "u%d@acme.com" % n, "account": "Acme", "plan": "free" if n % 2 else "pro"}
                        for n in range(USERS)})
    s.send(used("u_1", "csv.export"), used("u_1", "login"), used("u_1", "pdf.export"), used("u_2", "csv.export"))
    s.delivered()
    equal(len(r.requests), 0, "messages before the third")
    s.daemon.kill()
    s.daemon.start()
    s.send(used("u_1", "login"), used("u_1", "png.export"), used("u_1", "csv.export"), used("u_2", "csv.export"))
    r.wait(1)
    s.delivered()
    third = "u1@acme.com (Acme, free plan) exported for the third time: png.export"
    equal({json.loads(request.body)["text"] for request in r.requests}, {third}, "messages")

    # It dies while they are counted, at any place.
    for n in range(EXPORTS):
        for k in range(USERS // 3):
            s.post([event("u_%d" % u, "%s.export" % "abcde"[n]) for u in range(3 * k, 3 * k + 3)])
            if (n + k) % 2:
                s.daemon.kill()
                s.daemon.start()
    s.delivered()
    want = {third} | {"u%d@acme.com (Acme, free plan) exported for the third time: c.export" % n
                      for n in range(3, USERS, 2)}
    equal({json.loads(request.body)["text"] for request in r.requests}, want, "messages")
    rows = s.pg.sql("select user_id, string_agg(nth::text, ' ' order by received_at, event_id) from events.exports"
                    " group by user_id").splitlines()
    before = {1: 4, 2: 2}
    equal(sorted(rows), sorted("u_%d|%s" % (n, " ".join(str(k) for k in range(1, EXPORTS + before.get(n, 0) + 1)))
                       for n in range(USERS)), "numbers of the exports of each user")
    equal(s.dead(), [], "dead letters")

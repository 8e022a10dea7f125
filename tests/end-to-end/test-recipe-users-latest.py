# SPDX-License-Identifier: MIT
"""conf/recipes/users-latest.conf: one row for each user, with what each event said
about it, through one kill -9 after another."""
import random

from recipe import Recipe
from system import equal

ROWS = "select user_id, plan, seats, last_feature from events.users order by user_id"


def apply(rows, kind, payload):
    row = rows.setdefault(payload["user_id"], {"plan": "", "seats": "", "feature": ""})
    row.update({k: str(v) for k, v in payload.items() if k in row})


with Recipe("users-latest") as s:
    s.send(("plan.changed", {"user_id": "u_1", "plan": "pro", "seats": 3}),
           ("feature.used", {"user_id": "u_1", "feature": "csv.export"}),
           ("plan.changed", {"user_id": "u_1", "plan": "free"}),
           ("feature.used", {"user_id": "u_2", "feature": "search"}))
    s.delivered()
    equal(s.pg.sql(ROWS), "u_1|free|3|csv.export\nu_2|||search", "rows")
    r = s.daemon.command("check", "--online", "-c", s.conf)
    equal(r.returncode, 0, "check --online: %s%s" % (r.stdout.decode(), r.stderr.decode()))

    rnd = random.Random(7)
    rows = {"u_1": {"plan": "free", "seats": "3", "feature": "csv.export"},
            "u_2": {"plan": "", "seats": "", "feature": "search"}}
    for n in range(12):
        events = []
        for _ in range(60):
            payload = {"user_id": "u_%d" % rnd.randrange(1, 10)}
            kind = rnd.choice(["plan.changed", "feature.used"])
            if kind == "plan.changed":
                payload["plan"] = rnd.choice(["free", "pro", "team"])
                if rnd.random() < 0.5:
                    payload["seats"] = rnd.randrange(50)
            else:
                payload["feature"] = rnd.choice(["csv.export", "search", "api.call"])
            events.append({"type": kind, "payload": payload})
            apply(rows, kind, payload)
        s.post(events)
        if n % 2:
            s.daemon.kill()
            s.daemon.start()
    s.delivered()
    want = ["|".join([u, r["plan"], r["seats"], r["feature"]]) for u, r in sorted(rows.items())]
    equal(s.pg.sql(ROWS).splitlines(), want, "rows in the end")
    equal(s.dead(), [], "dead letters")

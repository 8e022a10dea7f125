# SPDX-License-Identifier: MIT
"""conf/recipes/plan-changes.conf: the plan of a user is the last that came in, for
all who enrich with it, through one kill -9 after another."""
import json
import random

from recipe import Recipe, used
from system import equal

USERS, CHANGES = 7, 60


def changed(user, plan, **more):
    return "plan.changed", dict({"user_id": user, "plan": plan}, **more)


def event(sent):
    return {"type": sent[0], "payload": sent[1]}


def user(s, name):
    r = s.daemon.command("entity", "get", "-c", s.conf, "user", name)
    return json.loads(r.stdout)["traits"] if not r.returncode else None


with Recipe("plan-changes") as s:
    s.entities("user", {"u_1": {"email": "ada@acme.com", "plan": "free"}})
    s.send(changed("u_1", "pro", seats=3), used("u_2", "export"))
    s.delivered()
    traits = user(s, "u_1")
    equal({k: traits[k] for k in ("email", "plan", "seats")}, {"email": "ada@acme.com", "plan": "pro", "seats": 3},
          "traits of u_1")
    equal(user(s, "u_2"), None, "of whom no change has told")
    s.send(used("u_1", "export"))
    s.delivered()
    equal(s.pg.sql("select user_id, plan from events.feature_usage order by received_at, event_id").splitlines(),
          ["u_2|", "u_1|pro"], "rows of features")

    # It dies while they change.
    dice, last = random.Random(7), {}
    for n in range(CHANGES):
        some = [(dice.randrange(USERS), "%d-%d" % (n, k)) for k in range(dice.randrange(1, 30))]
        s.post([event(changed("k_%d" % u, plan)) for u, plan in some])
        last.update(("k_%d" % u, plan) for u, plan in some)
        if n % 4 == 3:
            s.daemon.kill()
            s.daemon.start()
    s.delivered()
    equal({name: user(s, name)["plan"] for name in last}, last, "plans of the users")
    rows = s.pg.sql("select distinct on (user_id) user_id, plan from events.plan_changes where user_id like 'k%'"
                    " order by user_id, received_at desc, string_to_array(plan, '-')::int[] desc").splitlines()
    equal(dict(row.split("|") for row in rows), last, "last rows")
    s.send(*(used(name, "api") for name in sorted(last)))
    s.delivered()
    rows = s.pg.sql("select user_id, plan from events.feature_usage where feature = 'api'").splitlines()
    equal(dict(row.split("|") for row in rows), last, "plans beside features")
    equal(s.dead(), [], "dead letters")

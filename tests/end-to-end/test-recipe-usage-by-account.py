# SPDX-License-Identifier: MIT
"""conf/recipes/usage-by-account.conf and .sql: usage by company, by the whole
and by the day, from typed rows."""
import os
import subprocess

from recipe import RECIPES, Recipe, used
from system import Failed, equal


def psql(s, *args, text=None):
    r = subprocess.run([os.path.join(s.pg.bindir, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", s.pg.dsn, *args],
                       input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode:
        raise Failed("psql: " + r.stderr.decode())


s = Recipe("usage-by-account")
# As the recipe says it: the table, the views, the daemon.
ddl = s.daemon.command("ddl", "-c", s.conf)
try:
    equal(ddl.returncode, 0, "ddl: " + ddl.stderr.decode())
    psql(s, text=ddl.stdout)
    for again in range(2):
        psql(s, "-f", os.path.join(RECIPES, "usage-by-account.sql"))
except BaseException as e:
    s.__exit__(type(e), e, None)
    raise
with s:
    s.entities("user", {"u_1": {"account_id": "a_1"}, "u_2": {"account_id": "a_1"}, "u_3": {"account_id": "a_2"}})
    s.entities("account", {"a_1": {"name": "Acme", "plan": "pro"}, "a_2": {"name": "Globex", "plan": "free"}})
    s.send(used("u_1", "export", 3), used("u_2", "export", 4), used("u_3", "api.call", 10), used("u_9", "login", 2))
    s.delivered()
    s.entities("account", {"a_1": {"plan": "team"}})
    s.send(used("u_1", "login"))
    s.delivered()
    equal(s.pg.sql("select account_id, account, plan, uses, users, features from events.usage_by_account order by 1"),
          "a_1|Acme|team|8|2|2\na_2|Globex|free|10|1|1\n|||2|1|1", "by account")
    equal(s.pg.sql("select count(*) from events.usage_by_account where last_used > now() - interval '1 h'"), "3", "times")
    equal(s.pg.sql("select count(*) from events.usage_by_account_daily"), "0", "before it is refreshed")
    s.pg.sql("refresh materialized view concurrently events.usage_by_account_daily")
    equal(s.pg.sql("select account_id, feature, uses, users from events.usage_by_account_daily order by 1, 2"),
          "|login|2|1\na_1|export|7|2\na_1|login|1|1\na_2|api.call|10|1", "by day and feature")
    equal(s.pg.sql("select data_type from information_schema.columns where table_name = 'feature_used'"
                   " and column_name = 'received_at'"), "timestamp with time zone", "type of received_at")

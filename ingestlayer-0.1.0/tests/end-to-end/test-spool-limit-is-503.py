# SPDX-License-Identifier: MIT
"""A spool at its limit answers 503 with Retry-After, /readyz says why, and it
takes events again once the lane has caught up; no 202 is lost."""
from system import PLAIN, System, contains, equal, event, eventually

CONF = 'spool = { segment = "1MiB"; max_size = "4MiB"; retain = "0s"; };\n' + PLAIN
with System(CONF, start_postgres=False) as s:
    accepted, status, answer = 0, 202, None
    while status == 202 and accepted < 100000:
        status, answer, headers = s.http("POST", "/v1/ingest",
                                         [event(accepted + i, text="x" * 200) for i in range(500)])
        accepted += 500 if status == 202 else 0
    equal(status, 503, "status at the limit (%s)" % answer)
    equal(headers["Retry-After"].isdigit(), True, "Retry-After %r" % headers["Retry-After"])
    code, text, _ = s.http("GET", "/readyz", admin=True, key=None)
    equal(code, 503, "/readyz")
    contains(str(text), "max_size", "why")
    s.pg.start()
    eventually(lambda: s.http("POST", "/v1/ingest", event(999999))[0] == 202, "it accepts again", 60)
    s.delivered()
    equal(s.pg.sql("select count(distinct event_id), count(*) from t.rows"), "%d|%d" % (accepted + 1, accepted + 1),
          "rows")

# SPDX-License-Identifier: MIT
"""Same key, same id back and no second row: in one request, later, after a
restart and after kill -9."""
from system import PLAIN, System, equal

with System(PLAIN) as s:
    first = {"type": "test.event", "idempotencyKey": "k1", "payload": {"n": 1}}
    answer = s.post([first, first])["data"]
    equal((answer["accepted"], answer["duplicates"]), (1, 1), "in one request")
    made = answer["events"][0]["id"]
    for how in ("later", "restart", "kill"):
        if how == "restart":
            equal(s.daemon.stop(), 0, "exit code")
            s.daemon.start()
        elif how == "kill":
            s.daemon.kill()
            s.daemon.start()
        answer = s.post(first)["data"]
        equal((answer["accepted"], answer["duplicates"]), (0, 1), how)
        equal(answer["events"][0]["id"], made, "the id " + how)
        equal(answer["events"][0]["status"], "duplicate", "the status " + how)
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), "1", "rows")

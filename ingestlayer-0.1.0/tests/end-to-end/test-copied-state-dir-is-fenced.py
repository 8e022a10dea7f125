# SPDX-License-Identifier: MIT
"""Two daemons on copies of one state_dir: the later one takes the lane, the
first stops writing and says so; what both have is in the table once."""
import os
import shutil

from servers import Daemon
from system import PLAIN, System, contains, equal, event, eventually

with System(PLAIN) as s:
    s.post([event(i) for i in range(100)])
    s.delivered()
    s.daemon.kill()
    shutil.copytree(s.base + "/state", s.base + "/copy", ignore=shutil.ignore_patterns("control"))
    s.daemon.start()
    s.post([event(i) for i in range(100, 200)])
    s.delivered()

    with open(s.conf) as f:
        text = f.read().replace(s.base + "/state", s.base + "/copy")
    os.mkdir(s.base + "/second")
    conf = s.base + "/second/copy.conf"
    with open(conf, "w") as f:
        f.write(text)
    second = Daemon(s.base + "/second", conf, {"KEY": "test-key", "DSN": s.pg.dsn})
    second.start()
    try:
        eventually(lambda: int(s.pg.sql("select max(epoch) from ingestlayer.lanes")) == 3, "the second has the lane")
        s.post([event(i) for i in range(200, 300)])
        eventually(lambda: s.lane()["state"] == "fenced", "the first is fenced")
        contains(s.lane()["last_error"], "lane", "its error")
        equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "200|200", "rows")
    finally:
        second.kill()

    # The one that is wanted is started again: it takes the lane back.
    s.daemon.kill()
    s.daemon.start()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "300|300", "rows in the end")

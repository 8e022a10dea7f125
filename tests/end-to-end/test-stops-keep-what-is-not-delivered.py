# SPDX-License-Identifier: MIT
"""What no lane has delivered stays, however old it is: also in the moments of a
stop or an upgrade when no lane is there to hold it."""
import os

from system import HEAD, PLAIN, System, equal
from upgrades import UpgradeDaemon

CONF = PLAIN.replace(HEAD, HEAD + 'spool = { segment = "1MiB"; retain = "0s"; min_free = "0B"; };\n')
LANES = 12  # so that ending them takes a while
ROUNDS = int(os.environ.get("ROUNDS", "6"))


def more_lanes(conf):
    one = conf[conf.index("  { name = \"all\""):conf.rindex(");")]
    others = [one.replace('"all"', '"all%d"' % i).replace("t.rows", "t.rows%d" % i) for i in range(1, LANES)]
    return conf.replace(one, ",\n".join([one.rstrip()] + others) + "\n")


def segments(s):
    return sorted(name for name in os.listdir(os.path.join(s.base, "state", "spool")) if name.endswith(".seg"))


with System(more_lanes(CONF), kind=UpgradeDaemon) as s:
    for i in range(1, LANES):
        s.pg.sql("create table t.rows%d (event_id text, n bigint)" % i)
    s.delivered()
    s.pg.stop()
    sent = 0
    for _ in range(8):
        s.post([{"id": "e%d" % i, "type": "test.event", "payload": {"n": i, "pad": "x" * 1000}}
                for i in range(sent, sent + 500)])
        sent += 500
    before = segments(s)
    assert len(before) > 2, before
    for _ in range(ROUNDS):
        equal(s.daemon.upgrade()[0], 0, "exit code")
        equal(s.daemon.follow(), 0, "exit code of the one before")
        equal(s.daemon.stop(), 0, "exit code")
        s.daemon.start()
    equal(segments(s)[:len(before)], before, "segments, of which nothing is delivered")
    s.pg.start()
    s.delivered()
    for i in range(LANES):
        table = "t.rows%d" % i if i else "t.rows"
        equal(s.pg.sql("select count(*), count(distinct event_id) from " + table), "%d|%d" % (sent, sent), table)

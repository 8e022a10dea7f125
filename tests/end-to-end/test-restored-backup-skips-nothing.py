# SPDX-License-Identifier: MIT
"""A state_dir from an old backup, while Postgres is further on: what is sent
from then on gets positions that Postgres has seen.  The lane is fenced, since
the backup may be a copy that runs elsewhere; taken from its row, all of it is
delivered, once, also when Postgres is away at first and the daemon is killed
before the two have talked.  When only the spool is old nobody has to be asked."""
import os
import shutil

from system import PLAIN, System, contains, equal, event, eventually

sent = 0


def post(s, n):
    global sent
    s.post([event(i) for i in range(sent, sent + n)])
    sent += n


def check(s, when):
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "%d|%d" % (sent, sent), when)


def restore(s, part=""):
    state, backup = os.path.join(s.base, "state", part), os.path.join(s.base, "backup", part)
    shutil.rmtree(state)
    shutil.copytree(backup, state)


def back_up(s):
    equal(s.daemon.stop(), 0, "exit code")
    shutil.rmtree(s.base + "/backup", ignore_errors=True)
    shutil.copytree(s.base + "/state", s.base + "/backup")
    s.daemon.start()


def take(s):
    """The row is not believed before somebody says so."""
    eventually(lambda: s.lane()["state"] == "fenced", "the lane is fenced")
    before = s.pg.sql("select count(*) from t.rows")
    s.daemon.kill()
    r = s.daemon.command("lane", "take", "-c", s.conf, "--from", "row", "all/warehouse.pg")
    equal(r.returncode, 0, "exit code of lane take (%s)" % r.stderr.decode())
    contains(r.stdout.decode(), "nothing is passed over", "what it says")
    equal(s.pg.sql("select count(*) from t.rows"), before, "rows, before the daemon starts")
    s.daemon.start()


with System(PLAIN) as s:
    post(s, 50)
    check(s, "rows before the backup")
    back_up(s)
    post(s, 200)
    check(s, "rows after the backup")

    s.daemon.kill()
    restore(s)
    s.daemon.start()
    post(s, 60)
    take(s)
    check(s, "rows with the backup in place")
    s.daemon.kill()
    s.daemon.start()
    post(s, 10)
    check(s, "rows after a kill")

    # Postgres is away until the second start.
    back_up(s)
    post(s, 500)
    check(s, "rows after the second backup")
    s.daemon.kill()
    s.pg.stop()
    restore(s)
    s.daemon.start()
    post(s, 70)
    s.daemon.kill()
    s.daemon.start()
    post(s, 70)
    s.daemon.kill()
    s.pg.start()
    s.daemon.start()
    post(s, 10)
    take(s)
    check(s, "rows after kills while Postgres was away")
    s.daemon.kill()
    s.daemon.start()
    check(s, "rows after another kill")

    # More new events than Postgres is ahead.
    back_up(s)
    post(s, 30)
    check(s, "rows after the third backup")
    s.daemon.kill()
    s.pg.stop()
    restore(s)
    s.daemon.start()
    post(s, 100)
    s.daemon.kill()
    s.pg.start()
    s.daemon.start()
    take(s)
    check(s, "rows with more events than were lost")

    # Only the spool is old: the cursor is ahead.
    back_up(s)
    post(s, 300)
    check(s, "rows after the fourth backup")
    equal(s.daemon.stop(), 0, "exit code")
    restore(s, "spool")
    s.daemon.start()
    post(s, 40)
    check(s, "rows with an old spool")
    s.daemon.kill()
    s.daemon.start()
    post(s, 5)
    check(s, "rows with an old spool, after a kill")

# SPDX-License-Identifier: MIT
"""`ingestlayer upgrade` under load, again and again: no connection is refused,
none is cut off, whoever keeps one goes on with it, commands find a daemon all the
while, and each event that was answered is one row.  UPGRADES=n: so often."""
import os
import threading

from load import Load
from system import PLAIN, System, contains, equal, eventually
from upgrades import UpgradeDaemon

UPGRADES = int(os.environ.get("UPGRADES", "25"))
CLIENTS = 6


class Looker(threading.Thread):
    """`status`, again and again."""

    def __init__(self, s):
        super().__init__()
        self.s, self.end, self.failed, self.count = s, threading.Event(), [], 0

    def run(self):
        while not self.end.is_set():
            r = self.s.daemon.command("status", "-c", self.s.conf)
            self.count += 1
            if r.returncode:
                self.failed.append(r.stderr.decode())


def upgrade(s, load):
    before = load.sent()
    eventually(lambda: load.sent() > before + 50, "the load goes on")
    code, out, err = s.daemon.upgrade()
    equal((code, err), (0, ""), "exit code, standard error")
    contains(out, "runs in the place of version", "standard output")
    equal(s.daemon.follow(), 0, "exit code of the one before")
    said = s.daemon.upgraded()
    equal((said["state"], said["to"]["pid"], said["requests_cut"]), ("done", s.daemon.proc.pid, 0), "what it says")
    return said["waited_us"] / 1000


with System(PLAIN, kind=UpgradeDaemon) as s:
    looker = Looker(s)
    with Load(s.daemon.gate, clients=CLIENTS) as load:
        looker.start()
        try:
            waited = [upgrade(s, load) for _ in range(UPGRADES)]
        finally:
            looker.end.set()
            looker.join()
    print("%d upgrades, %d events, requests waited %.0f ms at most, in the middle %.0f; a sender %.0f" % (
        UPGRADES, load.sent(), max(waited), sorted(waited)[len(waited) // 2], load.stall_s * 1000))
    equal(load.refused, 0, "refused connections")
    equal(load.cut, 0, "connections cut off")
    equal(load.unexpected, [], "answers that are no 202")
    equal(looker.failed, [], "what status failed with")
    s.delivered()
    rows = list(s.pg.lines("select event_id from t.rows"))
    equal(len(rows), len(set(rows)), "rows that are there once")
    equal(sorted(rows), sorted(load.answered), "rows")
    equal(s.daemon.stop(), 0, "exit code")

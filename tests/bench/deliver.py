# SPDX-License-Identifier: MIT
"""The cases of deliveries event by event: webhook.out beside wrk, both to the
same endpoint, which reads and answers; and rows beside an endpoint that is
gone."""
import os
import re
import shutil
import subprocess
import time

from measure import Admin, Peak, cpu, thread_cpu
from rig import ALL, TOOLS, discard, pipeline
from servers import INGESTLAYER, free_port

CONNECTIONS = 64
LANE = "w1/warehouse.pg"
WRK_SECONDS = 4
DELIVERIES = 300000  # events of a round, at most
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
HOOK = """
  { plugin = "webhook.out"; name = "hook"; url = "%s"; concurrency = %d; secrets = ( "%s" ); begin = "oldest"; %s }
"""
OUT = '{ name = "out"; sources = ( { source = "app"; match = "feature.used"; } ); destinations = ( %s ); }'
# A request such as webhook.out makes it.
SCRIPT = """
wrk.method = "POST"
wrk.body = '{"id":"evt_01HZ8RPM0090DAMT3R3J02Q2QX","type":"feature.used",' ..
  '"received_at":"2026-11-23T07:09:00.500Z","timestamp":"2024-06-01T00:00:00.001Z",' ..
  '"payload":{"user_id":"u_042351","feature":"csv.export","count":1,"plan":"enterprise"}}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["User-Agent"] = "ingestlayer"
wrk.headers["webhook-id"] = "evt_01HZ8RPM0090DAMT3R3J02Q2QX"
wrk.headers["webhook-timestamp"] = "1795417740"
wrk.headers["webhook-signature"] = "v1,OpnHCxFdyBjqVMmQPDuUGdLm9GdUE6fJQiP8pHsSYbs="
"""


def hook(port, more=""):
    return HOOK % ("http://127.0.0.1:%d/hook" % port, CONNECTIONS, SECRET, more)


class Endpoint:
    """The receiver; count: requests, once it has ended."""

    def __enter__(self):
        self.proc = subprocess.Popen([os.path.join(TOOLS, "receive")], stdout=subprocess.PIPE)
        self.port, self.count = int(self.proc.stdout.readline()), None
        return self

    def __exit__(self, *_):
        self.proc.terminate()
        self.count = int(self.proc.stdout.read())
        self.proc.wait()


class Deliveries:
    """With self.rig, of the other cases."""

    def wrk(self):
        """As many connections, one request after the other on each."""
        base = self.rig.folder()
        script = os.path.join(base, "post.lua")
        with open(script, "w") as f:
            f.write(SCRIPT)
        with Endpoint() as e:
            proc = subprocess.Popen(["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "%ds" % WRK_SECONDS, "-s", script,
                                     "http://127.0.0.1:%d/hook" % e.port], stdout=subprocess.PIPE)
            out = proc.stdout.read().decode()
            _, code, used = os.wait4(proc.pid, 0)
            proc.returncode = os.waitstatus_to_exitcode(code)
        shutil.rmtree(base)
        found = re.search(r"(\d+) requests in ", out)
        rate = re.search(r"Requests/sec:\s+(\S+)", out)
        if proc.returncode or not found or not rate or "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError("wrk: " + out)
        return {"rate": float(rate.group(1)), "ours": (used.ru_utime + used.ru_stime) * 1e6 / int(found.group(1))}

    def webhook(self):
        """All events are in the spool before the first is sent."""
        rig = self.rig
        events = min(rig.events, DELIVERIES)
        d = rig.daemon("")
        try:
            rig.send(d.gate, "-c", 8, "-b", 500, "-n", events)
            d.stop()
            with Endpoint() as e:
                d = rig.daemon(OUT % hook(e.port), base=d.base)
                admin = Admin(d.admin)
                with Peak(d.proc.pid) as peak:
                    ours, left, began = cpu(d.proc.pid), admin.lag(), time.monotonic()
                    admin.drained()
                    took = time.monotonic() - began
                ours = cpu(d.proc.pid) - ours
                parked = sum(admin.values("events_parked"))
                d.stop()
            if parked or e.count != events:
                raise RuntimeError("%d requests for %d events, %d wait" % (e.count, events, parked))
            return {"rate": left / took, "ours": ours * 1e6 / left, "memory": peak.mb}
        finally:
            discard(d)

    # --- rows beside an endpoint that is gone, or somebody who looks ---
    def rows(self, more="", beside=None):
        """w1a, and one more destination, or another process.  `lane`: the CPU of
        the lane's own thread; `all`: of the daemon and of Postgres."""
        rig = self.rig
        rig.empty_table()
        where = pipeline(ALL)
        cut = where.rindex(");")
        d = rig.daemon(where[:cut] + (", " + more if more else "") + where[cut:], users=True)
        looks = beside(d) if beside else None
        try:
            admin = Admin(d.admin)
            lane, ours, theirs = thread_cpu(d.proc.pid, LANE), cpu(d.proc.pid), rig.pg_cpu()
            with Peak(d.proc.pid) as peak:
                sent = rig.send(d.gate, "-c", 8, "-b", 500, "-n", rig.events)
                began = time.monotonic() - sent["seconds"]
                admin.drained(lane=LANE)
                took = time.monotonic() - began
            lane = thread_cpu(d.proc.pid, LANE) - lane
            ours, theirs = cpu(d.proc.pid) - ours, rig.pg_cpu() - theirs
            rig.rows(1)
            if looks and looks.poll() is not None:
                raise RuntimeError("nobody looks any more")
            return {"rate": rig.events / took, "ours": ours * 1e6 / rig.events, "pg": theirs * 1e6 / rig.events,
                    "lane": lane * 1e6 / rig.events, "all": (ours + theirs) * 1e6 / rig.events, "memory": peak.mb}
        finally:
            if looks:
                looks.terminate()
                looks.wait()
            discard(d)

    def alone(self):
        return self.rows()

    def beside(self):
        """It wants one event in eighty."""
        return self.rows(hook(free_port(), 'when = "feature == csv.export and plan == free and count == 2";'))

    def beside_all(self):
        """It wants all of them."""
        return self.rows(hook(free_port()))

    def tapped(self):
        """Somebody looks at as much of the lane as it shows."""
        return self.rows(beside=lambda d: subprocess.Popen(
            [INGESTLAYER, "tap", "-c", d.conf, "--rate", "100000", LANE], env=d.env, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))

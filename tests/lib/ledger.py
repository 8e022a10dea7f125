# SPDX-License-Identifier: MIT
"""Steady load that writes down each event with the answer its sender got, and
the account at the end:

    acknowledged = rows + dead letters + deliberate drops, each exactly once,
    and no row that nobody sent.

An event's kind says where it has to end."""
import http.client
import json
import random
import threading
import time

ROW, DROP, BAD_TYPE, BAD_CHECK = "row", "drop", "type", "check"
DEAD = (BAD_TYPE, BAD_CHECK)
KEY = "ledger-key"


def event(event_id, kind, n):
    value = {BAD_TYPE: "no number", BAD_CHECK: -1 - n}.get(kind, n)
    return {"id": event_id, "type": "load.test", "payload": {"kind": kind, "n": value}}


class Ledger:
    """What was sent, and what was answered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kinds, self.acked, self.refused, self.errors = {}, set(), 0, []

    def sent(self, ids, kinds):
        with self.lock:
            self.kinds.update(zip(ids, kinds))

    def answered(self, ids, status, text):
        with self.lock:
            if status == 202:
                data = json.loads(text)["data"]
                if data["accepted"] + data["duplicates"] != len(ids):
                    self.errors.append("a 202 for %d of %d events" % (data["accepted"] + data["duplicates"], len(ids)))
                self.acked.update(ids)
            elif status in (429, 503):
                self.refused += len(ids)
            else:
                self.errors.append("status %d: %s" % (status, text[:300]))

    def account(self, rows, dead):
        """rows and dead: each id as often as it is there.  A list of what is
        wrong; and the sums."""
        counts = {}
        for place, ids in enumerate((rows, dead)):
            for event_id in ids:
                counts.setdefault(event_id, [0, 0])[place] += 1
        wrong = {}

        def note(what, event_id):
            wrong.setdefault(what, []).append(event_id)
        for event_id in self.acked:
            kind = self.kinds[event_id]
            want = [int(kind == ROW), int(kind in DEAD)]
            got = counts.get(event_id, [0, 0])
            if sum(got) < sum(want):
                note("lost", event_id)
            elif sum(got) > sum(want):
                note("doubled", event_id)
            elif got != want:
                note("in the wrong place", event_id)
        for event_id in counts:
            if event_id not in self.kinds:
                note("that nobody sent", event_id)
        sums = {"acked": len(self.acked), "rows": len(rows), "dead": len(dead),
                "drops": sum(1 for e in self.acked if self.kinds[e] == DROP)}
        if not wrong and sums["acked"] != sums["rows"] + sums["dead"] + sums["drops"]:
            wrong["in no account"] = sorted(set(counts) - self.acked)
        return ["%d events %s, as %s" % (len(ids), what, ", ".join(sorted(ids)[:4]))
                for what, ids in wrong.items()] + self.errors, sums


class Load(threading.Thread):
    """One sender: so many events a second until it is told to end.  Each batch
    is sent again until it is answered."""

    def __init__(self, ledger, port, seed, name, rate, batch):
        super().__init__(daemon=True)
        self.ledger, self.port, self.prefix = ledger, port, name
        self.random, self.rate, self.batch = random.Random(seed), rate, batch
        self.ending = self.aborted = False
        self.count = 0

    def kind(self):
        roll = self.random.random()
        return DROP if roll < 0.05 else BAD_TYPE if roll < 0.053 else BAD_CHECK if roll < 0.056 else ROW

    def run(self):
        conn, due = None, time.monotonic()
        while not self.ending:
            size = self.random.randrange(1, 2 * self.batch)
            kinds = [self.kind() for _ in range(size)]
            ids = ["%s-%06d" % (self.prefix, self.count + i) for i in range(size)]
            body = json.dumps([event(i, k, self.count + n) for n, (i, k) in enumerate(zip(ids, kinds))])
            self.count += size
            self.ledger.sent(ids, kinds)
            conn = self.insist(conn, ids, body)
            due = max(due + size / self.rate, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))

    def insist(self, conn, ids, body):
        while not self.aborted:
            try:
                if conn is None:
                    conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                conn.request("POST", "/v1/ingest", body,
                             {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
                answer = conn.getresponse()
                text = answer.read()
                self.ledger.answered(ids, answer.status, text)
                if answer.status not in (429, 503):
                    return conn
            except (OSError, http.client.HTTPException):
                conn = None  # no answer: it may be in or not, and goes again
            time.sleep(0.05)
        return conn

    def end(self, limit=60):
        self.ending = True
        self.join(limit)
        if self.is_alive():
            self.aborted = True
            self.ledger.errors.append("a sender got no answer within %d s" % limit)

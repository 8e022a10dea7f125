# SPDX-License-Identifier: MIT
"""The wall clock jumps forth and back, under a running daemon and between two
runs: every event arrives once, keys are known as long as the clock says, made ids
stay unique, retention keeps what is not delivered, connections and back-off do
not notice, and the tolerance of signed webhooks follows the clock."""
import glob
import hashlib
import hmac
import http.client
import json
import os
import time

from system import KEY, PLAIN, System, equal, event, eventually

HOUR = 3600
YEAR = 365 * 24 * HOUR
SECRET = "whsec_of_the_test"
CONF = ('idempotency = { window = "1h"; };\n'
        'spool = { segment = "1MiB"; retain = "1h"; min_free = "0B"; };\n'
        + PLAIN.replace('sources = ( { name = "app"',
                        'sources = ( { name = "hook"; plugin = "webhook.in"; scheme = "stripe";\n'
                        '              token = "env:TOKEN"; secrets = ( "env:SECRET" ); },\n'
                        '            { name = "app"', 1)
        .replace('sources = ( { source = "app"; match = "*"; } )',
                 'sources = ( { source = "app"; match = "*"; }, { source = "hook"; match = "*"; } )'))
BULK = "x" * 100000


class Clock:
    def __init__(self, s):
        self.path, self.offset = os.path.join(s.base, "clock"), 0
        self.set(0)
        s.daemon.env["INGESTLAYER_CLOCK_FILE"] = self.path

    def set(self, seconds):
        self.offset = seconds
        with open(self.path + ".new", "w") as f:
            f.write("%d\n" % (seconds * 1000000))
        os.rename(self.path + ".new", self.path)


def made(s, n, **more):
    """Events without an id of their own; the ids they got."""
    answer = s.post([dict({"type": "test.event", "payload": {"n": i}}, **more) for i in range(n)])
    return [e["id"] for e in answer["data"]["events"]]


def keyed(s, key):
    """1: taken for new, 0: for a duplicate."""
    return s.post([{"type": "test.event", "idempotencyKey": key, "payload": {"n": 0}}])["data"]["accepted"]


def webhook(s, at):
    body = json.dumps({"id": "evt_hook_%d" % (at * 1000), "type": "paid", "n": 1}).encode()
    stamp = str(int(at)).encode()
    signature = hmac.new(SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    return s.http("POST", "/whk/token", body, {"Stripe-Signature": "t=%s,v1=%s" % (stamp.decode(), signature)},
                  key=None)[0]


with System(CONF, start=False, env={"TOKEN": "token", "SECRET": SECRET}) as s:
    clock = Clock(s)
    s.daemon.start()
    ids, rows = [], 0
    idle = http.client.HTTPConnection("127.0.0.1", s.daemon.gate, timeout=20)

    def on_the_same_connection(i):
        idle.request("POST", "/v1/ingest", json.dumps([event(i)]),
                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
        answer = idle.getresponse()
        answer.read()
        equal(answer.status, 202, "status on a connection that is older than a jump")

    # Keys: the window is counted by the wall clock, and going back forgets nothing.
    on_the_same_connection(1)
    for at, key, new in ((0, "k1", 1), (0, "k1", 0), (HOUR - 60, "k1", 0), (-HOUR, "k1", 0), (-YEAR, "k1", 0),
                         (HOUR + 60, "k1", 1), (HOUR + 61, "k1", 0), (0, "k1", 0), (-YEAR, "k2", 1), (0, "k2", 1),
                         (YEAR, "k2", 1), (0, "k2", 0), (YEAR, "k2", 0)):
        clock.set(at)
        equal(keyed(s, key), new, "key %s at %d s is new" % (key, at))
        rows += new
        ids += made(s, 20)
    on_the_same_connection(2)
    equal(len(set(ids)), len(ids), "different ids")
    s.delivered()

    # Webhooks signed now are fresh by the daemon's clock only.
    now = time.time()
    for at, status in ((0, 202), (HOUR, 401), (-HOUR, 401), (0, 202)):
        clock.set(at)
        now += 1
        equal(webhook(s, now), status, "status of a webhook at %d s" % at)
    rows += 2

    # What is not delivered stays, whatever the clock says about its age.
    s.delivered()
    s.pg.stop()
    for i in range(100, 160):
        clock.set((i % 3 - 1) * YEAR)
        s.post([event(i, text=BULK)])
    segments = len(glob.glob(s.base + "/state/spool/*.seg"))
    if segments < 5:
        raise AssertionError("only %d segments" % segments)
    clock.set(YEAR)
    time.sleep(3)  # the spool's housekeeping comes every other second
    equal(s.lane()["lag_events"], 60, "events behind")
    equal(s.lane()["lag_seconds"] >= 0, True, "a lag is not negative")
    clock.set(-YEAR)
    s.pg.start()
    s.delivered(40)  # the longest back-off is 30 s, of no clock that jumps

    # And between two runs.
    for at, stop in ((YEAR, s.daemon.kill), (-YEAR, s.daemon.stop), (0, s.daemon.kill)):
        s.post([event(200 + (at > 0) + 2 * (at < 0))])
        stop()
        clock.set(at)
        s.daemon.start()
        ids += made(s, 20)
        equal(keyed(s, "k2"), 0, "a key of the year to come is new at %d" % at)
        s.post([event(210 + (at > 0) + 2 * (at < 0))])
    s.delivered()
    equal(len(set(ids)), len(ids), "different ids")
    rows += len(ids) + 2 + 60 + 6
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "%d|%d" % (rows, rows), "rows")

    # All is delivered: the clock may let the spool go.
    clock.set(2 * YEAR)
    eventually(lambda: len(glob.glob(s.base + "/state/spool/*.seg")) == 1, "old segments go")
    clock.set(0)
    equal(s.daemon.stop(), 0, "exit code")

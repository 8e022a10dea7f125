# SPDX-License-Identifier: MIT
"""Calls that fail while the daemon runs: no 202 for what is not durable,
/readyz says why, what was accepted before is delivered meanwhile, and either
it heals or a restart is clean."""
import errno
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("IL_SRCDIR", "."), "tests", "lib"))
import inject  # noqa: E402
from system import PLAIN, System, contains, equal, event, eventually  # noqa: E402

why = inject.usable()
if why:
    print(why)
    sys.exit(77)

CONF = 'spool = { segment = "1MiB"; min_free = "0B"; };\n' + PLAIN
box = tempfile.mkdtemp(prefix="il-io-")
sent = 0


def some(n, **payload):
    global sent
    sent += n
    return [event(i, **payload) for i in range(sent - n, sent)]


def refused(s, events, *words):
    """Refused until it heals; /readyz names the cause."""
    status, answer, headers = s.http("POST", "/v1/ingest", events)
    equal(status, 503, "status (%s)" % answer)
    equal(headers["Retry-After"].isdigit(), True, "Retry-After")
    status, answer, _ = s.http("GET", "/readyz", admin=True, key=None)
    equal(status, 503, "/readyz (%s)" % answer)
    for word in words:
        contains(answer["reasons"][0], word, "/readyz")


def again(s, events):
    """Accepted as new, not as something that was there."""
    eventually(lambda: s.http("GET", "/readyz", admin=True, key=None)[0] == 200, "/readyz is 200 again")
    equal(s.post(events)["data"]["accepted"], len(events), "accepted")


def check(s, when):
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "%d|%d" % (sent, sent), when)


def failed_sync(s, i):
    s.post(some(10))
    i.now(["sync"], inject.FAIL, errno.EIO, inject.FOR_EVER)
    lost = some(5)
    refused(s, lost, "cannot sync", "restarted")
    i.off()
    refused(s, lost, "cannot sync")  # no second sync that might say all is well
    eventually(lambda: s.pg.sql("select count(*) from t.rows") == str(sent - 5), "delivery goes on")
    s.daemon.kill()
    s.daemon.start()
    again(s, lost)
    check(s, "after a failed sync")


def failed_write(s, i, number=errno.ENOSPC):
    s.post(some(10))
    i.now(["write"], inject.FAIL, number, inject.FOR_EVER)
    lost = some(5)
    refused(s, lost, "cannot write", os.strerror(number))
    i.off()
    again(s, lost)
    check(s, "after failed writes")


def failed_open(s, i, number):
    s.post(some(1))  # the index makes its first files with the next
    s.post(some(1, text="x" * 900000))
    s.post(some(1))
    i.now(["open"], inject.FAIL, number, inject.FOR_EVER)
    lost = some(1, text="x" * 900000)  # does not fit into the segment
    refused(s, lost, "cannot write", os.strerror(number))
    refused(s, lost, "cannot write", os.strerror(number))
    i.off()
    again(s, lost)
    check(s, "after failed opens")


def failed_read(s, i):
    s.post(some(10))
    i.now(["read"], inject.FAIL, errno.EIO, inject.FOR_EVER)
    s.post(some(300))
    eventually(lambda: "rror" in s.lane()["last_error"], "the lane says that it cannot read")
    s.post(some(10))
    i.off()
    check(s, "after failed reads")


def failed_index(s, i):
    """The idempotency index cannot be written: a key that it could not keep
    would be accepted twice later on."""
    i.now(["write"], inject.FAIL, errno.ENOSPC, inject.FOR_EVER)
    global sent
    while True:
        events = some(500)
        status, answer, _ = s.http("POST", "/v1/ingest", events)
        if status != 202:
            break
        equal(sent < 1000000, True, "the index needs room some time")
    refused(s, events, "idempotency")
    i.off()
    again(s, events)
    equal(s.post(events)["data"]["duplicates"], 500, "duplicates")
    check(s, "after a full index")


def short_io(s, i):
    i.now(["write", "read"], inject.SHORT, 0, 1000)
    for _ in range(30):
        s.post(some(7))
    # a claim of the lane is written down before it is made
    s.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ingestlayer %'")
    s.post(some(7))
    check(s, "with short writes and reads")


CASES = ((failed_sync, ()), (failed_write, (errno.ENOSPC,)), (failed_write, (errno.EIO,)),
         (failed_write, (errno.EROFS,)), (failed_open, (errno.EMFILE,)), (failed_open, (errno.ENOSPC,)),
         (failed_read, ()), (failed_index, ()), (short_io, ()))

try:
    with System(CONF, start=False) as s:
        plain = dict(s.daemon.env)
        for case, args in CASES:
            folder = "/state/idem" if case is failed_index else "/state"
            i = inject.Injection(os.path.join(box, "control"), s.base + folder, [])
            s.daemon.env = dict(plain, **i.env())
            s.daemon.start()
            case(s, i, *args)
            i.off()
            equal(s.daemon.stop(), 0, "exit code")
            print("%s%s" % (case.__name__, args), flush=True)
        s.daemon.env = plain
        s.daemon.start()
        again(s, some(3))
        check(s, "after a restart")
finally:
    shutil.rmtree(box)

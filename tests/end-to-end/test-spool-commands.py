# SPDX-License-Identifier: MIT
"""`ingestlayer spool`, found by the config or by its folder: verify's exit code is
0 for a sound spool, 1 and the place for damage, and it changes nothing; export
prints the events, also beside a daemon and in a form that emit takes, and which of
them is a retry; a running daemon is named."""
import glob
import json
import os

from system import PLAIN, System, contains, equal, event, eventually

TABLE = "create schema t; create table t.rows (event_id text, n bigint constraint below_100 check (n < 100))"


def spool(s, *args, code=0):
    r = s.daemon.command("spool", *args)
    equal(r.returncode, code, "exit code of spool %s (%s)" % (" ".join(args), r.stderr.decode()))
    return r.stdout.decode() + r.stderr.decode()


CONF = PLAIN.replace('keys = ( "env:KEY" ); } );',
                     'keys = ( "env:KEY" ); }, { name = "other"; plugin = "sdk.event"; keys = ( "other-key" ); } );')
with System(CONF, table=TABLE) as s:
    status = s.daemon.command("status", "-c", s.conf).stdout.decode()
    contains(status, "no events", "status of an empty spool")
    s.post([event(i) for i in range(20)] + [event(20, n=1000)])
    s.delivered()
    contains(s.daemon.command("status", "-c", s.conf).stdout.decode(), " 1 dead letter in all", "status")
    contains(spool(s, "verify", "-c", s.conf, code=1), "a daemon is running on it", "verify beside a daemon")
    contains(spool(s, "inspect", "-c", s.conf, code=1), "export goes beside it", "inspect beside a daemon")
    beside = spool(s, "export", "-c", s.conf)
    equal([json.loads(line)["id"] for line in beside.splitlines()], ["e%06d" % i for i in range(21)], "export beside it")
    # What was exported can be sent: here it is known by its ids.
    again = s.daemon.command("emit", "-c", s.conf, "--source", "app", input=beside.encode())
    equal((again.returncode, again.stdout.decode().count("duplicate")), (0, 21), "emit of it (%s)" % again.stderr.decode())
    # All of an event goes through both, into another source too.
    odd = {"id": "own id \u2603", "type": "test.event", "timestamp": "2026-01-31T12:00:00.123Z",
           "payload": {"n": 50, "nested": {"a": [1, {"b": None}, []], "": {}}, "u": "Gr\u00fc\u00dfe \U0001f600 \"\\\n"}}
    s.post([odd])
    line = spool(s, "export", "-c", s.conf).splitlines()[-1]
    equal({k: json.loads(line).get(k) for k in odd}, odd, "export of all that an event may have")
    again = s.daemon.command("emit", "-c", s.conf, "--source", "other", input=line.encode())
    equal((again.returncode, again.stdout.decode()), (0, "accepted own id \u2603\n"), "emit of it elsewhere")
    was, now = [json.loads(line) for line in spool(s, "export", "-c", s.conf).splitlines()[-2:]]
    equal((was["source_id"], now["source_id"]), ("app", "other"), "where they came from")
    equal({k: now.get(k) for k in odd}, odd, "the same event")
    s.pg.sql("alter table t.rows drop constraint below_100")
    equal(s.daemon.command("dead", "retry", "-c", s.conf, "--all").returncode, 0, "dead retry")
    eventually(lambda: not s.dead(), "it is retried")
    equal(s.daemon.stop(), 0, "exit code")

    folder = s.base + "/state/spool"
    for where in (("-c", s.conf), ("--config", s.conf), ("--dir", folder)):
        contains(spool(s, "verify", *where), "24 events", "verify " + where[0])
    lines = [json.loads(line) for line in spool(s, "export", "-c", s.conf, "--from", "20").splitlines()]
    odd_id = "own id \u2603"
    equal([e["id"] for e in lines], ["e000019", "e000020", odd_id, odd_id, "e000020"], "exported")
    equal([e.get("retry") for e in lines], [None, None, None, None, {"lane": "all/warehouse.pg", "letter": 21}], "the retry")
    contains(spool(s, "inspect", "-c", s.conf), "24", "inspect")

    segment = glob.glob(folder + "/*.seg")[0]
    with open(segment, "r+b") as f:
        f.seek(64 + 20)
        byte = f.read(1)
        f.seek(64 + 20)
        f.write(bytes([byte[0] ^ 1]))
    before = os.stat(segment).st_mtime_ns, sorted(os.listdir(folder))
    for where in (("-c", s.conf), ("--dir", folder)):
        said = spool(s, "verify", *where, code=1)
        contains(said, os.path.basename(segment) + ": byte 64: ", "verify of damage")
        contains(said, "23 events", "verify of damage")
    equal((os.stat(segment).st_mtime_ns, sorted(os.listdir(folder))), before, "the spool is as it was")
    contains(spool(s, "verify", "--dir", s.base + "/none", code=1), "there is no spool", "no spool")
    contains(spool(s, "verify", "-c", s.base + "/none.conf", code=1), "none.conf", "no config")
    spool(s, "verify", "--nonsense", code=2)
    spool(s, "polish", code=2)

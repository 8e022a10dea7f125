# SPDX-License-Identifier: MIT
"""`ingestlayer spool`, found by the config or by its folder: verify's exit code is
0 for a sound spool, 1 and the place for damage, and it changes nothing; export
prints the events, also beside a daemon and in a form that emit takes, which of them
is a retry, and what the daemon has let go of before it came there; a running daemon
is named."""
import glob
import json
import os
import subprocess

from servers import INGESTLAYER
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
    equal([e.get("retry") for e in lines],
          [None] * 4 + [{"lane": "all/warehouse.pg", "letter": 21, "stopped": {"at": "destination"}}], "the retry")
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

# Nobody reads what export prints until the daemon has delivered all and let go of it.
with System('spool = { segment = "1MiB"; retain = "0s"; min_free = "0B"; };\n' + PLAIN, start_postgres=False) as s:
    for first in range(0, 2000, 500):
        s.post([event(i, fill="x" * 2000) for i in range(first, first + 500)])
    folder = s.base + "/state/spool/"
    segments = sorted(glob.glob(folder + "*.seg"))
    with open(s.base + "/said", "w+b") as said:
        export = subprocess.Popen([INGESTLAYER, "spool", "export", "-c", s.conf], env=s.daemon.env,
                                  stdout=subprocess.PIPE, stderr=said)
        first = export.stdout.readline()
        s.pg.start()
        s.delivered()
        eventually(lambda: glob.glob(folder + "*.seg") == segments[-1:], "all but the newest segment is let go of")
        lines = [json.loads(line) for line in [first] + export.stdout.readlines()]
        equal(export.wait(), 0, "exit code: it is no damage")
        said.seek(0)
        gone = [line for line in said.read().decode().splitlines() if "let go of" in line]
    numbers = [e["payload"]["n"] for e in lines]
    equal(numbers, sorted(set(numbers)), "what is printed is in order and comes once")
    equal((numbers[0], numbers[-1]), (0, 1999), "the first event and the last one")
    equal([line.split(": ")[:2] for line in gone],
          [["ingestlayer spool", os.path.basename(name)] for name in segments[:-1]], "the segments that it names")
    for line in gone[1:]:
        contains(line, ": byte 0: the daemon has let go of the rest of this segment meanwhile", "what it says of each")

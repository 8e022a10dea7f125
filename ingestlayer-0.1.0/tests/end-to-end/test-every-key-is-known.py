# SPDX-License-Identifier: MIT
"""Events with keys of their own, then the same again, also after kill -9 and
without the index: each of them is known, and memory stays as it is.  KEYS=n for
another number; `make check-faults` takes a million."""
import glob
import http.client
import json
import os
import shutil
import sys
import tempfile
import time

from servers import BUILD, Daemon, plugins_of, under_a_checker, without_plugin
from system import HEAD, KEY, equal

KEYS, BATCH = int(os.environ.get("KEYS", 200000)), 500
CONF = HEAD + """
plugin_dir = ( "%(null)s" );
pipelines = ( { name = "none"; sources = ( { source = "app"; match = "*"; } );
                destinations = ( { plugin = "destination.null"; } ); } );
"""


def memory(daemon):
    """MB of its own, and MB of files that it has mapped (the index)."""
    with open("/proc/%d/status" % daemon.proc.pid) as f:
        kb = {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith("Rss")}
    return kb["RssAnon"] / 1024, (kb["RssFile"] + kb["RssShmem"]) / 1024


def send_all(daemon, what):
    """How many were accepted, and how many known."""
    conn = http.client.HTTPConnection("127.0.0.1", daemon.gate, timeout=60)
    sums, anon = [0, 0], 0
    for first in range(0, KEYS, BATCH):
        body = "\n".join('{"type":"t.e","id":"key-of-the-event-%d","payload":{"n":%d}}' % (i, i)
                         for i in range(first, first + BATCH))
        conn.request("POST", "/v1/ingest", body, {"Authorization": "Bearer " + KEY,
                                                  "Content-Type": "application/x-ndjson"})
        answer = conn.getresponse()
        data = json.loads(answer.read())
        equal(answer.status, 202, "status (%s)" % data)
        sums[0] += data["data"]["accepted"]
        sums[1] += data["data"]["duplicates"]
        if first % 100000 == 0:
            anon = max(anon, memory(daemon)[0])
    anon, mapped = max(anon, memory(daemon)[0]), memory(daemon)[1]
    print("%s: %d accepted, %d known, %.0f MB of memory and %.0f MB of files in it" % (what, *sums, anon, mapped))
    equal(anon < 40 or under_a_checker(), True, "less than 40 MB of memory")
    return sums


why = without_plugin([name for name in plugins_of(CONF) if name != "destination.null"])
if why:
    print(why)
    sys.exit(77)
base = tempfile.mkdtemp(prefix="il-keys-")
try:
    conf = os.path.join(base, "conf")
    with open(conf, "w") as f:
        f.write(CONF % {"base": base, "null": os.path.join(BUILD, "tests")})
    daemon = Daemon(base, conf, {"KEY": KEY})
    daemon.start()
    equal(send_all(daemon, "first"), [KEYS, 0], "accepted and known")
    equal(send_all(daemon, "again"), [0, KEYS], "accepted and known")
    daemon.kill()
    daemon.start()
    equal(send_all(daemon, "after kill -9"), [0, KEYS], "accepted and known")
    daemon.kill()
    shutil.rmtree(base + "/state/idem")
    began = time.monotonic()
    daemon.start()
    print("made anew from the spool in %.1f s" % (time.monotonic() - began))
    equal(send_all(daemon, "without the index"), [0, KEYS], "accepted and known")
    print("%d MB of index" % (sum(os.path.getsize(p) for p in glob.glob(base + "/state/idem/*")) >> 20))
    equal(daemon.stop(), 0, "exit code")
except BaseException:
    if os.path.exists(base + "/daemon.log"):
        with open(base + "/daemon.log") as f:
            print(*f.readlines()[-20:])
    raise
finally:
    if daemon.proc and daemon.proc.poll() is None:
        daemon.kill()
    shutil.rmtree(base)

# SPDX-License-Identifier: MIT
"""A full disk answers 503, loses nothing that was acknowledged, and heals when
there is space again.  Needs root for a small tmpfs."""
import os
import subprocess
import sys
import tempfile

from system import PLAIN, System, equal, event, eventually

disk = tempfile.mkdtemp(prefix="il-disk-")
if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "il-test", disk],
                                  stderr=subprocess.DEVNULL).returncode:
    os.rmdir(disk)
    print("cannot mount a tmpfs")
    sys.exit(77)
try:
    conf = ('spool = { segment = "4MiB"; min_free = "0B"; };\n'
            + PLAIN.replace("%(base)s/state", disk + "/state").replace("64MiB", "1MiB"))
    with System(conf, start_postgres=False) as s:
        filler = os.path.join(disk, "filler")
        accepted, status = 0, 202
        while status == 202 and accepted < 1000000:
            status, answer, headers = s.http("POST", "/v1/ingest",
                                             [event(accepted + i, text="x" * 500) for i in range(500)])
            accepted += 500 if status == 202 else 0
        equal(status, 503, "status on a full disk (%s)" % answer)
        equal(accepted > 500, True, "some were accepted before")
        equal(headers["Retry-After"].isdigit(), True, "Retry-After %r" % headers["Retry-After"])
        equal(s.http("GET", "/readyz", admin=True, key=None)[0], 503, "/readyz")
        s.pg.start()
        s.delivered()
        equal(s.pg.sql("select count(distinct event_id), count(*) from t.rows"), "%d|%d" % (accepted, accepted),
              "rows")
        subprocess.run(["mount", "-o", "remount,size=256m", disk], check=True)
        eventually(lambda: s.http("POST", "/v1/ingest", event(9999999))[0] == 202, "it accepts again", 60)
        s.daemon.kill()
        s.daemon.start()
        s.delivered()
        equal(s.pg.sql("select count(distinct event_id), count(*) from t.rows"),
              "%d|%d" % (accepted + 1, accepted + 1), "rows in the end")
finally:
    subprocess.run(["umount", disk])
    os.rmdir(disk)

# SPDX-License-Identifier: MIT
"""A spool whose end was torn by a power cut: the start cuts the torn frame,
says so, and every whole event arrives."""
import glob
import os

from system import PLAIN, System, equal, event

with System(PLAIN, start_postgres=False) as s:
    s.post([event(i) for i in range(100)])
    s.daemon.kill()
    segment = sorted(glob.glob(s.base + "/state/spool/*.seg"))[-1]
    with open(segment, "r+b") as f:
        data = f.read()
        end = len(data.rstrip(b"\0"))
        f.seek((end + 7) // 8 * 8)
        f.write(b"\x60\0\0\0half a frame")
    s.daemon.start()
    s.post([event(i) for i in range(100, 200)])
    s.pg.start()
    s.delivered()
    equal(s.pg.sql("select count(*), count(distinct event_id) from t.rows"), "200|200", "rows")
    equal(os.path.exists(segment), True, "the segment is kept")

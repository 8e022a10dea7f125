# SPDX-License-Identifier: MIT
"""One process per state_dir: a second start says who has it and changes
nothing."""
from system import PATIENCE, PLAIN, System, contains, equal, event

with System(PLAIN) as s:
    second = s.daemon.command("run", "-c", s.conf, timeout=30 * PATIENCE)
    equal(second.returncode, 1, "exit code")
    contains(second.stderr.decode(), str(s.daemon.proc.pid), "the pid of the first")
    contains(second.stderr.decode(), s.base + "/state", "the folder")
    s.post(event(1))
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), "1", "rows")

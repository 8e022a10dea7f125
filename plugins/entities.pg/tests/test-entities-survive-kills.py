#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows change all together while the server and the daemon are killed, in the middle
of runs: an entity is never half of one row and half of another, and in the end the
entities are what the table is, behind a pooler as well where there is one."""
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "tests/lib"))
from ports import free_port  # noqa: E402
from system import HEAD, Failed, System, equal, eventually  # noqa: E402

ROWS = 20000
CONF = HEAD.replace('"env:KEY"', '{ key = "env:KEY"; entities = "all"; }').rstrip()[:-2].rstrip() + """,
 { name = "crm"; plugin = "entities.pg"; connection = "env:CRM"; connect_timeout = "2s";
   mirrors = ( { kind = "user"; key = "id"; every = "1s"; watermark = "updated_at"; gone = "delete";
                 query = "select id, v as a, v as b, v as c, updated_at from t.users"; },
               { kind = "plan"; key = "id"; every = "1s"; query = "select id, v from t.users where id <= 10"; } ); } );
"""
TABLE = """create schema t; create table t.users (id int primary key, v int not null, updated_at timestamptz default now());
insert into t.users select i, 0 from generate_series(1, %d) i""" % ROWS


class Bouncer:
    def __init__(self, s):
        self.program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        self.proc = None
        self.dsn = s.pg.dsn
        if not self.program or os.geteuid() == 0 and not shutil.which("setpriv"):
            return
        host, port = (s.pg.sql("show unix_socket_directories"), s.pg.sql("show port"))
        self.port = free_port()
        ini, users = os.path.join(s.base, "bouncer.ini"), os.path.join(s.base, "bouncer.users")
        user, base = s.pg.sql("select current_user"), s.pg.sql("select current_database()")
        with open(users, "w") as f:
            f.write('"%s" ""\n' % user)
        with open(ini, "w") as f:
            f.write("[databases]\n%s = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
                    "unix_socket_dir =\nauth_type = trust\nauth_file = %s\npool_mode = transaction\n"
                    "default_pool_size = 2\nserver_login_retry = 1\n" % (base, host, port, self.port, users))
        for path in (s.base, ini, users):
            os.chmod(path, 0o755)
        drop = ["setpriv", "--reuid", "nobody", "--clear-groups"] if os.geteuid() == 0 else []
        self.proc = subprocess.Popen(drop + [self.program, "-q", ini], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.dsn = "host=127.0.0.1 port=%d user=%s dbname=%s" % (self.port, user, base)

    def stop(self):
        if self.proc:
            self.proc.terminate()
            self.proc.wait()


with System(CONF, table=TABLE, start=False) as s:
    bouncer = Bouncer(s)
    print("through pgbouncer" if bouncer.proc else "without a pooler")
    s.daemon.env["CRM"] = bouncer.dsn
    problems, end = [], threading.Event()

    def look():
        n = 0
        while not end.is_set():
            n = n % ROWS + 7
            try:
                status, body, _ = s.http("GET", "/v1/entities/user/%d" % (n if n <= ROWS else 1))
            except OSError:
                time.sleep(0.05)
                continue
            if status == 200:
                t = body["data"]["traits"]
                if not t["a"] == t["b"] == t["c"]:
                    problems.append(t)

    def value(kind, uid, name):
        try:
            status, body, _ = s.http("GET", "/v1/entities/%s/%d" % (kind, uid))
        except OSError:
            return None
        return body["data"]["traits"][name] if status == 200 else None

    try:
        s.daemon.start()
        looker = threading.Thread(target=look)
        looker.start()
        time.sleep(0.3)
        s.daemon.kill()  # perhaps in the first run
        s.daemon.start()
        for v in range(1, 5):
            s.pg.sql("update t.users set v = %d, updated_at = now(); delete from t.users where id = %d" % (v, 100 + v))
            time.sleep(0.8)
            if v % 2:
                s.daemon.kill()
                s.daemon.start()
            else:
                s.pg.kill()
                time.sleep(0.5)
                s.pg.start()
        eventually(lambda: value("user", ROWS, "a") == 4 and value("plan", 3, "v") == 4, "all of it comes", 120)
        eventually(lambda: value("user", 1, "a") == 4, "the first, too", 60)
        s.daemon.command("entity", "mirror", "run", "-c", s.conf, "crm/user")
        eventually(lambda: value("user", 104, "a") is None, "what is gone goes", 60)
        end.set()
        looker.join()
        equal(problems[:3], [], "halves of rows")
        lines = s.daemon.command("entity", "list", "-c", s.conf, "--kind", "user").stdout.decode().splitlines()
        equal(len(lines), ROWS - 4, "how many there are")
        if not all('"a":4,"b":4,"c":4' in line for line in lines):
            raise Failed("some are not what the table is")
    finally:
        end.set()
        bouncer.stop()

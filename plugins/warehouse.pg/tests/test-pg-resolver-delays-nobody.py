# SPDX-License-Identifier: MIT
"""A name server that does not answer delays neither the stop nor another host;
each address of a name has its turn, and a name that has moved is found."""
import os
import socket
import sys
import threading
import time

from servers import BUILD, PATIENCE, under_a_checker
from system import PLAIN, System, equal, event, eventually

LIBRARY = os.path.join(BUILD, "plugins", "warehouse.pg", "tests", ".libs", "resolver.so")
NO_NAME = 'could not translate host name "db.test" to address: '
CONF = "drain = \"1s\";\n" + PLAIN.replace("table =", "connect_timeout = \"1s\"; table =")


def listener(address, port=0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(64)
    return s


def carry(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(door, path):
    """Postgres listens on a socket file; this makes it a host."""
    while True:
        a = door.accept()[0]
        b = socket.socket(socket.AF_UNIX)
        try:
            b.connect(path)
        except OSError:
            a.close()
            continue
        for pair in ((a, b), (b, a)):
            threading.Thread(target=carry, args=pair, daemon=True).start()


def names(*lines):
    """At once, so that nobody reads half of it."""
    with open(FILE + ".new", "w") as f:
        f.writelines(line + "\n" for line in lines)
    os.rename(FILE + ".new", FILE)


def stops_soon(s):
    began = time.monotonic()
    s.daemon.stop(30)
    equal(time.monotonic() - began < 6 * PATIENCE, True, "SIGTERM ends it soon")


def says(s, why):
    eventually(lambda: why in str(s.lane()["last_error"]), "it says " + why)


def cut(s):
    s.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where pid != pg_backend_pid()"
             " and backend_type = 'client backend'")


def count(s):
    return s.pg.sql("select count(*) || '|' || count(distinct event_id) from t.rows")


def dsn(s, hosts):
    s.daemon.env["DSN"] = "host=%s port=%d user=il dbname=postgres" % (hosts, door.getsockname()[1])


def threads(s):
    return len(os.listdir("/proc/%d/task" % s.daemon.proc.pid))


if under_a_checker():
    print("LD_PRELOAD does not go with a checker")
    sys.exit(77)
with System(CONF, start=False) as s:
    FILE = os.path.join(s.base, "names")
    s.daemon.env.update(LD_PRELOAD=LIBRARY, IL_RESOLVER=FILE)
    door = listener("127.0.0.1")
    silent = listener("127.0.0.2", door.getsockname()[1])
    path = os.path.join(s.pg.sock, ".s.PGSQL.5432")
    threading.Thread(target=serve, args=(door, path), daemon=True).start()

    # Nobody answers at the start: it stops, says why, and goes on by itself.
    dsn(s, "db.test")
    names("db.test wait")
    s.daemon.start()
    s.post([event(1)])
    time.sleep(0.5)
    stops_soon(s)
    s.daemon.start()
    says(s, NO_NAME + "no answer in time")
    names("db.test 127.0.0.1")
    s.delivered()
    equal(count(s), "1|1", "rows")

    # Nor when a connection is to be made anew: no threads gather.
    names("db.test wait")
    cut(s)
    s.post([event(2)])
    eventually(lambda: s.lane()["retries"] >= 2, "it tries again")
    before, tries = threads(s), s.lane()["retries"]
    eventually(lambda: s.lane()["retries"] >= tries + 2, "it tries again")
    equal(threads(s) - before <= 1, True, "one thread asks for one name")

    # The name is unknown for a while, then its first address is silent.
    names("other.test 127.0.0.1")
    says(s, NO_NAME + "Name or service not known")
    names("db.test 127.0.0.2 127.0.0.1")
    says(s, "db.test port %d did not answer in time" % door.getsockname()[1])
    s.delivered()
    equal(count(s), "2|2", "rows")
    names("db.test wait")
    cut(s)
    s.post([event(3)])
    time.sleep(0.5)
    stops_soon(s)

    # The other host of two is not held up.
    dsn(s, "slow.test,db.test")
    names("slow.test wait", "db.test 127.0.0.1")
    s.daemon.start()
    s.post([event(4)])
    s.delivered()
    equal(count(s), "4|4", "rows")
    stops_soon(s)

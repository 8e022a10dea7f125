# SPDX-License-Identifier: MIT
"""A new program that does not come up takes nothing: the command says why, the old
process goes on with its connections, its lanes and their positions, and nobody is
refused meanwhile."""
import os

from load import Load
from sockets import listening
from system import PLAIN, System, contains, equal, eventually
from upgrades import UpgradeDaemon


def fails(s, parts, *options):
    """The command fails and says so; the process stays."""
    pid = s.daemon.proc.pid
    code, out, err = s.daemon.upgrade(*options)
    equal((code, out), (1, ""), "exit code, standard output")
    for part in parts:
        contains(err, part, "standard error")
    contains(err, "the daemon runs on as it was", "standard error")
    equal(s.daemon.proc.poll(), None, "the old process")
    equal(s.daemon.pid(), pid, "who has the state_dir")
    equal(s.daemon.upgraded()["state"], "failed", "what it says")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def before_anything(s):
    s.daemon.install("#!/bin/sh\nexit 3\n")
    fails(s, ["the new process ended with exit code 3 before it was prepared"])
    s.daemon.install("#!/bin/sh\nkill -9 $$\n")
    fails(s, ["the new process was ended by signal 9 before it was prepared"])
    os.remove(s.daemon.program)
    fails(s, ["cannot start %s: No such file or directory" % s.daemon.program])
    s.daemon.install("\x7fELF no program")
    fails(s, ["cannot start %s: Exec format error" % s.daemon.program])
    s.daemon.install()


def bad_config(s):
    with open(s.conf) as f:
        text = f.read()
    write(s.conf, text.replace("warehouse.pg", "warehouse.gp"))
    fails(s, [s.conf + ":", "warehouse.gp", "did you mean", "see what it has found"])
    write(s.conf, text)


def formats(s):
    path = os.path.join(s.base, "state", "format")
    with open(path) as f:
        text = f.read()
    equal(text, "1\n", "format")
    write(path, "2\n")
    fails(s, ["before it was prepared"])
    contains(log(s), "has format 2, of a newer version of ingestlayer", "the log")
    write(path, "0\n")
    fails(s, ["would change how state_dir is laid out", "--no-way-back"])
    with open(path) as f:
        equal(f.read(), "0\n", "format, which nobody has touched")
    equal(s.daemon.upgrade("--no-way-back")[0], 0, "exit code")
    equal(s.daemon.follow(), 0, "exit code of the one before")
    with open(path) as f:
        equal(f.read(), "1\n", "format")


def log(s):
    with open(s.daemon.log, errors="replace") as f:
        return f.read()


def once_it_has_all(s):
    """An address more, which somebody else has: found out when it listens."""
    with open(s.conf) as f:
        text = f.read()
    other = listening("127.0.0.1", 0)
    address = "127.0.0.1:%d" % other.getsockname()[1]
    write(s.conf, text.replace('listen = "env:GATE"', 'listen = ( "env:GATE", "%s" )' % address))
    epoch = s.pg.sql("select epoch from ingestlayer.lanes")
    fails(s, ["ended with exit code 1 before it was ready", "its messages are in the log"])
    contains(log(s), 'cannot listen on "%s"' % address, "the log")
    contains(log(s), "the old process goes on", "the log")
    eventually(lambda: s.pg.sql("select epoch from ingestlayer.lanes") != epoch, "the lane begins anew")
    # and again, from where it is now
    fails(s, ["before it was ready"])
    other.close()
    equal(s.daemon.upgrade()[0], 0, "exit code")
    equal(s.daemon.follow(), 0, "exit code of the one before")
    write(s.conf, text)
    equal(s.daemon.upgrade()[0], 0, "exit code")
    equal(s.daemon.follow(), 0, "exit code of the one before")
    contains(log(s), "nobody listens on %s any more" % address, "the log")


with System(PLAIN, kind=UpgradeDaemon) as s:
    with Load(s.daemon.gate) as load:
        before_anything(s)
        bad_config(s)
        formats(s)
        once_it_has_all(s)
        n = load.sent()
        eventually(lambda: load.sent() > n + 100, "the load goes on")
    equal((load.refused, load.cut, load.unexpected), (0, 0, []), "refused, cut, not 202")
    s.delivered()
    rows = list(s.pg.lines("select event_id from t.rows"))
    equal(sorted(rows), sorted(load.answered), "rows")

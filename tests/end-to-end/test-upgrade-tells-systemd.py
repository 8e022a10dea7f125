# SPDX-License-Identifier: MIT
"""Under systemd the main process of the unit changes with an upgrade, and nothing
is heard of any other: this test owns the notify socket and judges by who sends, as
systemd does.  The watchdog's pings go on, sockets of a unit are passed on, and
a unit that cannot be told refuses."""
import array
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from gate import HEAD, Gate, contains, equal, eventually
from servers import BUILD
from sockets import listening
from upgrades import UpgradeDaemon

CONF = HEAD + 'http = { listen = "env:GATE"; };\n'
# A process learns its own number only once it is there.
SHELL = """
for name in $OWN; do eval "$name=\\$\\$; export $name"; done
exec "$0" "$@"
"""
with open(os.path.join(BUILD, "config.h")) as f:
    if "#define HAVE_SYSTEMD 1" not in f.read():
        print("skipped: built without libsystemd")
        sys.exit(77)


class Manager(threading.Thread):
    """The unit's main process, by what it says itself."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.main, self.strangers, self.heard, self.pings = None, [], [], {}
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.bind(path)

    def run(self):
        while True:
            data, extra, _, _ = self.sock.recvmsg(4096, 1024)
            sender = None
            for level, kind, value in extra:
                if kind == socket.SCM_RIGHTS:
                    for fd in array.array("i", value):
                        os.close(fd)  # a barrier: heard
                elif kind == socket.SCM_CREDENTIALS:
                    sender = struct.unpack("3i", value[:12])[0]
            self.hear(sender, dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line))

    def hear(self, sender, words):
        if self.main is None:
            self.main = sender
        if "BARRIER" in words:
            return  # of anybody, as systemd has it
        if sender != self.main:
            self.strangers.append((sender, words))
            return
        self.heard.append((sender, words))
        if "WATCHDOG" in words:
            self.pings[sender] = self.pings.get(sender, 0) + 1
        self.main = int(words.get("MAINPID", self.main))


class UnitDaemon(UpgradeDaemon):
    def __init__(self, base, conf, env=None):
        super().__init__(base, conf, env)
        self.socket = listening("127.0.0.1", self.gate)
        self.own = "SYSTEMD_EXEC_PID WATCHDOG_PID LISTEN_PID"
        self.env.update(WATCHDOG_USEC="2000000", LISTEN_FDS="1", LISTEN_FDNAMES="ingestlayer.socket")

    def launch(self):
        with open(self.log, "ab") as log:
            return subprocess.Popen(["sh", "-c", SHELL, self.program, "run", "-c", self.conf],
                                    env=dict(self.env, OWN=self.own), stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, pass_fds=[3],
                                    preexec_fn=lambda: os.dup2(self.socket.fileno(), 3))


def upgrades(g, m):
    for _ in range(3):
        before = g.daemon.proc.pid
        equal(m.main, before, "the main process")
        equal(g.daemon.upgrade()[0], 0, "exit code")
        equal(g.daemon.follow(), 0, "exit code of the one before")
        equal(m.main, g.daemon.proc.pid, "the main process")
        equal([w for s, w in m.heard if "MAINPID" in w][-1], {"MAINPID": str(m.main)}, "what the one before says")
        eventually(lambda: m.pings.get(m.main, 0) >= 2, "pings of the new one")
        equal(g.send("http://127.0.0.1:%d" % g.daemon.gate)[2], 202, "status")
    equal(m.strangers, [], "what others said")


def fails(g, m):
    pid = g.daemon.proc.pid
    g.daemon.install("#!/bin/sh\nsleep 2\nexit 1\n")
    pings = m.pings[pid]
    equal(g.daemon.upgrade()[0], 1, "exit code")
    equal(m.main, pid, "the main process")
    assert m.pings[pid] > pings, "no pings while the new process is prepared"
    g.daemon.install()
    equal(m.strangers, [], "what others said")


with Gate(CONF, kind=UnitDaemon, start=False) as g:
    path = g.path("notify")
    m = Manager(path)
    m.start()
    g.daemon.env["NOTIFY_SOCKET"] = path
    g.daemon.start()
    eventually(lambda: m.main, "it is ready")
    upgrades(g, m)
    fails(g, m)
    equal(g.daemon.stop(), 0, "exit code")
    equal([w for s, w in m.heard][-1].get("STOPPING"), "1", "the last that was heard")
    # the unit's socket is still there
    equal(g.curl("http://127.0.0.1:%d/" % g.daemon.gate, "--max-time", "1")[0], 28, "curl's exit code")

    # Type=exec: nobody hears whose turn it is
    del g.daemon.env["NOTIFY_SOCKET"]
    g.daemon.start()
    code, _, err = g.daemon.upgrade()
    equal(code, 1, "exit code")
    contains(err, "Type=notify", "standard error")
    time.sleep(0.1)
    equal(g.daemon.proc.poll(), None, "the daemon")

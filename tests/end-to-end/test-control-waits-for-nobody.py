# SPDX-License-Identifier: MIT
"""Clients of the control socket that trickle or say nothing keep no other
waiting; the socket is its owner's alone, and what else lies in its place is in
nobody's way; /metrics may be asked until the end."""
import os
import socket
import stat
import threading
import time
import urllib.request

from gate import HEAD, Gate, equal

CONF = HEAD + """
http = { listen = "env:GATE"; };
"""
with Gate(CONF) as g:
    path = g.path("state/control")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the socket's mode")
    slow = []
    for i in range(12):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(b"GET /v1/sta")
        slow.append(s)
    going = True

    def trickle():
        while going:
            for s in slow:
                try:
                    s.sendall(b"x")
                except OSError:
                    pass
            time.sleep(0.5)

    t = threading.Thread(target=trickle)
    t.start()
    began = time.monotonic()
    r = g.daemon.command("status", "-c", g.conf)
    took = time.monotonic() - began
    equal(r.returncode, 0, "status beside them: %s" % r.stderr)
    assert took < 3, "status took %.1f s" % took
    # and they are not heard for ever
    time.sleep(11)
    closed = 0
    for s in slow:
        s.settimeout(0.2)
        try:
            closed += s.recv(10) == b""
        except ConnectionError:
            closed += 1
        except OSError:
            pass
    going = False
    t.join()
    equal(closed, len(slow), "clients that were left")

    # what /metrics reads outlives the admin server
    asking = True

    def ask():
        while asking:
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/metrics" % g.daemon.admin, timeout=5).read()
            except OSError:
                pass

    for _ in range(5):
        asking = True
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for one in threads:
            one.start()
        time.sleep(0.3)
        equal(g.daemon.stop(), 0, "its exit code while /metrics is asked")
        asking = False
        for one in threads:
            one.join()
        g.daemon.start()
    equal(g.daemon.stop(), 0, "its exit code")

    # what a backup made of the socket, or somebody else
    other = g.path("other")
    with open(other, "w") as f:
        f.write("theirs")
    for what, put in (("an empty file", lambda: open(path, "w").close()),
                      ("a link", lambda: os.symlink(other, path))):
        put()
        g.daemon.start()
        r = g.daemon.command("status", "-c", g.conf)
        equal(r.returncode, 0, "status where %s lay: %s" % (what, r.stderr))
        assert stat.S_ISSOCK(os.lstat(path).st_mode), what
        equal(g.daemon.stop(), 0, "its exit code after %s" % what)
    with open(other) as f:
        equal(f.read(), "theirs", "what the link named")

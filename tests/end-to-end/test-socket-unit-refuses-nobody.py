# SPDX-License-Identifier: MIT
"""With the socket of a unit a restart refuses no connection: they wait until the
next process takes them.  A socket that no address of the config fits is an
error that names it, and so is one that cannot be listened on; of two servers
each takes its own."""
import json
import socket

from gate import HEAD, Gate, contains, equal
from load import Load
from sockets import SocketDaemon, listening

CONF = HEAD + 'http = { listen = "env:GATE"; threads = 2; };\n'


def events(g):
    r = g.daemon.command("spool", "export", "-c", g.conf)
    equal(r.returncode, 0, "spool export: " + r.stderr.decode())
    return [json.loads(line)["id"] for line in r.stdout.splitlines()]


def restarts(g):
    with Load(g.daemon.gate) as load:
        for _ in range(5):
            before = load.sent()
            while load.sent() < before + 50:
                pass
            equal(g.daemon.stop(), 0, "exit code")
            g.daemon.start()
    equal(load.refused, 0, "refused connections")
    equal(load.unexpected, [], "answers that are no 202")
    equal(g.daemon.stop(), 0, "exit code")
    equal(sorted(events(g)), sorted(load.answered), "events in the spool")


def refuses(g, sockets, part):
    g.daemon.sockets = sockets
    equal(g.daemon.launch().wait(30), 1, "exit code")
    contains(g.log(), part, "the log")


def misfits(g):
    gate = g.daemon.sockets[0]
    other = listening("127.0.0.1", 0)
    port = other.getsockname()[1]
    refuses(g, [gate, other], 'listen: does not have "127.0.0.1:%d", where ingestlayer.socket listens' % port)
    contains(g.log(), g.conf, "the log")
    udp = listening("127.0.0.1", 0, kind=socket.SOCK_DGRAM)
    refuses(g, [gate, udp], "descriptor 4, from ingestlayer.socket, is no stream socket")
    pair = socket.socketpair()
    refuses(g, [pair[0]], "is a connection and no socket that listens; Accept=no is needed")


def two_servers(g):
    g.daemon.sockets = [listening("127.0.0.1", g.daemon.admin), g.daemon.sockets[0]]
    g.daemon.start()
    equal(g.send("http://127.0.0.1:%d" % g.daemon.gate)[2], 202, "status")
    equal(g.daemon.stop(), 0, "exit code")
    equal(g.curl("http://127.0.0.1:%d/" % g.daemon.gate, "--max-time", "1")[0], 28,
          "curl's exit code while nobody answers, but the socket is there")


with Gate(CONF, kind=SocketDaemon) as g:
    gate = g.daemon.sockets[0]
    restarts(g)
    misfits(g)
    g.daemon.sockets = [gate]
    two_servers(g)

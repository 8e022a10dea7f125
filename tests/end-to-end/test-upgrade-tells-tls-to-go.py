# SPDX-License-Identifier: MIT
"""A connection with TLS cannot go to another process: at an upgrade those that are
used are told to close and are not cut off, those that are idle are closed and
counted, and the next ones are welcome.  Unix sockets and plain connections go
on."""
import http.client
import socket
import ssl

from gate import EVENT, HEAD, KEY, Gate, contains, equal, make_authority, make_certificate, skip_without
from load import Load
from servers import free_port
from upgrades import UpgradeDaemon

skip_without("openssl", "curl")
PLAIN = free_port()
CONF = HEAD + """
http = { listen = ( "env:GATE", "http://127.0.0.1:%d", "unix:%%(base)s/gate.sock" );
         tls = { certificate = "server.pem"; key = "server.key"; }; };
""" % PLAIN


def files(g):
    make_authority(g.base)
    make_certificate(g.base, "server")


def post(conn):
    conn.request("POST", "/v1/ingest", EVENT, {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    answer = conn.getresponse()
    answer.read()
    return answer.status


def upgrade(g):
    code, out, err = g.daemon.upgrade()
    equal((code, err), (0, ""), "exit code, standard error")
    equal(g.daemon.follow(), 0, "exit code of the one before")
    return g.daemon.upgraded(), out


class ByPath(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(g.path("gate.sock"))


with Gate(CONF, files, kind=UpgradeDaemon) as g:
    tls = ssl.create_default_context(cafile=g.path("ca.pem"))
    with Load(g.daemon.gate, tls=tls) as load:
        for _ in range(3):
            before = load.sent()
            while load.sent() < before + 20:
                pass
            upgrade(g)
    equal((load.refused, load.cut, load.unexpected), (0, 0, []), "refused, cut, not 202")

    idle = http.client.HTTPSConnection("localhost", g.daemon.gate, context=tls, timeout=20)
    plain = http.client.HTTPConnection("127.0.0.1", PLAIN, timeout=20)
    path = ByPath("localhost", timeout=20)
    for conn in (idle, plain, path):
        equal(post(conn), 202, "status")
    ports = plain.sock.getsockname()
    said, out = upgrade(g)
    equal((said["connections"], said["tls_closed"]), (2, 1), "connections that went on, and were closed")
    contains(out, "1 idle connection with TLS had to be closed", "standard output")
    equal(idle.sock.recv(1), b"", "what the idle one hears")
    for conn in (plain, path):
        equal(post(conn), 202, "status")
    equal(plain.sock.getsockname(), ports, "the connection, which is the same")
    idle.close()
    equal(post(idle), 202, "status")
    equal(g.daemon.stop(), 0, "exit code")

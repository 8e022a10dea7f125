# SPDX-License-Identifier: MIT
"""Records of TLS and requests of HTTP have nothing to do with each other: many
requests in a record, one in many, answers that nobody reads for a while; ALPN,
handshakes that stand still, and a proper end."""
import json
import socket
import ssl
import threading
import time

from servers import PATIENCE
from gate import EVENT, HEAD, KEY, Gate, contains, equal, make_authority, make_certificate, skip_without

skip_without("openssl")
CONF = HEAD + """
http = { listen = ( "env:GATE", "unix:%(base)s/gate.sock" ); timeout = "3s"; max_body = "8MiB";
         tls = { certificate = "server.pem"; key = "server.key"; }; };
"""
MANY = 3000


def files(g):
    make_authority(g.base)
    make_certificate(g.base, "server")


def request(body=EVENT, more=""):
    return ("POST /v1/ingest HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n%s"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (KEY, more, len(body), body)).encode()


def dial(g, alpn=(), small=False, version=None):
    context = ssl.create_default_context(cafile=g.path("ca.pem"))
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.maximum_version = version
    raw = socket.socket()
    if small:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(30)
    raw.connect(("127.0.0.1", g.daemon.gate))
    return context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)


def unix(g):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(g.path("gate.sock"))
    return s


def answers(s, count):
    """The statuses of so many answers, and nothing behind them."""
    said, seen = b"", []
    while len(seen) < count:
        head, end, rest = said.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) if end else 0
        if not end or len(rest) < length:
            more = s.recv(65536)
            if not more:
                break
            said += more
            continue
        seen.append(int(head[9:12]))
        json.loads(rest[:length])
        said = rest[length:]
    equal(said, b"", "what comes after the answers")
    return seen


def not_read_for_a_while(s, what):
    sender = threading.Thread(target=lambda: s.sendall(request() * MANY))
    sender.start()
    time.sleep(1.5)
    equal(set(answers(s, MANY)), {202}, what)
    sender.join()
    s.close()


with Gate(CONF, files) as g:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        s = dial(g, version=version)
        s.sendall(request() * 40)
        equal(answers(s, 40), [202] * 40, "requests in one record, %s" % s.version())
        for i in range(0, len(request())):
            s.sendall(request()[i:i + 1])
        equal(answers(s, 1), [202], "a record for each byte")
        large = '{"type":"t","payload":{"x":"%s"}}' % ("y" * 900000)
        s.sendall(request(large))
        equal(answers(s, 1), [202], "a large body")
        s.sendall(request(more="Connection: close\r\n"))
        equal(answers(s, 1), [202], "the last")
        equal(s.recv(1), b"", "a proper end of the session")
        s.close()

    # bytes that GnuTLS has are none that epoll tells of
    s = dial(g)
    first, second = request(), request()
    s.sendall(first + second[:30])
    equal(answers(s, 1), [202], "the first of one and a half")
    s.sendall(second[30:])
    equal(answers(s, 1), [202], "the other half")
    s.close()

    not_read_for_a_while(dial(g, small=True), "answers over TLS that wait")
    not_read_for_a_while(unix(g), "answers over a unix socket that wait")

    s = dial(g, ["h2", "http/1.1"])
    equal(s.selected_alpn_protocol(), "http/1.1", "ALPN")
    s.close()
    try:
        dial(g, ["h2"])
        said = "a session"
    except (ssl.SSLError, ConnectionError) as e:
        said = str(e)
    equal("a session" in said, False, "ALPN with nothing in common: " + said)

    # neither a handshake nor a head may take for ever
    begun = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=30)
    begins = socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=30)
    begins.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    shaken = dial(g)
    for s in (silent, begins):
        equal(s.recv(100), b"", "a handshake that stands still")
    try:
        said = shaken.recv(100)
    except ssl.SSLError as e:
        said = b"" if "EOF" in str(e) else str(e)
    equal(said, b"", "a session without a request")
    equal(2.5 < time.monotonic() - begun < 12 * PATIENCE, True, "seconds: %.1f" % (time.monotonic() - begun))
    # what is no TLS
    s = socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=30)
    s.sendall(request())
    try:
        while s.recv(1000):
            pass
    except ConnectionError:
        pass
    contains(g.curl("http://127.0.0.1:%d/metrics" % g.daemon.admin)[1], 'http_connections{server="gate"}', "metrics")
    equal(g.daemon.stop(), 0, "exit code")

# SPDX-License-Identifier: MIT
"""What ingestlayer.conf(5) says of TLS: curl --cacert works, plain text and old
versions do not, http:// and unix sockets stay plain, client_ca lets only its
own in."""
import os
import re
import socket
import ssl
import subprocess
import time

from gate import HEAD, Gate, contains, equal, make_authority, make_certificate, skip_without

skip_without("openssl", "curl")
CONF = HEAD + """
http = { listen = ( "env:GATE", "http://127.0.0.1:%(plain)d", "unix:%(base)s/gate.sock" );
         tls = { certificate = "server.pem"; key = "server.key"; %(more)s }; };
"""


def files(g):
    make_authority(g.base)
    make_authority(g.base, "clients")
    make_certificate(g.base, "server")
    make_certificate(g.base, "friend", "clients")


def conf(more=""):
    from servers import free_port
    port = free_port()
    return port, CONF.replace("%(plain)d", str(port)).replace("%(more)s", more)


def handshake(g, *args):
    r = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % g.daemon.gate, "-CAfile",
                        g.path("ca.pem"), "-verify_return_error", "-cipher", "ALL:@SECLEVEL=0"] + list(args),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.returncode == 0, r.stdout.decode(errors="replace")


plain, text = conf()
with Gate(text, files) as g:
    url = "https://localhost:%d" % g.daemon.gate
    code, said, status = g.send(url, "--cacert", g.path("ca.pem"))
    equal((code, status), (0, 202), "curl --cacert (%s)" % said)
    equal(g.send(url)[0], 60, "curl without it")
    equal(g.send("http://localhost:%d" % g.daemon.gate)[2], 0, "plain text to the TLS address")
    equal(g.send("http://127.0.0.1:%d" % plain)[2], 202, "http://")
    equal(g.send("http://gate", "--unix-socket", g.path("gate.sock"))[2], 202, "unix")
    for version, good in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        ok, said = handshake(g, version)
        equal(ok and "Cipher is (NONE)" not in said, good, version + "\n" + said[-2000:])
    for cipher in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"):
        ok, said = handshake(g, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
        equal(ok and "Cipher is (NONE)" not in said, False, cipher)
    contains(g.log(), "accepting events on https://127.0.0.1:%d" % g.daemon.gate, "the log")
    code, metrics, _ = g.curl("http://127.0.0.1:%d/metrics" % g.daemon.admin)
    expires = re.search(r'^ingestlayer_http_certificate_expires_timestamp_seconds.* (\S+)$', metrics, re.M)
    equal(29 < (float(expires.group(1)) - time.time()) / 86400 < 31, True, "days until it expires in " + metrics)
    equal(g.daemon.stop(), 0, "exit code")
    equal(os.path.exists(g.path("gate.sock")), False, "the unix socket after the stop")

_, text = conf('client_ca = "clients.pem";')
with Gate(text, files) as g:
    url = "https://localhost:%d" % g.daemon.gate
    trust = ["--cacert", g.path("ca.pem")]
    equal(g.send(url, *trust)[2], 0, "without a client's certificate")
    equal(g.send(url, *trust, "--cert", g.path("server.pem"), "--key", g.path("server.key"))[2], 0,
          "with one of another authority")
    equal(g.send(url, *trust, "--cert", g.path("friend.pem"), "--key", g.path("friend.key"))[2], 202,
          "with one of client_ca")

# heads are looked at behind TLS as they are without
_, text = conf()
with Gate(text, files) as g:
    for name, head in (("bare LF", "Host: t\nContent-Length: 3\n\nabc"), ("NUL", "Host: t\r\nX: a\0b\r\n\r\n"),
                       ("folded", "Host: t\r\nX: a\r\n b\r\n\r\n"), ("right", "Host: t\r\nContent-Length: 0\r\n\r\n")):
        trust = ssl.create_default_context(cafile=g.path("ca.pem"))
        with socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=20) as raw, \
                trust.wrap_socket(raw, server_hostname="localhost") as s:
            s.sendall(("POST /v1/ingest HTTP/1.1\r\n" + head).encode())
            equal(s.recv(4096)[9:12], b"401" if name == "right" else b"400", name + " over TLS")

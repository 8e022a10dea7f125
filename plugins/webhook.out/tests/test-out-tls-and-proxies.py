#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Certificates are checked against the CA of the config, those of clients are
shown, and a proxy's failures are told from the target's."""
import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time

from ports import free_port
from receiver import Answer, Proxy, Receiver, make_ca
from tool import equal, line, one, send

if not shutil.which("openssl"):
    print("skipped: openssl is missing")
    sys.exit(77)
dir = tempfile.mkdtemp()


def beside_http2(ca):
    """nginx before the receiver: it would speak HTTP/2, and is not asked to."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(nginx):
        print("skipped: a receiver with HTTP/2, for nginx is missing")
        return
    with Receiver() as r:
        r.script = lambda request: Answer(200, delay=0.3)
        port = free_port()
        conf = os.path.join(dir, "nginx.conf")
        with open(conf, "w") as f:
            f.write("""daemon off; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log; worker_processes 1;
                events { } http { access_log %(dir)s/access.log combined; client_body_temp_path %(dir)s/b;
                log_format which "$server_protocol $connection"; access_log %(dir)s/which.log which;
                proxy_temp_path %(dir)s/p; fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
                server { listen 127.0.0.1:%(port)d ssl http2; ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
                location / { proxy_pass %(url)s; } } }
                """ % {"dir": dir, "port": port, "cert": ca["server.pem"], "key": ca["server.key"], "url": r.url})
        server = subprocess.Popen([nginx, "-p", dir, "-e", os.path.join(dir, "error.log"), "-c", conf])
        try:
            url = "https://localhost:%d/" % port
            until = time.monotonic() + 20
            while one(url, ["ca_file=" + ca["ca.pem"]]).what == "connect" and time.monotonic() < until:
                time.sleep(0.1)
            answers = send([line(url, timeout=10000)] * 24, ["ca_file=" + ca["ca.pem"], "concurrency=6"])
            equal("statuses", [a.status for a in answers], [200] * 24)
            time.sleep(0.3)
            with open(os.path.join(dir, "which.log")) as f:
                lines = f.read().split("\n")[:-1][-24:] # before them are those of the waiting
            equal("protocol", {text.split()[0] for text in lines}, {"HTTP/1.1"})
            equal("connections", len({text.split()[1] for text in lines}), 6)
        finally:
            server.terminate()
            server.wait()


try:
    os.chmod(dir, 0o755)
    ca = make_ca(dir)
    trust = ["ca_file=" + ca["ca.pem"]]
    with Receiver(tls=(ca["server.pem"], ca["server.key"])) as r:
        equal("known", one(r.url + "/", trust).status, 200)
        got = one(r.url + "/secret-path", [])
        equal("unknown", got.what, "tls")
        assert "secret-path" not in got.error and "certificate" in got.error, got
        equal("not verified", one(r.url + "/", ["no_verify=1"]).status, 200)
        equal("another name", one(r.url.replace("localhost", "127.0.0.1") + "/", trust).what, "tls")
        equal("no CA", one(r.url + "/", ["ca_file=/nonexistent"]).what, "tls")
        equal("requests", len(r.requests), 2)
        equal("TLS where there is none", one("https://127.0.0.1:%d/" % free_port(), trust).what, "connect")
        # HTTP where TLS is wanted
        assert one(r.url.replace("https", "http") + "/", trust).what in ("connect", "protocol")
    # a connection serves one request after the other; an answer may be long, and come in many records
    with Receiver(tls=(ca["server.pem"], ca["server.key"])) as r:
        r.script = lambda request: Answer(200, body=os.urandom(60000))
        answers = send([line(r.url + "/", body="x" * 100000)] * 6, trust + ["concurrency=1"])
        equal("kept", [(a.status, len(a.body)) for a in answers], [(200, 1024)] * 6)
        equal("bodies", [q.body for q in r.requests], [b"x" * 100000] * 6)
        equal("connections", r.accepted, 1)
    with Receiver(tls=(ca["server.pem"], ca["server.key"]), client_ca=ca["ca.pem"]) as r:
        mine = trust + ["cert=" + ca["client.pem"], "key=" + ca["client.key"]]
        equal("with a certificate", one(r.url + "/", mine).status, 200)
        assert one(r.url + "/", trust).what in ("tls", "connect")
        equal("requests", len(r.requests), 1)
    with Receiver() as r:
        equal("plain where TLS is wanted", one(r.url.replace("http", "https") + "/", trust).what, "tls")

    with Receiver() as plain, Receiver(tls=(ca["server.pem"], ca["server.key"])) as secure:
        proxy = Proxy()
        through = ["proxy=http://user:pr0xySECRET@127.0.0.1:%d" % proxy.port, *trust]
        equal("HTTP", one(plain.url + "/a", through).status, 200)
        equal("HTTPS", one(secure.url + "/b", through).status, 200)
        equal("asked", proxy.asked, ["POST %s/a" % plain.url, "CONNECT localhost:%d" % secure.port])
        equal("password", {base64.b64decode(a.split()[1]) for a in proxy.authorizations}, {b"user:pr0xySECRET"})
        before = plain.accepted, secure.accepted
        answers = send([line(url + "/") for url in (plain.url, secure.url) for _ in range(4)], through + ["concurrency=2"])
        equal("kept", {a.status for a in answers}, {200})
        assert plain.accepted - before[0] <= 2 and secure.accepted - before[1] <= 2, (plain.accepted, secure.accepted)
        del proxy.asked[:]
        # the target itself is checked by the proxy alone, and fails as ever
        secure.script = lambda request: Answer(502)
        equal("target's 502", one(secure.url + "/", through).status, 502)
        for refuse in (407, 403, 502, 503):
            proxy.refuse = refuse
            got = one(secure.url + "/", through)
            equal("refused with %d" % refuse, got.what, "proxy")
            assert "SECRET" not in got.error, got
        proxy.refuse = 407
        equal("407 of plain HTTP", one(plain.url + "/", through).what, "proxy")
        proxy.close()
        got = one(secure.url + "/", through)
        equal("no proxy", got.what, "proxy")
        assert "SECRET" not in got.error, got
        equal("no name of a proxy", one(secure.url + "/", ["proxy=http://no-such-name.invalid:1"]).what, "proxy")
    beside_http2(ca)
finally:
    shutil.rmtree(dir)
sys.exit(0)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Neither the environment nor the home folder decides where a request goes or
what it carries, nothing of one answer is in the next request, and no error
shows what a URL hides."""
import os
import shutil
import socket
import sys
import tempfile

from ports import free_port
from receiver import Answer, Receiver
from tool import equal, line, one, send

dir = tempfile.mkdtemp()
try:
    with Receiver() as r, Receiver() as other:
        with open(os.path.join(dir, ".netrc"), "w") as f:
            f.write("machine 127.0.0.1 login stranger password netrc-secret\ndefault login x password y\n")
        with open(os.path.join(dir, ".curlrc"), "w") as f:
            f.write("proxy = %s\n" % other.url)
        env = {"HOME": dir, "CURL_HOME": dir, "NETRC": os.path.join(dir, ".netrc")}
        env.update({name: other.url for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                                 "ALL_PROXY")})
        r.script = lambda request: Answer(200, {"Set-Cookie": "session=1; Path=/", "Alt-Svc": 'http/1.1="127.0.0.1:%d"' % other.port,
                                                "Strict-Transport-Security": "max-age=1000", "Connection": "keep-alive"})
        answers = send([line(r.url + "/%d" % i) for i in range(5)], ["concurrency=1"], env)
        equal("statuses", [a.status for a in answers], [200] * 5)
        equal("to another", other.accepted, 0)
        for request in r.requests:
            equal("headers", sorted(request.headers), ["accept", "content-length", "host", "user-agent"])

    # what a URL hides, in each kind of error
    port = free_port()
    secrets = ["T00SECRET", "B00SECRET", "XXSECRETXX", "tok3nSECRET", "valueSECRET"]
    path = "/services/T00SECRET/B00SECRET/XXSECRETXX?tok3nSECRET=valueSECRET"
    with Receiver() as r:
        r.script = lambda request: Answer(do=request.headers["x-do"], body="nonsense")
        requests = [line("http://127.0.0.1:%d" % port + path), line("http://no-such-name.invalid" + path),
                    line(r.url.replace("http:", "https:") + path),
                    *[line(r.url + path, timeout=500, headers=["X-Do: " + do])
                      for do in ("hang", "reset", "close", "half-head", "garbage", "endless-head")]]
        for got in send(requests, ["concurrency=20"]):
            assert got.what != "answered" and got.error, got
            assert not any(s in got.error for s in secrets), got
            assert "127.0.0.1:%d" % r.port not in path
    got = one("http://user:SECRET@127.0.0.1" + path)
    equal("a password in a URL", got.what, "request")
    assert "SECRET" not in got.error, got
finally:
    shutil.rmtree(dir)
sys.exit(0)

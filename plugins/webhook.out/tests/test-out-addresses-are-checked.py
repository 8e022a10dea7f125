#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever a URL or a name server says, and however an address is written,
nothing is sent to an address that is not allowed: none of these opens a
socket."""
import os
import shutil
import sys
import tempfile

from receiver import Answer, Receiver
from servers import under_a_checker
from tool import equal, line, one, send

# As URLs may have them
URLS = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "[::127.0.0.1]", "0.0.0.0", "0", "[::]", "10.0.0.1", "192.168.1.1", "172.31.255.255",
        "100.100.100.200", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "224.0.0.1", "255.255.255.255",
        "localhost", "LOCALHOST"]
LINK_LOCAL = ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[::169.254.169.254]"]

with Receiver() as r:
    at = ":%d/secret-path?token=hidden" % r.port
    for got, url in zip(send([line("http://" + host + at, timeout=3000) for host in URLS], ["private=0", "concurrency=50"]),
                        URLS):
        equal(url, got.what, "address")
        assert "RFC" in got.error and "secret" not in got.error and "hidden" not in got.error, got.error
    # refused even where private ones are allowed
    for got, url in zip(send([line("http://" + host + at, timeout=3000) for host in LINK_LOCAL]), LINK_LOCAL):
        equal(url, got.what, "address")
    equal("connections", r.accepted, 0)
    # and what is listed is sent
    equal("listed", one("http://127.0.0.1" + at, ["private=0", "allow=127.0.0.0/8"]).status, 200)
    equal("allowed", one("http://127.0.0.1" + at).status, 200)
    # a redirect is an answer
    r.script = lambda request: Answer(307, {"Location": "http://169.254.169.254/latest/meta-data"})
    got = one("http://127.0.0.1" + at)
    equal("redirect", (got.what, got.status, len(r.requests)), ("answered", 307, 3))

    resolver = os.path.join(os.environ["IL_BUILDDIR"], "plugins", "warehouse.pg", "tests", ".libs", "resolver.so")
    if not os.path.exists(resolver):
        print("skipped: names, for warehouse.pg was not built")
        sys.exit(0)
    if under_a_checker():
        print("skipped: names, for a sanitizer's own library has to come first")
        sys.exit(0)
    dir = tempfile.mkdtemp()
    try:
        names = {"inside.test": "10.1.2.3", "meta.test": "169.254.169.254", "six.test": "::1",
                 "mapped.test": "::ffff:127.0.0.1", "nat.test": "64:ff9b::a00:1", "home.test": "127.0.0.1",
                 "both.test": "10.1.2.3 127.0.0.1"}
        with open(os.path.join(dir, "hosts"), "w") as f:
            f.writelines("%s %s\n" % item for item in names.items())
        env = {"LD_PRELOAD": resolver, "IL_RESOLVER": os.path.join(dir, "hosts")}
        for got, name in zip(send([line("http://" + name + at, timeout=3000) for name in names], ["private=0"], env),
                             names):
            equal(name, got.what, "address")
        # one of its addresses may be
        got = one("http://both.test" + at, ["private=0", "allow=127.0.0.1"], env)
        equal("both.test", (got.what, got.remote), ("answered", "127.0.0.1:%d" % r.port))
    finally:
        shutil.rmtree(dir)
sys.exit(0)

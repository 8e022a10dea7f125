#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An allocation of a reload, or of the TLS handshake and request after it, fails
once, and then all from it on: the daemon says so or does what it was asked, keeps
a certificate that works, and loses no event that it has acknowledged.  It stays,
but where memory ends in the middle of reading the config: that there is enough is
asked before.  IL_SLOW=1 tries each allocation."""
import errno
import http.client
import json
import os
import ssl
import subprocess
import sys

import inject
from gate import EVENT, HEAD, KEY, Gate, contains, equal, make_authority, make_certificate, skip_without

skip_without("openssl")
why = inject.usable()
if why:
    print("skipped: " + why)
    sys.exit(77)
# They crash, or end the process, where malloc fails; the daemon sees to it that
# there is memory before it calls them.
SPARED = ("libconfig", "libgnutls", "libtasn1", "libgmp", "libnettle", "libhogweed", "libp11", "libunistring", "libidn2")
CONF = HEAD + """
http = { listen = "env:GATE"; tls = { certificate = "one.pem"; key = "file:one.key"; }; };
spool = { min_free = "0B"; };
"""


def files(g):
    make_authority(g.base)
    make_certificate(g.base, "one")


def start(g, injection):
    clean = g.daemon.env
    g.daemon.env = dict(clean, **injection.env())
    g.daemon.start()
    g.daemon.env = clean


def send(g, limit=20):
    """The id of an acknowledged event, or why there is none."""
    trust = ssl.create_default_context(cafile=g.path("ca.pem"))
    c = http.client.HTTPSConnection("localhost", g.daemon.gate, timeout=limit, context=trust)
    try:
        c.request("POST", "/v1/ingest", EVENT,
                  {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
        answer = c.getresponse()
        data = json.loads(answer.read())
        return data["data"]["events"][0]["id"] if answer.status == 202 else answer.status
    except (OSError, http.client.HTTPException, ValueError) as e:
        return e
    finally:
        c.close()


def reload(g):
    try:
        return g.daemon.command("reload", "-c", g.conf, timeout=20).returncode
    except subprocess.TimeoutExpired:
        return "no answer"


def ended(g):
    try:
        g.daemon.proc.wait(0.1 if "while reading" in g.log().splitlines()[-1] else 0.01)
        return True
    except subprocess.TimeoutExpired:
        return False


def good(g, ids, what):
    got = send(g)
    equal(type(got), str, "%s: an event afterwards (%s)" % (what, got))
    ids.append(got)


with Gate(CONF, files, start=False) as g:
    i = inject.Injection(g.path("control"), g.path("state"), ["malloc"], spare=SPARED)
    start(g, i)
    ids = []
    good(g, ids, "at the start")
    before = i.count
    equal(reload(g), 0, "reload")
    good(g, ids, "after the first reload")
    calls = i.count - before
    equal(calls > 5, True, "%d allocations in a reload and a request" % calls)
    step = 1 if os.environ.get("IL_SLOW") else calls // 40 + 1
    for hits in (1, inject.FOR_EVER):
        for n in range(1, calls + 1, step):
            what = "allocation %d of %d, %s" % (n, calls, "once" if hits == 1 else "and all after it")
            i.now(["malloc"], inject.FAIL, errno.ENOMEM, hits, n - 1)
            answer = reload(g)
            equal(answer in (0, 1), True, "%s: reload says %s (at %s)" % (what, answer, i.what))
            got = send(g, limit=2)
            i.off()
            if isinstance(got, str):
                ids.append(got)
            if ended(g):
                equal(g.daemon.proc.poll(), 1, "%s (at %s)" % (what, i.what))
                contains(g.log().splitlines()[-1], "no memory while reading the configuration", what)
                start(g, i)
            good(g, ids, what)
            equal(reload(g), 0, what + ": reload afterwards")
    equal(g.daemon.stop(), 0, "exit code")
    exported = g.daemon.command("spool", "export", "-c", g.conf).stdout.decode()
    kept = [json.loads(line)["id"] for line in exported.splitlines()]
    equal(len(kept), len(set(kept)), "ids that are there twice")
    equal([x for x in ids if x not in set(kept)], [], "acknowledged and not kept")
    contains(g.log(), "memory", "the log")
    print("%d allocations in a reload and a request; %d events" % (calls, len(ids)))

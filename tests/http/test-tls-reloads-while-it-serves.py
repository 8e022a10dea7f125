# SPDX-License-Identifier: MIT
"""A renewed certificate is served to new connections, by `reload`, by SIGHUP
and by itself; connections that are open go on; a broken pair changes nothing
and says so."""
import http.client
import os
import signal
import ssl

from gate import (EVENT, HEAD, KEY, Gate, contains, equal, eventually, make_authority, make_certificate,
                  skip_without)

skip_without("openssl")
CONF = HEAD + """
http = { listen = "env:GATE"; tls = { certificate = "live.pem"; key = "file:live.key"; }; };
"""


def put(g, certificate, key):
    for name, to in ((certificate + ".pem", "live.pem"), (key + ".key", "live.key")):
        with open(g.path(name)) as f, open(g.path(to + ".new"), "w") as out:
            out.write(f.read())
        os.rename(g.path(to + ".new"), g.path(to))


def files(g):
    make_authority(g.base)
    for name in ("one", "two", "three", "four"):
        make_certificate(g.base, name)
    put(g, "one", "one")


def connect(g):
    trust = ssl.create_default_context(cafile=g.path("ca.pem"))
    c = http.client.HTTPSConnection("localhost", g.daemon.gate, timeout=20, context=trust)
    c.connect()
    return c


def name_of(connection):
    return dict(x[0] for x in connection.sock.getpeercert()["subject"])["commonName"]


def served(g):
    c = connect(g)
    name = name_of(c)
    c.close()
    return name


def send(connection):
    connection.request("POST", "/v1/ingest", EVENT,
                       {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


with Gate(CONF, files) as g:
    reload = lambda: g.daemon.command("reload", "-c", g.conf)
    old = connect(g)
    equal(name_of(old), "one", "at the start")
    equal(send(old), 202, "an event")

    put(g, "two", "two")
    r = reload()
    equal((r.returncode, r.stdout.decode().splitlines()[-1]),
          (0, "the config is taken; 0 lanes and 1 source go on as they were"), "reload")
    equal(served(g), "two", "after reload")
    equal(send(old), 202, "on the connection from before")

    # the key of another certificate
    put(g, "three", "two")
    r = reload()
    equal(r.returncode, 1, "reload of a broken pair")
    contains(r.stderr.decode(), "http.tls.key: the key in ", "what reload says")
    contains(r.stderr.decode(), "is not the one of the certificate in ", "what reload says")
    contains(g.log(), "is refused; what runs goes on as it was", "the log")
    equal(served(g), "two", "after a broken reload")

    put(g, "three", "three")
    g.daemon.proc.send_signal(signal.SIGHUP)
    eventually(lambda: served(g) == "three", "SIGHUP")

    put(g, "four", "four")
    eventually(lambda: served(g) == "four", "the files are noticed by themselves")

    os.unlink(g.path("live.key"))
    eventually(lambda: "cannot read %s" % g.path("live.key") in g.log(), "a missing key is told")
    equal(served(g), "four", "with the key away")
    equal(send(old), 202, "on the very first connection")
    equal(g.daemon.stop(), 0, "exit code")
    for line in g.log().splitlines():
        equal("PRIVATE KEY" in line, False, "a key in the log")

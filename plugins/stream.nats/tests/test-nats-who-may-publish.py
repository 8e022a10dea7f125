#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS, users and tokens; streams that would lose something are refused, and
`check --online` says why; what is not of this lane is never written over."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from jetstream import Nats, read_once
from servers import Daemon, without_plugin
from system import KEY, contains, equal, eventually

CONF = """
state_dir = "%(base)s/%(state)s";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = ( { name = "%(pipeline)s"; sources = ( { source = "app"; } );
  destinations = ( { plugin = "stream.nats"; servers = ( "%(url)s" ); stream = "il"; replicas = 1;
                     partitions = 1; timeout = "2s"; %(more)s } ); } );
"""


class Node:
    def __init__(self, base, nats, more="", state="state", pipeline="ship", url=None):
        path = os.path.join(base, "%s-%s.conf" % (state, pipeline))
        with open(path, "w") as f:
            f.write(CONF % {"base": base, "state": state, "pipeline": pipeline, "url": url or nats.url, "more": more})
        self.daemon = Daemon(base, path, {"KEY": KEY})

    def check(self):
        r = self.daemon.command("check", "--online", "-c", self.daemon.conf)
        return r.returncode, (r.stdout + r.stderr).decode()

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        if self.daemon.proc.poll() is None:
            self.daemon.kill()

    def lane(self):
        r = self.daemon.command("status", "-c", self.daemon.conf, "--json")
        return json.loads(r.stdout)["lanes"][0]

    def emit(self, event_id):
        r = self.daemon.command("emit", "-c", self.daemon.conf,
                                input=json.dumps({"id": event_id, "type": "t", "payload": {}}).encode())
        equal(r.returncode, 0, "exit code of emit: " + r.stderr.decode())

    def arrives(self, event_id):
        self.emit(event_id)
        eventually(lambda: self.lane()["lag_events"] == 0, "it is delivered")

    def stands(self, event_id, why):
        self.emit(event_id)
        eventually(lambda: why in json.dumps(self.lane()), "the lane says %r: %s" % (why, self.lane()))


def certificates(base):
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", base + "/key.pem", "-out", base + "/cert.pem"]
    return subprocess.run(run, capture_output=True).returncode == 0


def with_server(base, name, conf, fn, connect=None):
    folder = os.path.join(base, name)
    os.mkdir(folder)
    nats = Nats(folder, conf, connect)
    nats.start()
    try:
        fn(folder, nats)
    finally:
        nats.stop()


def users(base, nats):
    good = 'create = true; user = "u"; password = "p";'
    code, said = Node(base, nats, 'create = true; user = "u"; password = "hush-wrong";').check()
    equal(code, 1, "a wrong password: " + said)
    contains(said, "Auth", "what check says of a wrong password")
    equal("hush-wrong" in said, False, "the password in " + said)
    with Node(base, nats, good) as node:
        node.arrives("a")
    equal(read_once(nats.messages("il")), ["a"], "events")
    equal(Node(base, nats, good).check()[0], 0, "check with the right one")


def token(base, nats):
    with Node(base, nats, 'create = true; token = "secret";') as node:
        node.arrives("a")
    equal(read_once(nats.messages("il")), ["a"], "events by a token")


def tls(base, nats):
    top = os.path.dirname(base)
    good = 'create = true; tls = { ca = "%s/cert.pem"; };' % top
    equal(Node(base, nats, "create = true; tls = { };").check()[0], 1, "an authority that is not known")
    with Node(base, nats, good, url="nats://localhost:%d" % nats.port) as node:
        node.arrives("a")
        equal(node.lane()["lag_events"], 0, "what waits")


def settings(base, nats):
    """None is made or mended unless that is asked for."""
    code, said = Node(base, nats).check()
    equal(code, 1, "no stream: " + said)
    contains(said, "create = true", "what check says of no stream")
    equal(nats.api("STREAM.NAMES")["total"], 0, "streams after check")
    plain = {"name": "il", "subjects": ["il.>"], "retention": "limits", "storage": "file", "num_replicas": 1,
             "discard": "new", "deny_delete": True, "max_age": 0, "max_msgs_per_subject": -1, "max_msgs": -1,
             "max_bytes": -1, "max_consumers": -1, "max_msg_size": -1}
    for key, value, why in [("discard", "old", "discard"), ("storage", "memory", "memory"),
                            ("max_msgs_per_subject", 5, "max_msgs_per_subject"), ("max_age", 10 ** 12, "max_age"),
                            ("deny_delete", False, "deny_delete"), ("retention", "workqueue", "retention"),
                            ("no_ack", True, "no_ack")]:
        made = nats.api("STREAM.CREATE.il", **dict(plain, **{key: value}))
        equal("error" in made, False, "a stream with %s: %s" % (key, made))
        code, said = Node(base, nats, "create = true;").check()
        equal(code, 1, "%s = %s: %s" % (key, value, said))
        contains(said, why, "what check says of %s" % key)
        nats.api("STREAM.DELETE.il")
    code, said = Node(base, nats, 'replicas = 3; create = true;').check()
    nats.api("STREAM.CREATE.il", **dict(plain, max_bytes=4000))
    equal(Node(base, nats).check()[0], 0, "check of a stream that will do")
    with Node(base, nats) as node:
        node.arrives("a")
        node.emit("b" * 100)
        for i in range(20):
            node.emit("%03d" % i + "c" * 100)
        node.stands("last", "maximum bytes")  # waits until there is room, and loses nothing
        nats.api("STREAM.UPDATE.il", **dict(plain, max_bytes=-1))
        eventually(lambda: node.lane()["lag_events"] == 0, "it goes on", 60)
    equal(len(read_once(nats.messages("il"))), 23, "events")


def strangers(base, nats):
    with Node(base, nats, "create = true;") as node:
        node.arrives("a")
        subject = next(nats.messages("il"))[0]
        # Somebody else's message, behind ours.
        nats.ask(subject, b"not ours")
        node.stands("b", "none of ours")
        equal([m[3] for m in nats.messages("il")][1:], [b"not ours"], "what is behind it")


def another_lane(base, nats):
    """Two lanes of one spool would have the same subjects."""
    with Node(base, nats, "create = true;") as node:
        node.arrives("a")
    with Node(base, nats, pipeline="other") as node:
        node.stands("b", "of the lane ship/stream.nats")
    with Node(base, nats, 'subject = "il2";', pipeline="other") as node:
        node.stands("c", "no")  # the stream has no such subject
    equal(read_once(nats.messages("il")), ["a"], "events")


def partitions(base, nats):
    """Neither their number nor what decides them changes; a lane that begins now
    sends nothing of before."""
    with Node(base, nats, "create = true;") as node:
        node.arrives("a")
    with Node(base, nats, 'partition_by = "$event.type";') as node:
        node.stands("b", "refuses to say how far it is")
    with Node(base, nats, 'begin = "now"; subject = "il";', pipeline="later") as node:
        node.stands("c", "of the lane")
    nats.api("STREAM.DELETE.il")
    with Node(base, nats, 'create = true; begin = "now";', pipeline="latest") as node:
        node.arrives("d")
    equal(read_once(nats.messages("il")), ["d"], "events since now")


def copied(base, nats):
    """A copy of a state_dir that runs beside it writes nothing over."""
    with Node(base, nats, "create = true;") as node:
        node.arrives("a")
        node.daemon.stop()
        shutil.copytree(base + "/state", base + "/copy")
        node.daemon.start()
        node.arrives("b")
        with Node(base, nats, state="copy") as copy:
            copy.arrives("c")
            node.stands("d", "copy of this state_dir")
    ids = read_once(nats.messages("il"))
    equal(sorted(ids), sorted(set(ids)), "events once")
    equal({"a", "b", "c"} - set(ids), set(), "events that are missing")


def main():
    why = Nats.missing() or without_plugin(["stream.nats", "sdk.event"])
    if why:
        print(why)
        return 77
    base = tempfile.mkdtemp(prefix="il-nats-")
    try:
        with_server(base, "users", 'authorization { users = [ { user: u, password: p } ] }', users,
                    {"user": "u", "pass": "p"})
        with_server(base, "token", 'authorization { token: secret }', token, {"auth_token": "secret"})
        for fn in (settings, strangers, another_lane, partitions, copied):
            with_server(base, fn.__name__, "", fn)
        if certificates(base):
            with_server(base, "tls", 'tls { cert_file: "%s/cert.pem", key_file: "%s/key.pem" }' % (base, base), tls)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

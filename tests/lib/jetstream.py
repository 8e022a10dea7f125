# SPDX-License-Identifier: MIT
"""A nats-server of the test's own on loopback, and what its streams have."""
import base64
import json
import os
import shutil
import socket
import subprocess
import time

from ports import free_port
from servers import PATIENCE


class Nats:
    """conf: lines for its config besides the store and the port."""

    def __init__(self, base, conf="", connect=None):
        self.base, self.proc, self.port = base, None, free_port()
        self.store = os.path.join(base, "js")
        self.conf = os.path.join(base, "nats.conf")
        self.hello = dict({"verbose": False, "headers": True, "lang": "test", "version": "0"}, **(connect or {}))
        with open(self.conf, "w") as f:
            f.write('listen: "127.0.0.1:%d"\njetstream { store_dir: "%s" }\n%s\n' % (self.port, self.store, conf))

    @staticmethod
    def missing():
        return None if shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin") else "no nats-server found"

    @property
    def url(self):
        return "nats://127.0.0.1:%d" % self.port

    def start(self):
        exe = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
        with open(os.path.join(self.base, "nats.log"), "ab") as log:
            self.proc = subprocess.Popen([exe, "-c", self.conf], stdout=log, stderr=log)
        until = time.monotonic() + 20 * PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("nats-server does not start, see nats.log in " + self.base)
                time.sleep(0.02)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.kill()

    # --- its protocol ----------------------------------------------------------

    def ask(self, subject, body=b""):
        """The answer to one request, as JSON."""
        with socket.create_connection(("127.0.0.1", self.port), 5 * PATIENCE) as s:
            f = s.makefile("rwb")
            f.readline()  # INFO
            f.write(b"CONNECT %s\r\nSUB _in 1\r\nPUB %s _in %d\r\n%s\r\n" % (
                json.dumps(self.hello).encode(), subject.encode(), len(body), body))
            f.flush()
            while True:
                line = f.readline().split()
                if not line:
                    raise RuntimeError("the server hung up")
                if line[0] == b"PING":
                    f.write(b"PONG\r\n")
                    f.flush()
                elif line[0] == b"MSG":
                    return json.loads(f.read(int(line[-1])))
                elif line[0] == b"HMSG":
                    raise RuntimeError("nobody answers " + subject)
                elif line[0] == b"-ERR":
                    raise RuntimeError(b" ".join(line).decode())

    def api(self, what, **body):
        return self.ask("$JS.API." + what, json.dumps(body).encode() if body else b"")

    def messages(self, stream):
        """(subject, sequence, headers, data) of all."""
        state = self.api("STREAM.INFO." + stream)["state"]
        for seq in range(state["first_seq"], state["last_seq"] + 1):
            got = self.api("STREAM.MSG.GET." + stream, seq=seq)
            if "message" not in got:
                continue
            m = got["message"]
            head = base64.b64decode(m.get("hdrs", "")).decode().split("\r\n")[1:]
            headers = dict(line.split(": ", 1) for line in head if line)
            yield m["subject"], seq, headers, base64.b64decode(m.get("data", ""))


def frames(data):
    """(position, id) of each event of a bundle."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "little")
        position = int.from_bytes(data[at + 8:at + 16], "little")
        body = data[at + 16:at + 16 + length]
        head = body[1]
        event_id = body[2:2 + (head & 31)] if head & 0xe0 == 0xa0 else body[3:3 + body[2]]
        yield position, event_id.decode()
        at += 16 + length


def read_once(messages):
    """The ids, as a reader with marks takes them: what is at or below the mark of a
    subject is passed over, and a hole is an error."""
    marks, ids = {}, []
    for subject, seq, headers, data in messages:
        key = (subject, int(headers["Il-Set-Backs"]))
        mark = marks.get(key, 0)
        if int(headers["Il-Last"]) <= mark:
            continue
        if int(headers["Il-Prev"]) > mark:
            raise RuntimeError("a hole before message %d of %s: %s, mark %d" % (seq, subject, headers, mark))
        found = list(frames(data))
        if (found[0][0], found[-1][0]) != (int(headers["Il-First"]), int(headers["Il-Last"])):
            raise RuntimeError("message %d is not as its headers say: %s" % (seq, headers))
        ids += [event_id for position, event_id in found if position > mark]
        marks[key] = int(headers["Il-Last"])
    return ids

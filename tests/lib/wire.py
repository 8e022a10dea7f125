# SPDX-License-Identifier: MIT
"""A proxy before Postgres that knows where messages begin.

    with Proxy(folder, server) as p:         # a socket in folder, as a server
        p.cut(TO_SERVER, 7, pass_on=True)    # once, at the seventh from now on
        p.cut_commits(0.5)                   # each COMMIT: it goes, its answer does not
        p.delay = 0.05                       # each message
        p.hole = True                        # nothing passes, nothing is closed"""
import os
import random
import select
import socket
import threading
import time

TO_SERVER, TO_CLIENT = 0, 1
COMMIT = b"commit\0"


class Flow:
    """One direction of a connection."""

    def __init__(self, first):
        self.data, self.first = b"", first  # the first message has no type

    def messages(self, more):
        self.data += more
        while True:
            head = 4 if self.first else 5
            if len(self.data) < head:
                return
            size = int.from_bytes(self.data[head - 4:head], "big") + head - 4
            if len(self.data) < size:
                return
            message, self.data, self.first = self.data[:size], self.data[size:], False
            yield message


class Proxy:
    def __init__(self, folder, server, seed=0):
        os.mkdir(folder, 0o777)
        self.sock, self.port, self.server = folder, 5432, server
        self.delay, self.hole, self.commit_share = 0.0, False, 0.0
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.at, self.cuts, self.commit_cuts, self.done = None, 0, 0, False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(folder, ".s.PGSQL.5432"))
        self.listener.listen(16)
        self.listener.settimeout(0.05)
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done = True
        for thread in self.threads:
            thread.join(10)
        self.listener.close()

    def cut(self, direction, messages, pass_on):
        with self.lock:
            self.at = [direction, messages, pass_on]

    def cut_commits(self, share):
        self.commit_share = share

    def accept(self):
        while not self.done:
            try:
                client = self.listener.accept()[0]
            except socket.timeout:
                continue
            thread = threading.Thread(target=self.serve, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(os.path.join(self.server.sock, ".s.PGSQL.%d" % self.server.port))
            self.relay((client, server))
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def relay(self, ends):
        flows = (Flow(True), Flow(False))
        while not self.done:
            if self.hole:
                time.sleep(0.02)
                continue
            for source in select.select(ends, (), (), 0.05)[0]:
                direction = ends.index(source)
                data = source.recv(1 << 16)
                if not data:
                    return
                for message in flows[direction].messages(data):
                    if not self.passes(direction, message, ends[1 - direction]):
                        return

    def passes(self, direction, message, to):
        """Pass one message on; False: the connection ends here."""
        with self.lock:
            cut, pass_on = False, True
            if self.at and self.at[0] == direction:
                self.at[1] -= 1
                if self.at[1] <= 0:
                    cut, pass_on, self.at = True, self.at[2], None
            if direction == TO_SERVER and message[:1] == b"Q" and message.endswith(COMMIT) \
                    and self.random.random() < self.commit_share:
                cut, self.commit_cuts = True, self.commit_cuts + 1
            self.cuts += cut
        if self.delay:
            time.sleep(self.delay)
        if pass_on:
            to.sendall(message)
        return not cut

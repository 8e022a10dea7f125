# SPDX-License-Identifier: MIT
"""Senders that go on whatever happens to the daemon, and what they saw.

    with Load(port) as load:
        ...
    load.refused, load.cut, load.answered, load.stall_s

Half of them keep their connection, the others make one for each event.  An event
has its own id and is sent again until it is answered, as every sender does it;
what went wrong on the way is counted."""
import http.client
import json
import socket
import threading
import time

KEY = "test-key"


class Load:
    def __init__(self, port, clients=4, pause_s=0.0, patience_s=30, tls=None):
        self.port, self.pause_s, self.patience_s, self.tls = port, pause_s, patience_s, tls
        self.refused = self.cut = 0
        self.unexpected = []
        self.answered = []
        self.stall_s = 0.0
        self.lock = threading.Lock()
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for t in self.threads:
            t.join()

    def sent(self):
        return len(self.answered)

    # --- one sender ------------------------------------------------------------

    def connect(self):
        if self.tls:
            c = http.client.HTTPSConnection("localhost", self.port, timeout=self.patience_s, context=self.tls)
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience_s)
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c

    def ask(self, conn, body):
        conn.request("POST", "/v1/ingest", body, {"Authorization": "Bearer " + KEY,
                                                  "Content-Type": "application/json"})
        answer = conn.getresponse()
        text = answer.read()
        return answer.status, text, answer.will_close

    def once(self, conn, body, keep):
        """(answered, the connection to go on with or None)"""
        try:
            conn = conn or self.connect()
            status, text, closes = self.ask(conn, body)
        except ConnectionRefusedError:
            with self.lock:
                self.refused += 1
            return False, None
        except (http.client.HTTPException, OSError):
            with self.lock:
                self.cut += 1
            if conn:
                conn.close()
            return False, None
        if status != 202:
            with self.lock:
                self.unexpected.append((status, text))
        if closes or not keep:
            conn.close()
            conn = None
        return status == 202, conn

    def run(self, number):
        conn, n = None, 0
        while not self.end.is_set():
            n += 1
            name = "%d-%d" % (number, n)
            body = json.dumps({"type": "test.event", "id": name, "payload": {"n": n}})
            begun = time.monotonic()
            done = False
            while not done and time.monotonic() - begun < self.patience_s:
                done, conn = self.once(conn, body, number % 2 == 0)
            took = time.monotonic() - begun
            with self.lock:
                self.stall_s = max(self.stall_s, took)
                if done:
                    self.answered.append(name)
                else:
                    self.unexpected.append((0, "%s was not answered for %d s" % (name, self.patience_s)))
            if self.pause_s:
                time.sleep(self.pause_s)
        if conn:
            conn.close()

# SPDX-License-Identifier: MIT
"""A receiver of webhooks that does as it is told: an HTTP server on loopback
that answers each request by a script, badly where that is the test, and writes
down what came.  It speaks HTTP/1.1 by itself, so that an answer can be wrong in
any way.

    with Receiver(log=path) as r:
        r.script = lambda request: Answer(503, {"Retry-After": "2"})
        ... r.url + "/hook" ...
        r.requests, r.ids()

The script is asked in the order in which requests are complete, under a lock.
The log has a line of JSON for each request, written before it is answered: what
is in it has arrived, whatever the sender was told."""
import collections
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from ports import free_port

Request = collections.namedtuple("Request", "number method path headers body at connection")


class Answer:
    """do: what is done with it
         None       sent as it should be
         "hang"     nothing is sent, until the receiver is closed
         "reset"    the connection is reset before a byte is sent
         "close"    it is closed before a byte is sent
         "half"     the head and half of the body, then it is closed
         "half-head"  half of the head, then it is closed
         "reset-body" the head, then it is reset
         "slow"     the head, and the body a byte every `pause` seconds
         "slow-head" all of it, a byte every `pause` seconds
         "stall"    the head, then nothing
         "endless"  the head, then a body without an end
         "garbage"  the body alone, which is no HTTP
         "endless-head" a head without an end
       delay: seconds before it is sent; until: an event that is waited for
       close: the connection is not kept afterwards"""

    def __init__(self, status=200, headers=None, body=b"", do=None, delay=0, until=None, pause=0.05, close=False,
                 reason="Whatever"):
        self.status, self.headers, self.do, self.delay, self.pause = status, dict(headers or {}), do, delay, pause
        self.body = body.encode() if isinstance(body, str) else body
        self.close, self.reason, self.until = close, reason, until

    def head(self):
        headers = dict(self.headers)
        if not any(name.lower() in ("content-length", "transfer-encoding") for name in headers):
            headers["Content-Length"] = str(1 << 40) if self.do == "endless" else str(len(self.body))
        if self.close:
            headers["Connection"] = "close"
        lines = ["HTTP/1.1 %d %s" % (self.status, self.reason)] + ["%s: %s" % item for item in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def make_ca(folder):
    """A CA and a certificate for localhost by it.  Paths: CA,
    certificate with its key, and a client's certificate and key."""
    def run(*args):
        subprocess.run(["openssl", *args], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-days", "30", "-subj", "/CN=test CA")
    for name, extension in (("server", "subjectAltName=DNS:localhost"),
                            ("client", "extendedKeyUsage=clientAuth")):
        with open(os.path.join(folder, name + ".ext"), "w") as f:
            f.write(extension + "\n")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", "/CN=" + name)
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", name + ".pem", "-days", "30", "-extfile", name + ".ext")
    return {name: os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}


class Receiver:
    def __init__(self, log=None, tls=None, client_ca=None, host="127.0.0.1"):
        """tls: (certificate, key); client_ca: whose certificates it demands."""
        self.script = lambda request: Answer()
        self.requests, self.accepted = [], 0
        self.log = open(log, "a", encoding="utf-8") if log else None
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
            if client_ca:
                self.context.load_verify_locations(client_ca)
                self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self.listener.bind((host, self.port))
        self.listener.listen(1024)
        self.url = "%s://%s:%d" % ("https" if tls else "http", "localhost" if tls else host, self.port)
        self.connections, self.threads = set(), []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.closing.is_set():
            return
        self.closing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.thread.join(10)
        for thread in self.threads:
            thread.join(10)
        if self.log:
            self.log.close()

    def ids(self, name="webhook-id"):
        """Ids in the order in which they came, repeats too."""
        with self.lock:
            return [request.headers.get(name) for request in self.requests]

    def wait(self, count, limit=20):
        """Until so many requests have come."""
        until = time.monotonic() + limit
        while len(self.requests) < count:
            if time.monotonic() > until:
                raise RuntimeError("%d requests came, and not %d" % (len(self.requests), count))
            time.sleep(0.01)

    # --- one connection -----------------------------------------------------
    def accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                number = self.accepted
                self.connections.add(connection)
            thread = threading.Thread(target=self.serve, args=(connection, number), daemon=True)
            self.threads = [t for t in self.threads if t.is_alive()] + [thread]
            thread.start()

    def serve(self, raw, number):
        connection = raw
        try:
            if self.context:
                connection = self.context.wrap_socket(raw, server_side=True)
                with self.lock:
                    self.connections.discard(raw)
                    self.connections.add(connection)
            stream = connection.makefile("rb")
            while self.one(connection, stream, number):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()

    def one(self, connection, stream, number):
        line = stream.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while True:
            field = stream.readline(65536).decode("latin-1").rstrip("\r\n")
            if not field:
                break
            name, value = field.split(":", 1)
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        body = stream.read(length)
        if len(body) < length:
            return False
        with self.lock:
            request = Request(len(self.requests), line[0], line[1], headers, body, time.time(), number)
            self.requests.append(request)
            answer = self.script(request)
            if self.log:
                self.log.write(json.dumps({"n": request.number, "at": request.at, "method": request.method,
                                           "path": request.path, "id": headers.get("webhook-id"), "len": length,
                                           "status": answer.status, "do": answer.do}) + "\n")
                self.log.flush()
        if answer.delay and self.closing.wait(answer.delay):
            return False
        while answer.until and not answer.until.wait(0.02):
            if self.closing.is_set():
                return False
        return self.send(connection, answer)

    # --- one answer ---------------------------------------------------------
    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def drip(self, connection, data, pause):
        for i in range(len(data)):
            connection.sendall(data[i:i + 1])
            if self.closing.wait(pause):
                return False
        return True

    def send(self, connection, answer):
        do, head = answer.do, answer.head()
        if do is None:
            connection.sendall(head + answer.body)
            return not answer.close
        if do == "hang":
            self.closing.wait()
            return False
        if do == "close":
            return False
        if do == "reset":
            return self.reset(connection)
        if do == "garbage":
            connection.sendall(answer.body)
            return False
        if do == "half-head":
            connection.sendall(head[:len(head) // 2])
            return False
        if do == "slow-head":
            return self.drip(connection, head + answer.body, answer.pause)
        if do == "endless-head":
            connection.sendall(head[:-2])
            while not self.closing.is_set():
                connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
            return False
        connection.sendall(head)
        if do == "half":
            connection.sendall(answer.body[:len(answer.body) // 2])
        elif do == "reset-body":
            time.sleep(0.05)
            return self.reset(connection)
        elif do == "slow":
            return self.drip(connection, answer.body, answer.pause)
        elif do == "stall":
            self.closing.wait()
        elif do == "endless":
            while not self.closing.is_set():
                connection.sendall(answer.body or b"x" * 65536)
        return False


class Proxy:
    """A proxy for CONNECT and for plain requests, which notes what it was asked
    for.  refuse: the status that it gives instead."""

    def __init__(self, refuse=None):
        self.refuse, self.asked, self.authorizations = refuse, [], []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65536)
                if not more:
                    return
                head += more
            method, target = head.split(b" ", 2)[:2]
            self.asked.append(method.decode() + " " + target.decode())
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"proxy-authorization:"):
                    self.authorizations.append(line.split(b":", 1)[1].strip().decode())
            if self.refuse:
                connection.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuse)
                return
            place = target if method == b"CONNECT" else target.split(b"/")[2]
            host, port = place.decode().rsplit(":", 1)
            with socket.create_connection((host, int(port))) as other:
                if method == b"CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    other.sendall(head)
                back = threading.Thread(target=self.pump, args=(other, connection), daemon=True)
                back.start()
                self.pump(connection, other)
                back.join()
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def pump(source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

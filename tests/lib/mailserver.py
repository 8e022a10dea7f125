# SPDX-License-Identifier: MIT
"""An SMTP server for tests, which does what a script says at each step of a
session, and keeps the mails that it took.

    with MailServer(tls=(certificate, key)) as m:
        m.script = lambda stage, line, session: Say("450 later") if stage == "RCPT" else None
        ... m.url ...
        m.mails[0].message["Subject"]

Stages: "connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY" (the
first line of the mail is there), "END" (all of it is), "QUIT".  None, or a Say
without words: what a server says that takes everything.

log: a file that gets a line of JSON for each mail, written before it is answered:
what is in it has arrived, whatever the sender was told."""
import base64
import collections
import email
import email.policy
import json
import socket
import ssl
import struct
import threading
import time

from ports import free_port

Mail = collections.namedtuple("Mail", "number sender to data message at session")


class Say:
    """text: lines of the reply, or None: the usual one.
       do: None       it is sent as it is
           "hang"     nothing is sent, until the server is closed
           "close"    it is sent, and then the connection is closed
           "cut"      nothing is sent, and the connection is closed
           "reset"    the same, by a reset
           "half"     half of it, then the connection is closed
           "slow"     a byte every `pause` seconds
           "endless"  a reply of lines without an end
           "long"     a line without an end
       delay: seconds before."""

    def __init__(self, text=None, do=None, delay=0, pause=0.05):
        self.text, self.do, self.delay, self.pause = text, do, delay, pause


class Session:
    def __init__(self, number):
        self.number, self.lines, self.tls, self.user, self.stages = number, [], False, None, []


class Over(Exception):
    pass


class MailServer:
    def __init__(self, log=None, tls=None, implicit=False, login=None, host="127.0.0.1", extensions=("SIZE 10000000", "8BITMIME")):
        """tls: (certificate, key); implicit: from the beginning, as of smtps;
        login: (name, password), which AUTH then needs before MAIL."""
        self.script = lambda stage, line, session: None
        self.mails, self.sessions, self.login, self.implicit = [], [], login, implicit
        self.extensions, self.context = list(extensions), None
        self.log = open(log, "a", encoding="utf-8") if log else None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self.listener.bind((host, self.port))
        self.listener.listen(1024)
        self.url = "%s://%s:%d" % ("smtps" if implicit else "smtp", "localhost" if tls else host, self.port)
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

    # --- one session --------------------------------------------------------
    def accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                session = Session(len(self.sessions) + 1)
                self.sessions.append(session)
                self.connections.add(connection)
            thread = threading.Thread(target=self.serve, args=(connection, session), daemon=True)
            self.threads = [t for t in self.threads if t.is_alive()] + [thread]
            thread.start()

    def swap(self, old, new):
        with self.lock:
            self.connections.discard(old)
            self.connections.add(new)
        return new

    def serve(self, connection, session):
        try:
            if self.implicit:
                connection = self.swap(connection, self.context.wrap_socket(connection, server_side=True))
                session.tls = True
            stream = connection.makefile("rb")
            self.answer(connection, session, "connect", "", "220 mail.test ESMTP")
            sender, to = None, []
            while True:
                raw = stream.readline(70000)
                if not raw.endswith(b"\r\n"):
                    break
                line = raw[:-2].decode("latin-1")
                session.lines.append(line)
                verb = line.split(" ")[0].upper()
                if verb in ("EHLO", "HELO"):
                    self.answer(connection, session, "EHLO", line, self.hello(session))
                elif verb == "STARTTLS" and self.context and not session.tls:
                    self.answer(connection, session, "STARTTLS", line, "220 go on")
                    connection = self.swap(connection, self.context.wrap_socket(connection, server_side=True))
                    stream = connection.makefile("rb")
                    session.tls = True
                elif verb == "AUTH":
                    self.authenticate(connection, stream, session, line)
                elif verb == "MAIL":
                    ok = not self.login or session.user
                    self.answer(connection, session, "MAIL", line, "250 ok" if ok else "530 5.7.0 who are you?")
                    sender, to = line[line.index("<") + 1:line.index(">")], []
                elif verb == "RCPT":
                    if self.answer(connection, session, "RCPT", line, "250 ok") == "2":
                        to.append(line[line.index("<") + 1:line.index(">")])
                elif verb == "DATA":
                    if self.answer(connection, session, "DATA", line, "354 go on") == "3":
                        self.take(connection, stream, session, sender, to)
                elif verb == "QUIT":
                    self.answer(connection, session, "QUIT", line, "221 bye")
                    break
                else:
                    self.answer(connection, session, verb, line, "500 what?")
        except (OSError, ValueError, Over):
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            connection.close()

    def hello(self, session):
        lines = ["mail.test"] + self.extensions
        if self.context and not session.tls:
            lines.append("STARTTLS")
        if self.login and session.tls:
            lines.append("AUTH PLAIN LOGIN")
        return "\r\n".join("250%s%s" % (" " if line is lines[-1] else "-", line) for line in lines)

    def authenticate(self, connection, stream, session, line):
        def ask(what):
            connection.sendall(("334 %s\r\n" % base64.b64encode(what.encode()).decode()).encode())
            got = stream.readline(70000).decode("latin-1").rstrip("\r\n")
            session.lines.append(got)
            return base64.b64decode(got)
        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            name, password = (base64.b64decode(words[2]) if len(words) > 2 else ask("")).split(b"\0")[1:]
        else:
            name, password = ask("Username:"), ask("Password:")
        good = (name.decode(), password.decode()) == self.login
        if self.answer(connection, session, "AUTH", line, "235 welcome" if good else "535 5.7.8 no") == "2":
            session.user = name.decode()

    def take(self, connection, stream, session, sender, to):
        lines, asked = [], False
        while True:
            line = stream.readline(1 << 20)
            if not line.endswith(b"\r\n"):
                raise Over
            if not asked:
                asked = True
                self.answer(connection, session, "BODY", "", "")
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        data = b"".join(lines)
        message = email.message_from_bytes(data, policy=email.policy.default)
        with self.lock:
            mail = Mail(len(self.mails), sender, to, data, message, time.time(), session)
            session.mail = mail
            say = self.script("END", "", session) or Say()
            if (say.text or "250").startswith("2"):
                self.mails.append(mail)
                if self.log:
                    self.log.write(json.dumps({"n": mail.number, "at": mail.at, "id": message["Message-ID"], "to": to, "do": say.do}) + "\n")
                    self.log.flush()
        session.stages.append("END")
        self.say(connection, say, "250 taken")

    # --- one reply ----------------------------------------------------------
    def answer(self, connection, session, stage, line, usual):
        session.stages.append(stage)
        with self.lock:
            say = self.script(stage, line, session) or Say()
        return self.say(connection, say, usual)

    def say(self, connection, say, usual):
        """The first digit of what was said."""
        text = usual if say.text is None else say.text
        data = (text + "\r\n").encode() if text else b""
        if say.delay and self.closing.wait(say.delay):
            raise Over
        if say.do == "hang":
            self.closing.wait()
            raise Over
        if say.do == "cut":
            raise Over
        if say.do == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Over
        if say.do == "half":
            connection.sendall(data[:len(data) // 2])
            raise Over
        while say.do == "endless":
            connection.sendall((text[:3] + "-more and more\r\n").encode() * 100)
        while say.do == "long":
            connection.sendall(text.encode() + b"x" * 10000)
        if say.do == "slow":
            for i in range(len(data)):
                connection.sendall(data[i:i + 1])
                if self.closing.wait(say.pause):
                    raise Over
        else:
            connection.sendall(data)
        if say.do == "close":
            raise Over
        return text[:1]

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""aiosmtpd, an SMTP server that is not of our making and insists on STARTTLS and
a login, takes what email.out sends, whatever is in it."""
import email
import email.policy
import json
import os
import shutil
import subprocess
import sys
import tempfile

from mailing import driven, equal, event
from ports import free_port
from receiver import make_ca

pythons = [python for python in (sys.executable, "/usr/bin/python3")
           if not subprocess.run([python, "-c", "import aiosmtpd"], stderr=subprocess.DEVNULL).returncode]
if not pythons or not shutil.which("openssl"):
    print("skipped: aiosmtpd or openssl is missing")
    sys.exit(77)
TEXTS = ["x", "Grüße 你好 😀", ".", "..\n.\n\n.", "\r\n.\r\nQUIT\r\n", "From me\n>From", "a=b=3D", "tail \t \n", "z" * 5000, "ä" * 99000]
dir = tempfile.mkdtemp()
try:
    ca = make_ca(dir)
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen([pythons[0], os.path.join(os.path.dirname(os.path.abspath(__file__)), "aiosmtpd-server.py"), str(port),
                               ca["server.pem"], ca["server.key"], "me@example.com", "pa55 wörd", os.path.join(dir, "mails")], env=env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        equal("server", server.stdout.readline(), "ready\n")
        options = ('url = "smtp://localhost:%d"; ca_file = "%s"; username = "me@example.com"; password = "%%s"; rate = "1000/s";'
                   'from = "Wächter <guard@example.com>"; to = ( "a@example.com", "Bé <b@example.org>" );'
                   'subject = "{{ $event.type }}: {{ text }}"; text = "|{{ text }}";') % (port, ca["ca.pem"])
        with driven(options % "pa55 wörd") as d:
            for i, text in enumerate(TEXTS):
                end = d.one(event(i, text=text))
                equal(text[:20], (end.state, end.message), ("done", ""))
                with open(os.path.join(dir, "mails"), encoding="utf-8") as f:
                    mail = json.loads(f.readlines()[i])
                message = email.message_from_bytes(mail["data"].encode("latin-1"), policy=email.policy.default)
                equal("envelope", (mail["from"], mail["to"], mail["tls"], mail["who"]),
                      ("guard@example.com", ["a@example.com", "b@example.org"], True, "me@example.com"))
                equal("defects", message.defects, [])
                text = "|" + text.replace("\r", " ")
                equal("text", message.get_content().replace("\r\n", "\n"), text + ("" if text.endswith("\n") else "\n"))
                equal("headers", (message["From"], message["To"], message["Subject"][:11]),
                      ("Wächter <guard@example.com>", "a@example.com, Bé <b@example.org>", "test.event:"))
        with driven(options % "another") as d:
            equal("another password", d.one().code, "auth")
        with driven(options.replace('username = "me@example.com"; password = "%s";', "")) as d:
            equal("no password", d.one().code, "auth")
    finally:
        server.stdin.close()
        server.wait(20)
        server.stdout.close()
finally:
    shutil.rmtree(dir)
sys.exit(0)

# SPDX-License-Identifier: MIT
"""aiosmtpd on a port, with STARTTLS and a login that it both insists on, which
says so once it is ready, and writes a line of JSON for each mail:
aiosmtpd-server.py PORT CERTIFICATE KEY NAME PASSWORD FILE"""
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, certificate, key, name, password, file = sys.argv[1:]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(file, "a", encoding="utf-8") as f:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                       "who": session.auth_data, "data": envelope.content.decode("latin-1")}, f)
            f.write("\n")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login.decode(), data.password.decode()) == (name, password)
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
controller = Controller(Handler(), hostname="127.0.0.1", port=int(port), tls_context=context, require_starttls=True,
                        authenticator=authenticate, auth_required=True)
controller.start()
print("ready", flush=True)
sys.stdin.read()
controller.stop()

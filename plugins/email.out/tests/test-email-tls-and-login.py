#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing of a mail, and no password, is said before TLS with a server that the
config's CA knows; what is wrong with TLS, with the password or with a proxy has
its own end; nothing is taken from the environment."""
import os
import shutil
import subprocess
import sys
import tempfile

from mailing import (BUSY, DELIVERED, LATER, PAUSE, PLAIN, MailServer, Say, at, contains, driven, end_of, equal, event, judge,  # noqa: E402
                     refused)
from ports import free_port
from receiver import Proxy, make_ca
from servers import PATIENCE

if not shutil.which("openssl"):
    print("skipped: openssl is missing")
    sys.exit(77)
LOGIN = ("alerts@example.com", "pa55 wörd-SECRET")
dir = tempfile.mkdtemp()
try:
    ca = make_ca(dir)
    pair = (ca["server.pem"], ca["server.key"])
    TLS = PLAIN.replace('starttls = "none";', "")
    KNOWN = TLS + 'ca_file = "%s";' % ca["ca.pem"]
    WITH = KNOWN + 'username = "%s"; password = "%s";' % LOGIN
    # What is around is not looked at.
    with open(os.path.join(dir, ".netrc"), "w") as f:
        f.write("machine localhost login netrc password netrcSECRET\n")
    os.environ.update(HOME=dir, ALL_PROXY="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1", SMTP_PROXY="http://127.0.0.1:1")

    def check_online(options):
        """What the command says, which finds something."""
        conf = os.path.join(dir, "conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("""state_dir = "%s/state"; http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
                sources = ( { name = "s"; plugin = "sdk.event"; keys = ( "abcdefghijklmnop" ); } );
                pipelines = ( { name = "p"; sources = ( { source = "s"; match = "*"; } );
                    destinations = ( { plugin = "email.out"; %s } ); } );""" % (dir, options))
        os.chmod(conf, 0o600)
        got = subprocess.run([os.path.join(os.environ["IL_BUILDDIR"], "ingestlayer"), "check", "--online", "-c", conf],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal("exit code", got.returncode, 1)
        return got.stdout

    def verbs(session):
        return [line.split(" ")[0] for line in session.lines]

    # --- TLS ---
    with MailServer(tls=pair) as m:
        for options, what, code in ((KNOWN, DELIVERED, ""), (TLS, LATER, "tls"), (TLS + "verify = false;", DELIVERED, ""),
                                    (TLS + 'starttls = "required"; ca_file = "/nonexistent";', LATER, "tls"),
                                    (KNOWN.replace("%(url)s", m.url.replace("localhost", "127.0.0.1")), LATER, "tls")):
            with driven(options % {"url": m.url}) as d:
                end = d.one()
                equal(options, (end_of(d, end), end.code), (what, code))
                if what == DELIVERED:
                    equal("said", verbs(m.sessions[-1]), ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"])
                else:
                    assert verbs(m.sessions[-1]) in ([], ["EHLO"], ["EHLO", "STARTTLS"]), m.sessions[-1].lines
                    assert len(end.message) > 30 and "\n" not in end.message, end
        equal("mails", [mail.session.tls for mail in m.mails], [True, True])
    with MailServer() as m, driven(KNOWN % {"url": m.url}) as d:
        end = d.one()
        equal("no STARTTLS", (end.state, end.code, verbs(m.sessions[0])[:1], len(m.mails)), ("deferred", "tls", ["EHLO"], 0))
        assert not set(verbs(m.sessions[0])) - {"EHLO", "QUIT"}, m.sessions[0].lines

    def tls(script, options=KNOWN, **more):
        server = MailServer(tls=pair, **more)
        what, code, end, paused = judge(options, script, ("SECRET",), server)
        assert not server.mails or what == DELIVERED
        return what, code

    equal("later", tls(at("STARTTLS", "454 not now")), (BUSY, "smtp_454"))
    equal("never", tls(at("STARTTLS", "502 what?")), (LATER, "no_service"))
    equal("closes", tls(at("STARTTLS", do="cut"))[0], LATER)
    equal("garbage", tls(at("STARTTLS", "220 go on\r\n250 trust me\r\n235 and me"))[0], LATER)
    equal("no shaking of hands", tls(at("STARTTLS", "220 go on", do="close"))[0], LATER)
    with MailServer(tls=pair, implicit=True) as m, driven(KNOWN % {"url": m.url}) as d:
        equal("smtps", (end_of(d, d.one()), verbs(m.sessions[0])[0], m.mails[0].session.tls), (DELIVERED, "EHLO", True))
    with MailServer(tls=pair, implicit=True) as m, driven(TLS % {"url": m.url}) as d:
        equal("smtps, unknown", (d.one().code, len(m.mails)), ("tls", 0))
    with MailServer() as m, driven(KNOWN % {"url": m.url.replace("smtp", "smtps")} + 'timeout = "2s";') as d:
        assert d.one().code in ("tls", "timeout", "connect")

    # --- who we are ---
    with MailServer(tls=pair, login=LOGIN) as m, driven(WITH % {"url": m.url}) as d:
        equal("let in", (end_of(d, d.one()), m.mails[0].session.user), (DELIVERED, LOGIN[0]))
        contains("probe", d.text("probe"), "can be reached, and its certificate is good, and it takes the password; nothing was sent\n0")
        equal("nothing was", (len(m.mails), set(verbs(m.sessions[-1])) & {"MAIL", "RCPT", "DATA"}), (1, set()))
    equal("wrong", tls(lambda *_: None, WITH, login=("alerts@example.com", "another")), (PAUSE, "auth"))
    equal("not now", tls(at("AUTH", "454 4.7.0 not now"), WITH, login=LOGIN), (BUSY, "smtp_454"))
    equal("AUTH is not offered", tls(lambda *_: None, WITH), (DELIVERED, ""))
    equal("who are you?", tls(at("MAIL", "530 5.7.0 authentication required"), WITH), (PAUSE, "auth"))
    equal("without one", tls(lambda *_: None, KNOWN, login=LOGIN), (PAUSE, "auth"))
    equal("ways we do not know", tls(lambda *_: None, WITH, extensions=("AUTH MAGIC",)), (LATER, "protocol"))
    for way in ("AUTH LOGIN", "AUTH PLAIN"):
        server = MailServer(tls=pair, login=LOGIN)
        server.hello = lambda session, way=way: "250-mail.test\r\n250 " + (way if session.tls else "STARTTLS")
        equal(way, judge(WITH, lambda *_: None, ("SECRET",), server)[:2], (DELIVERED, ""))
        equal(way, server.mails[0].session.user, LOGIN[0])
    # A server that wants it in the clear does not get it.
    server = MailServer(login=LOGIN)
    server.hello = lambda session: "250-mail.test\r\n250 AUTH PLAIN LOGIN"
    equal("in the clear", judge(WITH, lambda *_: None, ("SECRET",), server)[:2], (LATER, "tls"))
    assert not set(verbs(server.sessions[0])) - {"EHLO", "QUIT"}, server.sessions[0].lines
    with MailServer(tls=pair, login=("a", "b")) as m:
        m.script = at("AUTH", "535 5.7.8 not with pa55 wörd-SECRET")
        said = check_online(WITH % {"url": m.url})
        contains("check --online", said, "%s does not let us in: SMTP, at AUTH: 535 5.7.8 not with ***" % m.url)
        assert "SECRET" not in said, said
        said = check_online(TLS % {"url": m.url})
        contains("check --online", said, "%s cannot be reached: no secure connection" % m.url)
    url = "smtp://127.0.0.1:%d" % free_port()
    contains("check --online", check_online(KNOWN % {"url": url}), "%s cannot be reached: no connection" % url)
    with driven(KNOWN % {"url": url}) as d:
        equal("nobody", d.one().code, "connect")
    with driven(KNOWN % {"url": "smtp://no-such-name.invalid"}) as d:
        equal("no name", d.one().code, "no_address")
    for address in ("169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"):
        with driven(KNOWN % {"url": "smtp://%s" % address}) as d:
            equal(address, d.one().code, "address")

    # --- through a proxy ---
    with MailServer(tls=pair, login=LOGIN) as m:
        proxy = Proxy()
        with driven(WITH % {"url": m.url} + 'proxy = "http://user:pr0xySECRET@127.0.0.1:%d";' % proxy.port) as d:
            equal("through", (end_of(d, d.one()), proxy.asked), (DELIVERED, ["CONNECT localhost:%d" % m.port]))
        proxy.refuse = 403
        with driven(WITH % {"url": m.url} + 'proxy = "http://user:pr0xySECRET@127.0.0.1:%d";' % proxy.port) as d:
            end = d.one()
            equal("refused", (end_of(d, end), end.code), (BUSY, "proxy"))
            assert "SECRET" not in end.message + d.text("log") + d.text("status"), end
        proxy.close()
        refused(WITH % {"url": m.url} + 'proxy = "ftp://x";', "proxy")

    # --- many at once, of which one is slow, do not wait for each other ---
    with MailServer(tls=pair) as m:
        m.script = lambda stage, line, session: Say(delay=5 * PATIENCE) if stage == "END" and "n: 0" in session.mail.data.decode() else None
        with driven(KNOWN % {"url": m.url} + "concurrency = 4;") as d:
            equal("all", {end.state for end in d.write([event(n) for n in range(12)], limit=30000 * PATIENCE)}, {"done"})
        taken = [mail.at for mail in m.mails]
        equal("sessions", (len(m.sessions), len(taken)), (12, 12))
        assert max(taken) - min(taken) < 4 * PATIENCE, taken
finally:
    shutil.rmtree(dir)
sys.exit(0)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""email.out against a mail server that says at each step what a script has it
say, or nothing: each answer has the end that the manual says, a mail goes to all
of its recipients or to none, and no text has the password in it."""
import base64
import re
import sys
import tempfile

from mailing import (BUSY, DEAD, DELIVERED, LATER, PAUSE, PLAIN, MailServer, Say, at, contains, driven, end_of, equal, event,  # noqa: E402
                     judge, manual, manual_is_true)
from receiver import make_ca

CODES = ("auth", "sender", "recipient", "too_large", "refused", "mailbox_full", "no_service")
manual_is_true("email.out", CODES)
table = manual("email.out").split(".Sh ANSWERS", 1)[1].split(".Sh ", 1)[0]
groups = dict(zip(("PAUSE", "DEAD", "AGAIN", "OTHER"), re.split(r"^\.Ss .*\n", table, flags=re.M)[1:]))
said = {name: set(re.findall(r"^\.It Li (.+)$", text, re.M)) for name, text in groups.items()}
equal("groups", said, {"PAUSE": {"auth", "sender", "recipient"}, "DEAD": {"recipient", "too_large", "refused"},
                       "AGAIN": {"mailbox_full", "no_service"}, "OTHER": set()})

# --- each reply at each step ---
STAGES = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "END")
NOW = [(stage, number) for stage in STAGES for number in (421, 450, 451, 452, 499, 500, 530, 535, 550, 552, 554, 571, 599)]


def expected(stage, number):
    if number < 500:
        return BUSY, "smtp_%d" % number
    if stage in ("connect", "EHLO"):
        return LATER, "no_service"
    if number in (530, 535):
        return PAUSE, "auth"
    if number == 552:
        return (BUSY, "mailbox_full") if stage == "RCPT" else (DEAD, "too_large")
    return {"MAIL": (PAUSE, "sender"), "RCPT": (PAUSE, "recipient")}.get(stage, (DEAD, "refused"))


for stage, number in NOW:
    words = "%d-5.0.0 says\r\n%d 5.0.0 the server" % (number, number)
    what, code, end, paused = judge(PLAIN, at(stage, words))
    equal("%s %d" % (stage, number), (what, code), expected(stage, number))
    contains("reason", end.message, "%d-5.0.0 says %d 5.0.0 the server" % (number, number))
    if code == "recipient":
        contains("which", paused, "takes no mail for ops@example.com")

# --- no answer ---
SHORT = PLAIN + 'timeout = "700ms";'
for stage in STAGES:
    equal(stage + " cut", judge(PLAIN, at(stage, do="cut"))[:2], (LATER, "connect"))
    equal(stage + " reset", judge(PLAIN, at(stage, do="reset"))[:2], (LATER, "connect"))
    equal(stage + " half", judge(PLAIN, at(stage, do="half"))[:2], (LATER, "connect"))
    what, code, end, _ = judge(SHORT, at(stage, do="hang"))
    equal(stage + " hang", (what, code), (LATER, "timeout"))
    equal(stage + " slow", judge(SHORT, at(stage, do="slow", pause=0.1))[:2], (LATER, "timeout"))
for stage in ("EHLO", "MAIL", "END"):
    equal(stage + " endless", judge(PLAIN, at(stage, "250", do="endless"))[0], LATER)
    equal(stage + " long", judge(PLAIN, at(stage, "250 ", do="long"))[0], LATER)
for text in ("what?", "2", "25", "", "HTTP/1.1 200 OK", "-1 x", "999 x", "354 x"):
    what, code, end, _ = judge(SHORT, at("connect", text))
    equal("greeting %r" % text, what, LATER)
equal("the body is cut", judge(PLAIN, at("BODY", do="cut"))[:2], (LATER, "connect"))
assert judge(SHORT, at("BODY", "554 spam", do="close"))[0] in (LATER, DEAD), "an answer before the end"
equal("data not asked for", judge(SHORT, at("DATA", "250 ok"))[0], LATER)
equal("a second go-on is none", judge(SHORT, at("END", "354 go on"))[0], LATER)
for goodbye in (dict(do="hang"), dict(do="cut"), dict(do="reset"), dict(text="500 no"), dict(text="", do="close")):
    with MailServer() as m:
        m.script = at("QUIT", **goodbye)
        with driven(PLAIN % {"url": m.url}) as d:
            equal("goodbye", end_of(d, d.one()), DELIVERED)
            equal("and the next", end_of(d, d.one(event(2))), DELIVERED)
        equal("once", [mail.message["Message-ID"][:3] for mail in m.mails], ["<il", "<il"])
equal("25x", judge(PLAIN, at("END", "251 taken as well"))[0], DELIVERED)

# --- several recipients: all or none ---
THREE = PLAIN.replace('"ops@example.com"', '"a@example.com", "Bé <b@example.com>", "c@example.com"')
with MailServer() as m:
    with driven(THREE % {"url": m.url}) as d:
        d.paused = ""
        equal("all", end_of(d, d.one()), DELIVERED)
        equal("to", m.mails[0].to, ["a@example.com", "b@example.com", "c@example.com"])
        for number, what, code in ((450, BUSY, "smtp_450"), (550, PAUSE, "recipient")):
            m.script = lambda stage, line, session: Say("%d no" % number) if stage == "RCPT" and "b@" in line else None
            d.advance(60)
            end = d.one(event(2))
            equal("one of them", (end_of(d, end), end.code), (what, code))
        contains("which", d.paused, "takes no mail for b@example.com")
        equal("nobody", (len(m.mails), [stage for s in m.sessions[1:] for stage in s.stages if stage in ("DATA", "END")]), (1, []))

# --- where the event says who, one refusal is the event's ---
EACH = PLAIN.replace('"ops@example.com"', '"ops@example.com", "$event.payload.who"') + 'recipients = ( "*@example.com" );'
with MailServer() as m:
    m.script = lambda stage, line, session: Say("550 unknown") if stage == "RCPT" and "gone@" in line else None
    with driven(EACH % {"url": m.url}) as d:
        equal("known", d.one(event(1, who="ada@example.com"))[:2], ("done", ""))
        end = d.one(event(2, who="gone@example.com"))
        equal("unknown", (end.state, end.code), ("rejected", "recipient"))
        equal("the next", d.one(event(3, who="bob@example.com"))[:2], ("done", ""))
        m.script = lambda stage, line, session: Say("550 unknown") if stage == "RCPT" and "ops@" in line else None
        end = d.one(event(4, who="ada@example.com"))
        d.paused = ""
        equal("the operator's", (end_of(d, end), end.code), (PAUSE, "recipient"))
        contains("which", d.paused, "takes no mail for ops@example.com")

# --- and so is one that has to wait ---
with MailServer() as m:
    m.script = lambda stage, line, session: Say(words) if stage == "RCPT" and "new@" in line else None
    with driven(EACH % {"url": m.url}) as d:
        for words, what, code in (("450 greylisted", LATER, "smtp_450"), ("552 full", LATER, "mailbox_full"), ("421 closing", BUSY, "smtp_421")):
            end = d.one(event(1, who="new@example.com"))
            equal(words, (end_of(d, end), end.code, end.flags & 1), (what, code, what == BUSY))
            equal("the others", d.one(event(2, who="ada@example.com"))[0], "done" if what == LATER else "deferred")

# --- one that is always told to wait does not hold the others for ever ---
with MailServer() as m:
    m.script = lambda stage, line, session: Say("451 look again") if stage == "END" and "n: 3" in session.mail.data.decode() else None
    with driven(PLAIN % {"url": m.url}) as d:
        first = d.one(event(3))
        equal("held", (first.code, d.held() > 0), ("smtp_451", True))
        d.advance(60)
        equal("another", d.one(event(4))[:2], ("done", ""))
        d.advance(60)
        again = d.one(event(3), again=(0, 120))
        equal("its own", (again.code, again.flags & 1, d.held()), ("smtp_451", 0, 0))

# --- a server that says back all that it was told ---
SECRET = "pa55wordSECRET"
with tempfile.TemporaryDirectory() as dir:
    ca = make_ca(dir)
    options = PLAIN.replace('starttls = "none";', 'username = "me"; password = "%s"; ca_file = "%s";' % (SECRET, ca["ca.pem"]))
    secrets = (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("="), base64.b64encode(b"\0me\0" + SECRET.encode()).decode())
    for stage in ("AUTH", "MAIL", "RCPT", "END"):
        for number in (435, 535, 550):
            for words in secrets + (" ".join(secrets),):
                judge(options, at(stage, "%d 5.0 you said %s" % (number, words)), secrets,
                      MailServer(tls=(ca["server.pem"], ca["server.key"]), login=("me", SECRET)))
sys.exit(0)

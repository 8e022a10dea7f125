#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A mail server that is away for a day, or takes nothing, in each of the ways in
which it can, by a clock of the test's own: every event is delivered in the end,
none is a dead letter, and what the server gets meanwhile is a probe now and then.
A mail that is never taken becomes a letter, while those beside it are delivered."""
import sys

from mailing import PLAIN, MailServer, Say, at, driven, equal
from parking import MINUTE, Host

WAYS = {"unreachable": at("connect", do="cut"), "busy": at("connect", "421 too many"), "shut": at("connect", "554 not you"),
        "greylisting": at("RCPT", "450 4.2.0 greylisted"), "mailbox full": at("RCPT", "552 5.2.2 quota"),
        "out of disk": at("MAIL", "452 4.3.1 disk"), "its filter is away": at("END", "451 4.7.1 filter")}
with MailServer() as m:
    away = {"now": False}
    for name, way in WAYS.items():
        m.script = lambda *step: way(*step) if away["now"] else None
        m.mails.clear()
        m.sessions.clear()
        with driven(PLAIN % {"url": m.url}) as d:
            host = Host(d)
            made = host.live(28, 10 * MINUTE, 27, away)
            equal(name + ": dead letters", host.letters, {})
            equal(name + ": delivered", (len(host.delivered), len({mail.message["Message-ID"] for mail in m.mails})), (made, made))
            equal(name + ": once", len(m.mails), made)
            equal(name + ": a flood", len(m.sessions) < made + 24 * 12 + 40, True)
    # one that is never taken, beside others
    for text in ("451 look at it", "554 spam"):
        m.script = lambda stage, line, session: Say(text) if stage == "END" and "n: 3\r" in session.mail.data.decode() else None
        with driven(PLAIN % {"url": m.url}) as d:
            host = Host(d)
            made = host.live(6, 5 * MINUTE, 5, away)
            equal("poison", host.letters, {3: "refused" if text[0] == "5" else "smtp_451"})
            equal("beside it", len(host.delivered), made - 1)
sys.exit(0)

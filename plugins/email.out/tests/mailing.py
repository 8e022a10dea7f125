# SPDX-License-Identifier: MIT
"""email.out in a test host, and a mail server: what its tests share."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "plugins", "webhook.out", "tests"))
from adapter import AT_ONCE, BUSY, DEAD, DELIVERED, LATER, PAUSE, contains, end_of, equal, event, manual, manual_is_true  # noqa: E402, F401
from adapter import refused as refused_by  # noqa: E402
from driven import NO_ATTEMPT, Driven  # noqa: E402, F401
from mailserver import MailServer, Say  # noqa: E402, F401

PLUGIN = "email.out"
PLAIN = 'url = "%(url)s"; from = "alerts@example.com"; to = ( "ops@example.com" ); starttls = "none"; rate = "1000/s";'


def driven(options, **more):
    return Driven(options, plugin=PLUGIN, **more)


def refused(options, part):
    refused_by(PLUGIN, options, part)


def judge(options, script, secrets=(), server=None):
    """How one event ends whose mail is answered so: what, code, and the end."""
    with server or MailServer() as m:
        m.script = script
        with driven(options % {"url": m.url}) as d:
            d.paused = ""
            end = d.one()
            what = end_of(d, end)
            for text in (end.message, d.text("log"), d.text("status"), d.paused, d.text("render", 0)):
                for secret in secrets:
                    if secret in text:
                        raise AssertionError("%s is in %r" % (secret, text))
            if what in (PAUSE, BUSY, AT_ONCE):
                equal("no attempt counts", end.flags & NO_ATTEMPT, NO_ATTEMPT)
            return what, end.code, end, d.paused


def at(stage, *say, **more):
    """A script: this reply at that stage, and the usual ones else."""
    reply = Say(*say, **more)
    return lambda now, line, session: reply if now == stage else None


def sent(options, events, server=None):
    """The mails that events become."""
    with server or MailServer() as m:
        with driven(options % {"url": m.url}) as d:
            for e in events:
                end = d.one(e)
                equal("it went", (end.state, end.message), ("done", ""))
        return m.mails

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 while mails are under way, between a server's 250 and its batch, and
while events wait to be sent again: none is lost, each attempt has the event's one
Message-ID, and what comes a second time was under way at the kill or was delivered
in the last 100 ms before it."""
import os
import random
import sys
import time

import mailing
from mailserver import MailServer, Say
from outsystem import Failed, Out, equal, event
from servers import PATIENCE

KILLS, EVENTS = 10, 1500
SLACK = 0.4 * PATIENCE  # a sync, and a machine that does other things
OPTIONS = mailing.PLAIN.replace('rate = "1000/s";', "") + 'rate = "100000/s"; concurrency = 16; schedule = ( "300ms", "1s", "2s" ); timeout = "1m";'
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
print("SEED=%d" % seed)
dice = random.Random(seed)
failed_once = set()


def number(mail):
    return int(mail.message.get_content().split()[1])


def script(stage, line, session):
    """Some fail the first time, at one step or another; all take a moment."""
    if stage == "MAIL" and dice.random() < 0.002:
        return Say(do=dice.choice(("cut", "reset")))
    if stage != "END":
        return None
    name = number(session.mail)
    if dice.random() < 0.02 and name not in failed_once:
        failed_once.add(name)
        return Say(dice.choice(("451 not now", "421 bye")), do=dice.choice((None, "close")))
    return Say(delay=dice.random() * 0.03)


def check(mails, kills):
    taken, repeats, late = {}, 0, 0.0
    for mail in mails:
        name = number(mail)
        if name in taken:
            repeats += 1
            before = taken[name]
            equal(mail.data, before.data, "the same mail")
            killed = [at for at, last in kills if before.session.number <= last < mail.session.number]
            if not killed:
                raise Failed("%s came twice without a kill in between" % name)
            late = max(late, killed[0] - before.at)
        taken[name] = mail
    equal([n for n in range(EVENTS) if n not in taken], [], "lost events")
    equal(len({mail.message["Message-ID"] for mail in mails}), EVENTS, "Message-IDs")
    if late > 0.1 + 0.03 + SLACK:
        raise Failed("sent again %.3f s after it was taken" % late)
    print("%d kills, %d repeats, the latest %.0f ms after it was taken" % (len(kills), repeats, late * 1000))


kills = []
with MailServer() as m, Out(OPTIONS, m, top='drain = "500ms";', plugin="email.out") as s:
    m.script = script
    for first in range(0, EVENTS, 500):
        s.post([event(i) for i in range(first, first + 500)])
    for _ in range(KILLS):
        time.sleep(dice.random() * 0.5)
        s.daemon.kill()
        at = time.time()
        time.sleep(0.3 * PATIENCE)  # what it had sent is read by then
        kills.append((at, len(m.sessions)))
        s.daemon.start()
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "all is delivered", 60, step=0.2)
    equal(s.lane()["dead_letters"], 0, "dead letters")
    check(list(m.mails), kills)
    # A stop does not wait for a server that says nothing.
    m.script = lambda stage, line, session: Say(do="hang") if stage == "END" else None
    s.post([event(i) for i in range(EVENTS, EVENTS + 20)])
    taken = len(m.mails)
    s.until(lambda: len(m.mails) >= taken + 4, "mails are under way")
    start = time.monotonic()
    s.daemon.stop()
    if time.monotonic() - start > 4 * PATIENCE:
        raise Failed("a stop took %.1f s" % (time.monotonic() - start))
    m.script = script
    s.daemon.start()
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "the rest is delivered", 60, step=0.2)
    equal({number(mail) for mail in m.mails}, set(range(EVENTS + 20)), "delivered")
    equal(len({mail.message["Message-ID"] for mail in m.mails}), EVENTS + 20, "Message-IDs")
sys.exit(0)

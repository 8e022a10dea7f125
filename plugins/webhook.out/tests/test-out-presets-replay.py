#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`ingestlayer replay --insert` into a lane of slack, discord or telegram posts each
event once more, the same text with the header that says so; into one of email.out it
sends the same mail, with the Message-ID that it had and such a header."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "plugins", "email.out", "tests"))
import mailing  # noqa: E402
from driven import Driven  # noqa: E402
from mailserver import MailServer  # noqa: E402
from outsystem import LANE, Out, equal, event  # noqa: E402
from receiver import Answer, Receiver  # noqa: E402

N = 3
PRESETS = {
    "slack": ('url = "%(url)s/services/T000/B000/hook"; rate = "1000/s";', Answer(200, body="ok")),
    "discord": ('url = "%(url)s/api/webhooks/112233445566/hook"; rate = "1000/s";', Answer(200, body='{"id":"1"}')),
    "telegram": ('token = "123456:AAHtoken"; chat_id = "-1001"; api = "%(url)s"; rate = "1000/s";',
                 Answer(200, body='{"ok":true,"result":{"message_id":1}}')),
}


def replayed(s, what):
    """Deliver, then once more."""
    s.post([event(i) for i in range(N)])
    s.until(lambda: s.lane()["lag_events"] == 0 and s.lane()["parked"] == 0, "%s: all is delivered" % what)
    text = s.run("replay", "--lane", LANE, "--since", "1h", "--insert", "--rate", "1000/s", "--json")
    report = [json.loads(line)["report"] for line in text.splitlines() if "report" in line][0]
    equal((report["sent"], report["failed"]), (N, 0), what)


# as a plugin's own tests can see it
with Receiver() as r, Driven('url = "%s"; rate = "1000/s";' % r.url) as d:
    equal([d.one(replayed=replayed).state for replayed in (True, False)], ["done", "done"], "in a test host")
    equal([q.headers.get("webhook-replay") for q in r.requests], ["true", None], "in a test host")

for plugin, (options, answer) in PRESETS.items():
    with Receiver() as r, Out(options, r, plugin=plugin) as s:
        r.script = lambda q: answer
        replayed(s, plugin)
        equal([q.headers.get("webhook-replay") for q in r.requests], [None] * N + ["true"] * N, plugin)
        equal(sorted(q.body for q in r.requests[:N]), sorted(q.body for q in r.requests[N:]), plugin)

with MailServer() as m, Out(mailing.PLAIN, m, plugin="email.out") as s:
    replayed(s, "email.out")
    ids = [mail.message["Message-ID"] for mail in m.mails]
    equal((len(ids), sorted(ids[:N]), len(set(ids))), (2 * N, sorted(ids[N:]), N), "Message-IDs")
    equal([mail.message["Webhook-Replay"] for mail in m.mails], [None] * N + ["true"] * N, "headers")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""discord against a server that answers as Discord does: each answer has the
end that the manual says, what is posted mentions nobody and is no markup of the
event's, and no text has the webhook's token in it."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "plugins", "webhook.out", "tests"))
from adapter import (BUSY, DEAD, DELIVERED, LATER, PAUSE, Answer, Driven, Receiver, body, equal, event, judge, manual,  # noqa: E402
                     manual_is_true, refused, sent)

TOKEN = "hookSECRETpart"
HOOK = 'url = "%(url)s/api/webhooks/112233445566/hookSECRETpart"; rate = "1000/s";'


def says(status, code, **more):
    return Answer(status, body=json.dumps(dict({"message": "no " + TOKEN, "code": code}, **more)))


# --- the table of the manual, row by row ---
table = manual("discord").split(".Sh ANSWERS", 1)[1].split(".Sh ", 1)[0]
names = ("PAUSE", "DEAD", "AGAIN", "OTHER")
groups = dict(zip(names, re.split(r"^\.Ss .*\n", table, flags=re.M)[1:]))
words = {name: re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"^\.It Li (.+)$", text, re.M))) for name, text in groups.items()}
assert len(words["PAUSE"]) > 10 and len(words["DEAD"]) > 5, words
manual_is_true("discord", sum(words.values(), []))
for name, ends in (("PAUSE", (PAUSE,)), ("DEAD", (DEAD,)), ("AGAIN", (LATER, BUSY))):
    for word in words[name]:
        if word.isdigit():
            what, code, _ = judge("discord", HOOK, says(400, int(word)), (TOKEN,))
            assert what in ends and code == word, (word, what, code)

# --- and the others ---
for answer, what, code in ((Answer(200, body="{}"), DELIVERED, ""), (Answer(204), DELIVERED, ""),
                           (Answer(200, body="x" * 20000), DELIVERED, ""),
                           (says(404, 10015), PAUSE, "10015"), (says(401, 50027), PAUSE, "50027"),
                           (Answer(401, body="401: Unauthorized"), PAUSE, "http_401"),
                           (says(401, 0), PAUSE, "http_401"), (Answer(403), PAUSE, "http_403"),
                           (Answer(404, body="?"), PAUSE, "http_404"), (Answer(410), PAUSE, "http_410"),
                           (Answer(400, body='{"content": ["Must be 2000 or fewer in length."]}'), LATER, "http_400"),
                           (says(400, "50035"), LATER, "http_400"), (says(400, 77), LATER, "http_400"),
                           (Answer(500), LATER, "http_500"), (Answer(502), LATER, "http_502"),
                           (Answer(503), BUSY, "http_503"), (Answer(302), LATER, "http_302"),
                           (Answer(do="reset"), LATER, "connect")):
    equal("%d %s" % (answer.status, answer.body[:40]), judge("discord", HOOK, answer, (TOKEN,))[:2], (what, code))
for wait, header, least, most in ((1.337, None, 1338, 1700), (64.57, "65", 64570, 78000), (0.151, None, 151, 300), ("2.5", None, 2500, 3100),
                                  (30, None, 30000, 36100), (1e30, "1", 1, 3600000 * 1.3), (-5, "3", 3000, 3700),
                                  (None, "7", 7000, 8500), (99999999, None, 3600000, 4400000)):
    answer = says(429, 0, retry_after=wait, **{"global": False})
    answer.headers = {"Retry-After": header} if header else {}
    what, code, end = judge("discord", HOOK, answer)
    equal("429", (what, code), (BUSY, "http_429"))
    assert least <= end.delay <= most, (wait, end)

# --- what is posted ---
got = sent("discord", HOOK, [event(1, "order.paid", name="@everyone <@1> **x** `y` [a](http://b)", lines="a\n# b\\")])[0]
equal("where", (got.method, got.path), ("POST", "/api/webhooks/112233445566/hookSECRETpart?wait=true"))
equal("message", body(got), {
    "content": "**order.paid**\nn: 1\nname: \\@everyone \\<\\@1\\> \\*\\*x\\*\\* \\`y\\` \\[a\\]\\(http\\://b\\)\nlines: a \\# b\\\\",
    "allowed_mentions": {"parse": []}, "flags": 4})
threads = sent("discord", HOOK.replace("part", "part?thread_id=5"), [event(1)])[0]
equal("a thread", threads.path, "/api/webhooks/112233445566/hookSECRETpart?thread_id=5&wait=true")
text = body(sent("discord", HOOK + 'text = "**{{ who }}** <@77>\\n{{ who }}";', [event(1, who="*a*\nb")])[0])["content"]
equal("template", text, "**\\*a\\*\nb** <@77>\n\\*a\\*\nb")
for value, expected in (("x" * 2000, "x" * 2000), ("x" * 2001, "x" * 1999 + "…"), ("*" * 1000, "\\*" * 1000), ("*" * 1001, "\\*" * 999 + "…"),
                        ("😀" * 1000, "😀" * 1000), ("😀" * 1001, "😀" * 999 + "…")):
    text = body(sent("discord", HOOK + 'text = "{{ long }}";', [event(1, long=value)])[0])["content"]
    assert text == expected, (value[:1], len(text), text[-5:])
with Receiver() as r, Driven(HOOK % {"url": r.url} + 'text = "$event.payload.gone";', plugin="discord") as d:
    equal("nothing to say", (d.one()[:2], len(r.requests)), (("rejected", "template"), 0))

# --- options ---
refused("discord", "", "url: is required")
refused("discord", 'url = "discord.com/api/webhooks/1/x";', "url: is no URL")
refused("discord", 'url = "https://discord.com/api/webhooks/1/x#y";', 'url: has a "#"')
refused("discord", 'url = "https://a:b@discord.com/api/webhooks/1/x";', "url: has a name or password")

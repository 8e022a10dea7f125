#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slack against a server that answers as Slack does: each answer has the end
that the manual says, what is posted mentions nobody and is no markup of the
event's, and no text has a token in it."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "plugins", "webhook.out", "tests"))
from adapter import (BUSY, DEAD, DELIVERED, LATER, PAUSE, Answer, Driven, Receiver, body, contains, equal, event, judge, manual,  # noqa: E402
                     manual_is_true, refused, sent)

SECRETS = ("xoxb-1234-SECRET",)
HOOK = 'url = "%(url)s/services/T000/B000/hookSECRETpart"; rate = "1000/s";'
TOKEN = 'token = "xoxb-1234-SECRET"; channel = "C0123"; api = "%(url)s/api"; rate = "1000/s";'


def says(error, **more):
    return Answer(200, body=json.dumps(dict({"ok": False, "error": error, "you_sent": SECRETS}, **more)))


# --- the table of the manual, row by row ---
table = manual("slack").split(".Sh ANSWERS", 1)[1].split(".Sh ", 1)[0]
groups = dict(zip(("PAUSE", "DEAD", "AGAIN", "OTHER"), re.split(r"^\.Ss .*\n", table, flags=re.M)[1:]))
words = {name: re.findall(r"[a-z_]+", " ".join(re.findall(r"^\.It Li (.+)$", text, re.M))) for name, text in groups.items()}
assert len(words["PAUSE"]) > 30 and len(words["DEAD"]) > 15, words
codes = sum((words[name] for name in ("PAUSE", "DEAD", "AGAIN")), [])
manual_is_true("slack", codes + words["OTHER"])
for name, ends in (("PAUSE", (PAUSE,)), ("DEAD", (DEAD,)), ("AGAIN", (LATER, BUSY))):
    for word in words[name]:
        what, code, end = judge("slack", TOKEN, says(word), SECRETS)
        assert (what in ends and code == word), (word, what, code)
        contains(word, end.message, word)
# the same words as plain text, of an incoming webhook
for status, word, what in ((400, "invalid_payload", DEAD), (400, "no_text", DEAD), (403, "action_prohibited", PAUSE),
                           (403, "invalid_token", PAUSE), (404, "no_service", PAUSE), (404, "channel_not_found", PAUSE),
                           (404, "no_active_hooks", PAUSE), (410, "channel_is_archived", PAUSE), (404, "no_team", PAUSE),
                           (500, "rollup_error", LATER)):
    equal(word, judge("slack", HOOK, Answer(status, body=word + "\n"), ("hookSECRETpart",))[:2], (what, word))

# --- and the others ---
for options in (HOOK, TOKEN):
    for answer, what, code in ((Answer(429, {"Retry-After": "30"}, body="ratelimited"), BUSY, "http_429"),
                               (Answer(503, body="<html>"), BUSY, "http_503"), (Answer(500), LATER, "http_500"),
                               (Answer(404, body="<html>"), LATER, "http_404"), (Answer(302), LATER, "http_302"),
                               (Answer(410, body="?"), PAUSE, "gone"), (Answer(do="close"), LATER, "connect")):
        equal("%d" % answer.status, judge("slack", options, answer, SECRETS)[:2], (what, code))
what, _, end = judge("slack", TOKEN, Answer(429, {"Retry-After": "77"}, body='{"ok":false,"error":"ratelimited"}'))
assert what == BUSY and 77000 <= end.delay < 100000, end
equal("sent back", judge("slack", HOOK, Answer(400, body="no /services/T000/B000/hookSECRETpart here"), ("hookSECRETpart",))[0], LATER)
equal("webhook", judge("slack", HOOK, Answer(200, body="ok"))[0], DELIVERED)
equal("posted", judge("slack", TOKEN, Answer(200, body='{"ok":true,"ts":"1.2"}'))[0], DELIVERED)
equal("a long answer", judge("slack", TOKEN, Answer(200, body='{"ok":true,"message":{"text":"%s"}}' % ("x" * 60000)))[0], DELIVERED)
equal("one that breaks off", judge("slack", TOKEN, Answer(200, body='{"ok":true,"message":"%s' % ("x" * 9000), do="half"))[0],
      DELIVERED)
for text in ("", "ok", "<html>captive portal</html>", "[true]", '{"ok":1}', '{"a":{"ok":true}}', '{"ok":true', '{"ok":false,"ok',
             "\xff\x00", '{"error":"msg_too_long"}x'):
    what, code, _ = judge("slack", TOKEN, Answer(200, body=text.encode("latin-1")), SECRETS)
    equal(text, (what, code), (DELIVERED, "") if text == '{"ok":true' else (LATER, "no_slack"))
equal("an error nobody knows", judge("slack", TOKEN, says("brand_new"))[:2], (LATER, "slack_error"))
equal("ok is what counts", judge("slack", TOKEN, Answer(200, body='{"ok":true,"error":"msg_too_long"}'))[0], DELIVERED)

# --- what is posted ---
request = sent("slack", TOKEN, [event(1, "order.paid", name="a&b <!channel> <@U1> *x*", yes=True, none=None, list=[1], price=1.50,
                                      lines="one\ntwo", nul="a\u0000b")])[0]
equal("where", (request.method, request.path), ("POST", "/api/chat.postMessage"))
equal("who", request.headers["authorization"], "Bearer xoxb-1234-SECRET")
equal("message", body(request), {
    "channel": "C0123", "link_names": False, "unfurl_links": False, "unfurl_media": False,
    "text": "*order.paid*\nn: 1\nname: a&amp;b &lt;!channel&gt; &lt;@U1&gt; *x*\nyes: true\nprice: 1.5\nlines: one two\nnul: a b"})
request = sent("slack", HOOK + 'text = "<!here> *{{ who }}* & co\\n{{ $event.type }}";', [event(1, who="<!channel>\n& me")])[0]
equal("webhook", (request.path, body(request)["text"], "channel" in body(request), request.headers.get("authorization")),
      ("/services/T000/B000/hookSECRETpart", "<!here> *&lt;!channel&gt;\n&amp; me* & co\ntest.event", False, None))
many = body(sent("slack", HOOK, [event(0, **{"f%02d" % i: "v" * 300 for i in range(12)})])[0])["text"].split("\n")
equal("ten fields, each cut", (len(many), len(many[-1])), (11, len("f08: ") + 200))
long = body(sent("slack", HOOK + 'text = "[{{ long }}] {{ n }} end";', [event(7, long="é<" * 5000)])[0])["text"]
assert len(long) <= 4000 and re.search("…\\] 7? end$", long) and "&l…" not in long and len(long) > 3980, (len(long), long[-20:])
exact = body(sent("slack", HOOK + 'text = "{{ long }}";', [event(7, long="😀" * 2000)])[0])["text"]
equal("just as long", exact, "😀" * 2000)
cut = body(sent("slack", HOOK + 'text = "{{ long }}";', [event(7, long="😀" * 2001)])[0])["text"]
equal("cut between characters", cut, "😀" * 1999 + "…")
with Receiver() as r, Driven(HOOK % {"url": r.url} + 'text = "{{ gone }} \\n";', plugin="slack") as d:
    equal("nothing to say", (d.one()[:2], len(r.requests)), (("rejected", "template"), 0))

# --- options ---
refused("slack", "", "url: is required, or token and channel")
refused("slack", 'token = "x";', "channel: is required")
refused("slack", 'url = "https://h/"; token = "x"; channel = "c";', "together with url")
refused("slack", 'url = "https://h/"; channel = "c";', "channel: is of no use")
refused("slack", 'url = "hooks.slack.com/x";', "url: is no URL")
refused("slack", 'token = "a b"; channel = "c";', "token: is empty, or")
refused("slack", 'token = "x"; channel = "c"; api = "ftp://h";', "api: is no URL")
refused("slack", 'url = "https://h/"; text = "{{ x( }}";', "text")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""telegram against a server that answers as Telegram does: each answer has the
end that the manual says, a chat that has moved is followed, what is sent mentions
nobody and is no markup of the event's, and no text has the token in it."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["IL_SRCDIR"], "plugins", "webhook.out", "tests"))
from adapter import (AT_ONCE, BUSY, DEAD, DELIVERED, LATER, PAUSE, Answer, Driven, Receiver, body, contains, end_of,  # noqa: E402
                     equal, event, judge, manual, manual_is_true, refused, sent)

SECRETS = ("AAHsecretSECRET", "123456:AAH")
BOT = 'token = "123456:AAHsecretSECRET"; chat_id = "-1001"; api = "%(url)s"; rate = "1000/s";'


def says(status, description, **parameters):
    return Answer(status, body=json.dumps({"ok": False, "error_code": status, "parameters": parameters,
                                           "description": description + " /bot123456:AAHsecretSECRET/sendMessage"}))


# --- what Telegram says, and what it means ---
CASES = {
    (401, "Unauthorized"): (PAUSE, "unauthorized"),
    (404, "Not Found"): (PAUSE, "unauthorized"),
    (403, "Forbidden: bot was blocked by the user"): (PAUSE, "blocked"),
    (403, "Forbidden: bot was kicked from the supergroup chat"): (PAUSE, "kicked"),
    (403, "Forbidden: bot is not a member of the channel chat"): (PAUSE, "forbidden"),
    (403, "Forbidden: bot can't initiate conversation with a user"): (PAUSE, "forbidden"),
    (403, "Forbidden: the group chat was deleted"): (PAUSE, "chat_gone"),
    (403, "Forbidden: user is deactivated"): (PAUSE, "chat_gone"),
    (400, "Bad Request: chat not found"): (PAUSE, "chat_not_found"),
    (400, "Bad Request: chat_id is empty"): (PAUSE, "chat_not_found"),
    (400, "Bad Request: PEER_ID_INVALID"): (PAUSE, "chat_not_found"),
    (400, "Bad Request: not enough rights to send text messages to the chat"): (PAUSE, "no_rights"),
    (400, "Bad Request: need administrator rights in the channel chat"): (PAUSE, "no_rights"),
    (400, "Bad Request: have no rights to send a message"): (PAUSE, "no_rights"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"): (PAUSE, "no_rights"),
    (400, "Bad Request: TOPIC_CLOSED"): (PAUSE, "no_rights"),
    (400, "Bad Request: group chat was deactivated"): (PAUSE, "chat_gone"),
    (400, "Bad Request: message is too long"): (DEAD, "too_long"),
    (400, "Bad Request: message text is empty"): (DEAD, "no_text"),
    (400, "Bad Request: text must be non-empty"): (DEAD, "no_text"),
    (400, "Bad Request: strings must be encoded in UTF-8"): (DEAD, "no_text"),
    (400, "Bad Request: can't parse entities: Unsupported start tag"): (DEAD, "no_markup"),
    (400, "Bad Request: can't parse JSON object"): (DEAD, "bad_request"),
    (400, "Bad Request: something new"): (LATER, "http_400"),
    (500, "Internal Server Error: chat not found"): (LATER, "http_500"),
    (502, "Bad Gateway"): (LATER, "http_502"),
}
for (status, text), expected in CASES.items():
    equal(text, judge("telegram", BOT, says(status, text), SECRETS)[:2], expected)
manual_is_true("telegram", {code for _, code in CASES.values() if not code.startswith("http_")} | {"moved"})
table = manual("telegram").split(".Sh ANSWERS", 1)[1].split(".Sh ", 1)[0]
for (status, text), (what, _) in CASES.items():
    if what in (PAUSE, DEAD):
        words = text.split(": ", 1)[-1].split(" by ")[0].split(" from ")[0]
        assert any(part.lower() in words.lower() for part in re.findall(r"^\.Qq (.+?)(?: [,.])?$", table, re.M)) or status in (401, 404, 403), \
            "the manual does not say " + words

# --- and the others ---
for answer, what, code in ((Answer(200, body='{"ok":true}'), DELIVERED, ""), (Answer(200, body="x" * 20000), DELIVERED, ""),
                           (Answer(503), BUSY, "http_503"), (Answer(500, body="<html>"), LATER, "http_500"),
                           (Answer(400, body="\xff{"), LATER, "http_400"), (Answer(400, body="[]"), LATER, "http_400"),
                           (Answer(400, body='{"description":7,"parameters":[1]}'), LATER, "http_400"),
                           (Answer(403, body="<html>"), PAUSE, "forbidden"), (Answer(do="close"), LATER, "connect"),
                           (Answer(404, do="half", body="x" * 99), PAUSE, "unauthorized")):
    equal("%d %s" % (answer.status, answer.body[:40]), judge("telegram", BOT, answer, SECRETS)[:2], (what, code))
for wait, least, most in ((35, 35000, 43000), (0, 1, 300000), (10 ** 30, 1, 3600000 * 1.3), ("x", 1, 300000)):
    what, code, end = judge("telegram", BOT, says(429, "Too Many Requests: retry after 35", retry_after=wait), SECRETS)
    equal("429", (what, code), (BUSY, "http_429"))
    assert least <= end.delay <= most, (wait, end)

# --- a group that became a supergroup ---
moves = {"-1001": -1002, "-1002": -1003}
with Receiver() as r:
    def script(request):
        to = moves.get(body(request)["chat_id"])
        return says(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=to) if to else Answer(200)
    r.script = script
    with Driven(BOT % {"url": r.url}, plugin="telegram") as d:
        d.paused = ""
        for expected in (AT_ONCE, AT_ONCE, DELIVERED, DELIVERED):
            equal("moved", end_of(d, d.one()), expected)
        equal("chats", [body(q)["chat_id"] for q in r.requests], ["-1001", "-1002", "-1003", "-1003"])
        contains("log", d.text("log"), 'chat -1001 has become -1002, which is used from now on; write chat_id = "-1002"')
# one that says the same over and over is no move
with Receiver() as r:
    r.script = lambda request: says(400, "Bad Request: upgraded", migrate_to_chat_id=-1002)
    with Driven(BOT % {"url": r.url}, plugin="telegram") as d:
        d.paused = ""
        equal("a circle", [end_of(d, d.one()) for _ in range(3)], [AT_ONCE, LATER, LATER])

# --- what is sent ---
ALL = event(1, "order.paid", name="@someone a@b.example <b> *x* & co_", lines="a\nb")
got = sent("telegram", BOT, [ALL])[0]
equal("where", (got.method, got.path), ("POST", "/bot123456:AAHsecretSECRET/sendMessage"))
quiet = {"chat_id": "-1001", "link_preview_options": {"is_disabled": True}, "disable_web_page_preview": True}
equal("message", body(got), dict(quiet, text="order.paid\nn: 1\nname: @\u2060someone a@b.example <b> *x* & co_\nlines: a b"))
equal("HTML", body(sent("telegram", BOT + 'parse_mode = "HTML";', [ALL])[0]), dict(
    quiet, parse_mode="HTML",
    text="<b>order.paid</b>\nn: 1\nname: @\u2060someone a@b.example &lt;b&gt; *x* &amp; co_\nlines: a b"))
equal("MarkdownV2", body(sent("telegram", BOT + 'parse_mode = "MarkdownV2";', [ALL])[0]), dict(
    quiet, parse_mode="MarkdownV2",
    text="*order\\.paid*\nn: 1\nname: @\u2060someone a@b\\.example <b\\> \\*x\\* & co\\_\nlines: a b"))
text = body(sent("telegram", BOT + 'parse_mode = "HTML"; text = "<i>{{ who }}</i> @us";', [event(1, who="</i>\n<b>")])[0])["text"]
equal("template", text, "<i>&lt;/i&gt;\n&lt;b&gt;</i> @us")
for value, expected in (("x" * 4096, "x" * 4096), ("x" * 4097, "x" * 4095 + "…"), ("😀" * 2049, "😀" * 2047 + "…"),
                        ("\ud800", "???")):
    text = body(sent("telegram", BOT + 'text = "{{ long }}";', [event(1, long=value)])[0])["text"]
    assert text == expected, (value[:1], len(text), text[-5:])
text = body(sent("telegram", BOT + 'parse_mode = "HTML"; text = "<b>{{ long }}</b>";', [event(1, long="<" * 5000)])[0])["text"]
assert len(text) <= 4096 and text.endswith("&lt;…</b>"), text[-20:]

# --- options ---
refused("telegram", "", "token: is required")
refused("telegram", 'token = "1:a";', "chat_id: is required")
for token in ("bot1:a", "1", ":a", "1:", "1:a/b", "1:a?", "1:\\n"):
    refused("telegram", 'token = "%s"; chat_id = "1";' % token, "token: is no token of a bot")
for chat in ("x", "-", "@", "1x", "--1"):
    refused("telegram", 'token = "1:a"; chat_id = "%s";' % chat, "chat_id: is neither a number")
refused("telegram", 'token = "1:a"; chat_id = "1"; api = "h";', "api: is no URL")
refused("telegram", 'token = "1:a"; chat_id = "1"; parse_mode = "html";', "parse_mode")

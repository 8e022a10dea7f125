#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What email.out sends, read by Python's parser of mail: texts arrive as they are
in any script, lines are short and ASCII, nothing of an event makes a header or a
recipient, and the options are checked."""
import datetime
import email.utils
import os
import random
import re
import sys

from mailing import PLAIN, MailServer, driven, equal, event, refused, sent

seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
print("SEED=%d" % seed)
dice = random.Random(seed)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
           "Content-Transfer-Encoding"]


def check(mail, subject=None, text=None):
    m = mail.message
    equal("headers", m.keys(), HEADERS)
    equal("defects", [m.defects] + [m[name].defects for name in HEADERS], [()] * 1 and [[]] + [()] * len(HEADERS))
    assert re.fullmatch(rb"(?:[\t -~]{0,76}\r\n)*", mail.data), [line for line in mail.data.split(b"\r\n") if len(line) > 76]
    equal("kind", (m["Auto-Submitted"], m["MIME-Version"], m["Content-Type"], m["Content-Transfer-Encoding"]),
          ("auto-generated", "1.0", 'text/plain; charset="utf-8"', "quoted-printable"))
    if subject is not None:
        equal("subject", m["Subject"], subject)
    if text is not None:
        equal("text", m.get_content().replace("\r\n", "\n"), text)


# --- the default ---
mail = sent(PLAIN, [event(1, "order.paid", name="Grüße, 你好 😀", yes=True, none=None, list=[1], price=1.50, lines="one\ntwo")])[0]
check(mail, "order.paid", "n: 1\nname: Grüße, 你好 😀\nyes: true\nprice: 1.5\nlines: one two\n")
equal("envelope", (mail.sender, mail.to), ("alerts@example.com", ["ops@example.com"]))
equal("date", mail.message["Date"].datetime.tzinfo is not None, True)
assert re.fullmatch(r"<[A-Za-z0-9_-]+\.test/lane@example\.com>", mail.message["Message-ID"]), mail.message["Message-ID"]
check(sent(PLAIN, [{"id": "e1", "type": "t", "payload": {}}])[0], "t", "")
many = sent(PLAIN, [event(0, **{"f%02d" % i: "v" * 300 for i in range(12)})])[0].message.get_content().splitlines()
equal("ten fields, each cut", (len(many), len(many[-1])), (10, len("f08: ") + 200))

# --- names and addresses ---
PEOPLE = ('url = "%%(url)s"; starttls = "none"; from = "Grüße \\"Ops\\" <a.b+c@example.com>";'
          'to = ( "x@y", "Doe, Jane <jane@example.org>", "\\"quoted\\" <q@example.org>", "=?UTF-8?B?eA==?= <e@example.org>",'
          '"%s <long@example.org>", "<bare@example.org>" );' % ("你好" * 20))
mail = sent(PEOPLE, [event(1)])[0]
check(mail)
equal("from", [(a.display_name, a.addr_spec) for a in mail.message["From"].addresses], [('Grüße "Ops"', "a.b+c@example.com")])
# Python's own puts a space between two encoded words of a name.
equal("to", [(a.display_name.replace(" 你", "你").replace(" 好", "好"), a.addr_spec) for a in mail.message["To"].addresses],
      [("", "x@y"), ("Doe, Jane", "jane@example.org"), ("quoted", "q@example.org"), ("=?UTF-8?B?eA==?=", "e@example.org"),
       ("你好" * 20, "long@example.org"), ("", "bare@example.org")])
equal("envelope", mail.to, ["x@y", "jane@example.org", "q@example.org", "e@example.org", "long@example.org", "bare@example.org"])

# --- texts of an event, as hostile as can be ---
BOTH = PLAIN + 'subject = "[{{ s }}]"; text = "{{ t }}";'
INJECTIONS = ["x\r\nBcc: evil@example.net", "x\nBcc: evil@example.net", "x\rBcc: evil", "a\u2028Bcc: b", "a\x85Bcc: b", "a\x0bb\x0cc",
              "\r\n\r\nnow the body", ".\r\n", "\r\n.\r\nMAIL FROM:<evil@example.net>\r\n", "=?UTF-8?B?eA==?=", "=?x?q?=0D=0ABcc:_e?=",
              "a\x00b", "x" * 190, "wort " * 38, "  two  spaces  ", "ü" * 190, "😀" * 90, "a" + "é" * 99, "From me", ".", "..", ".a\n..b\n.",
              "=3D=0A", "trailing \n\tand \t\nend ", "\t", "\ufeffbom", "\u202eevil", "--=_x\nContent-Type: text/html", "a=\r\nb", "=", "x" * 998]


def plain(text, keep=""):
    return "".join(" " if (ch < " " and ch not in keep) or ch == "\x7f" else ch for ch in text)


def cut(text, most):
    """As it comes out: in code units of UTF-16."""
    if len(text.encode("utf-16-le")) // 2 <= most:
        return text
    while len(text.encode("utf-16-le")) // 2 > most - 1:
        text = text[:-1]
    return text + "…"


alphabet = "ab .=?<>@:,;\"\\\r\n\t_-FromüéßЖ你😀\u0301\x00\x7f"
values = INJECTIONS + ["".join(dice.choice(alphabet) for _ in range(dice.randrange(1, 300))) for _ in range(150)]
with MailServer() as m, driven(BOTH % {"url": m.url}) as d:
    for i, value in enumerate(values):
        end = d.one(event(i, s=value, t="|" + value + "\n" + value))
        equal("%r" % value, (end.state, end.message), ("done", ""))
        body = plain("|" + value + "\n" + value, "\n\t")
        check(m.mails[-1], ("[%s]" % cut(plain(value), 198)), body + ("" if body.endswith("\n") else "\n"))
        equal("who", (m.mails[-1].sender, m.mails[-1].to), ("alerts@example.com", ["ops@example.com"]))
        equal("commands", [line.split(" ")[0] for line in m.mails[-1].session.lines], ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"])
    long = "ä" * 120000
    d.one(event(9, s="x", t=long))
    check(m.mails[-1], "[x]", "ä" * 99999 + "…\n")
    for options, part in (('subject = "{{ gone }} ";', "subject"), ('text = "{{ gone }}\\n";', "text")):
        with driven(PLAIN % {"url": m.url} + options) as other:
            end = other.one()
            equal(part, (end.state, end.code, part in end.message), ("rejected", "template", True))
lone = sent(BOTH, [event(1, s="a\ud800b", t="\ud800")])[0]
check(lone, "[a???b]", "???\n")

# --- who gets it, where the event says so ---
TO = 'url = "%(url)s"; starttls = "none"; from = "a@example.com"; rate = "1000/s"; to = ( "{{ who }}" ); recipients = ( "*@example.com", "*@*.example.org" );'
with MailServer() as m, driven(TO % {"url": m.url}) as d:
    for good in ("ada@example.com", "Ada.L+x@EXAMPLE.com", "b@sub.example.org"):
        equal(good, d.one(event(1, who=good))[:2], ("done", ""))
        equal("to", (m.mails[-1].to, m.mails[-1].message["To"].addresses[0].addr_spec), ([good], good))
    before = len(m.mails)
    for bad in ("", None, 7, [], "x", "@example.com", "a@", "a@b@example.com", "evil@example.net", "a@example.com.evil.net", "a@exampleXcom",
                "a@example.com, evil@example.net", "a@example.com\r\nBcc: e@example.com", "<a@example.com>", "A <a@example.com>", " a@example.com",
                "a@example.com ", "a b@example.com", '"a"@example.com', "ü@example.com", "a@exämple.com", "a..b@example.com", ".a@example.com",
                "a.@example.com", "a@-x.example.org", "a@x-.example.org", "a@[127.0.0.1]", "a@x.example.org.", "a\x00@example.com", "a(c)@example.com",
                "x" * 65 + "@example.com", "a@" + "x" * 64 + ".example.org", "a@" + "x." * 130 + "example.org", "a>@example.com", "a%evil.net@example.com", "evil.net!a@example.com",
                "|sh@example.com", "/etc/x@example.com", "%s@example.com" % ("a," * 3)):
        end = d.one(event(2, who=bad))
        equal("%r" % (bad,), (end.state, end.code, end.message.startswith("a recipient that comes out is no")), ("rejected", "template", True))
        assert not bad or not isinstance(bad, str) or bad not in end.message, end
    equal("sent", len(m.mails), before)

# --- dead show --render, and the same bytes at each attempt ---
with MailServer() as m, driven(BOTH.replace('"ops@example.com"', '"Ops <ops@example.com>", "b@example.com"') % {"url": m.url}) as d:
    for again in (None, (1, 30), (2, 300)):
        d.write([event(1, s="Grüße", t="a\n.b")], again)
    shown = d.text("render", 0)
    head, _, rest = shown.partition("\n\n")
    equal("shown", head, "%s\nMAIL FROM:<alerts@example.com>\nRCPT TO:<ops@example.com>\nRCPT TO:<b@example.com>" % m.url)
    equal("the whole mail", rest.rsplit("\n", 1)[0] + "\n", m.mails[0].data.decode().replace("\r\n", "\n"))
    equal("each time", {mail.data for mail in m.mails}, {m.mails[0].data})
    equal("attempts", len(m.mails), 3)
    when = email.utils.parsedate_to_datetime(m.mails[0].message["Date"])
    equal("when it was received", when, datetime.datetime.fromtimestamp(1_700_000_000, datetime.timezone.utc))

# --- options ---
for options, part in (
        ("", "url: is required"),
        ('url = "smtp://h"; to = ( "a@b" );', "from: is required"),
        ('url = "smtp://h"; from = "a@b";', "to: is required"),
        (PLAIN % {"url": "http://h"}, "url: is no URL of smtp or smtps"),
        (PLAIN % {"url": "h:25"}, "url: is no URL of smtp or smtps"),
        (PLAIN % {"url": "smtp://a:b@h"}, "write username and password instead"),
        (PLAIN % {"url": "smtp://h/a%0d%0aQUIT"}, "url: has more than a name"),
        (PLAIN % {"url": "smtp://h/?x"}, "url: has more than a name"),
        (PLAIN % {"url": "smtps://h"}, "starttls: is of no use"),
        (PLAIN % {"url": "smtp://h"} + 'username = "a";', "password: is required"),
        (PLAIN % {"url": "smtp://h"} + 'password = "a";', "username: is required"),
        (PLAIN % {"url": "smtp://h"} + 'username = "a"; password = "b";', "would be read by all on the way"),
        (PLAIN % {"url": "smtp://h"} + 'ca_file = "/x";', "ca_file: is of no use: starttls is none"),
        (PLAIN % {"url": "smtp://h"} + 'recipients = ( "*@b" );', "recipients: is of no use"),
        (PLAIN % {"url": "smtp://h"} + 'retry_after_max = "1h";', "retry_after_max"),
        (PLAIN.replace("ops@", "{{ who }}@") % {"url": "smtp://h"}, "recipients: is required"),
        (PLAIN.replace('"ops@example.com"', "") % {"url": "smtp://h"}, "to: "),
        (PLAIN.replace("alerts@", "alerts@ü") % {"url": "smtp://h"}, "from: "),
        (PLAIN.replace("alerts@", "a\\r\\nBcc: x <a@b> alerts@") % {"url": "smtp://h"}, "from: "),
        (PLAIN.replace("alerts@example.com", "A\\nB <a@b>") % {"url": "smtp://h"}, "from: "),
        (PLAIN.replace("ops@", "a@b, ops@") % {"url": "smtp://h"}, "to: "),
        (PLAIN.replace('( "ops@example.com" )', "( %s )" % ", ".join(['"a@b"'] * 51)) % {"url": "smtp://h"}, "has too many"),
        (PLAIN % {"url": "smtp://h"} + 'text = "{{ x( }}";', "text"),
        (PLAIN % {"url": "smtp://h"} + 'subject = "{{ x( }}";', "subject")):
    refused(options, part)
for glob in ("*", "*@*", "*@*.*", "example.com", "@example.com", "*@Example.com", "*@a@b"):
    refused(TO.replace("*@example.com", glob) % {"url": "smtp://h"}, "recipients")
with MailServer() as m:
    for name, said in (("", None), ("/", None), ("/me.example.com", "me.example.com")):
        with driven(PLAIN % {"url": m.url + name}) as d:
            d.one()
        if said:
            equal("EHLO", m.sessions[-1].lines[0], "EHLO " + said)
sys.exit(0)

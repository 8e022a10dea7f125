# SPDX-License-Identifier: MIT
"""What the tests of the plugins beside webhook.out share: a plugin that posts
into one channel, by the same engine, in a test host.

    a = Adapter("slack", "plugins/slack", script -> options)"""
import json
import os
import re
import subprocess
import tempfile
import time

from driven import NO_ATTEMPT, Driven, contains, equal, event  # noqa: F401
from receiver import Answer, Receiver  # noqa: F401

# What an answer makes of its event: see kind.h.
DELIVERED, LATER, BUSY, AT_ONCE, DEAD, PAUSE = "delivered", "later", "busy", "at once", "dead", "pause"


def end_of(d, end):
    """The same, of what came of an event."""
    if end.state == "done":
        return DELIVERED
    if end.state == "rejected":
        return DEAD
    if not end.flags & NO_ATTEMPT:
        return LATER
    if d.held():
        return BUSY
    if end.delay < 1000:
        return AT_ONCE
    until = time.monotonic() + 20  # the lane is told right after the event
    while not d.paused and time.monotonic() < until:
        d.paused = d.text("paused")  # which says it once
        time.sleep(0.005)
    return PAUSE if d.paused else "never"


def judge(plugin, options, answer, secrets=()):
    """How one event ends that is answered so: what, code, and the end itself.  No
    text may have a secret in it, though the answer repeats them all."""
    with Receiver() as r:
        r.script = lambda request: answer
        with Driven(options % {"url": r.url}, plugin=plugin) as d:
            d.paused = ""
            end = d.one()
            what = end_of(d, end)
            for text in (end.message, d.text("log"), d.text("status"), d.paused, d.text("render", 0)):
                for secret in secrets:
                    if secret in text:
                        raise AssertionError("%s is in %r" % (secret, text))
            if what in (PAUSE, BUSY, AT_ONCE):
                equal("no attempt counts", end.flags & NO_ATTEMPT, NO_ATTEMPT)
            return what, end.code, end


def sent(plugin, options, events, answer=None):
    """The requests that events become."""
    with Receiver() as r:
        r.script = lambda request: answer or Answer(200)
        with Driven(options % {"url": r.url}, plugin=plugin) as d:
            for e in events:
                d.one(e)
        return r.requests


def refused(plugin, options, part):
    with Driven(options, refused=True, plugin=plugin) as d:
        contains(options, d.findings, part)


def manual(plugin):
    with open(os.path.join(os.environ["IL_SRCDIR"], "plugins", plugin, plugin + ".5"), encoding="utf-8") as f:
        return f.read()


def manual_is_true(plugin, codes):
    """The manual quotes the smallest config, all of its examples load, its table has
    these codes and no others, and the defaults."""
    text = manual(plugin)
    il = os.path.join(os.environ["IL_BUILDDIR"], "ingestlayer")
    with open(os.path.join(os.environ["IL_SRCDIR"], "plugins", plugin, plugin + ".conf"), encoding="utf-8") as f:
        smallest = [line.strip() for line in f if not line.startswith("#")]
    for line in smallest:
        contains("the manual", text, line)
    table = text.split(".Sh ANSWERS", 1)[1].split(".Sh ", 1)[0]
    described = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"^\.It Li (.+)$", table, re.M))))
    equal("codes in the manual", sorted(described), sorted(codes))
    dump = subprocess.run([il, "plugins", "--dump", plugin], stdout=subprocess.PIPE, text=True).stdout
    for name, default in re.findall(r"^option\.([a-z_0-9]+)\.default=(.+)$", dump, re.M):
        said = text.split(".It Cm %s\n" % name, 1)[1].split("\n.It Cm", 1)[0]
        contains("the manual of " + name, said.replace(",000", "000"), default)
    examples = re.findall(r"^ *(\{ plugin = \"%s\";.*?\})(?=\n(?:\);|\.Ed))" % plugin, text, re.M | re.S)
    assert len(examples) >= 2, examples
    with tempfile.TemporaryDirectory() as dir:
        for name in re.findall(r"credential:([a-z_]+)", text):
            with open(os.path.join(dir, name), "w") as f:
                f.write({"telegram_bot": "123456:AAHnotatoken"}.get(name, "https://hooks.example.com/services/T0/B0/xyz"))
        env = dict(os.environ, CREDENTIALS_DIRECTORY=dir)
        for example in examples:
            conf = os.path.join(dir, "conf")
            with open(conf, "w", encoding="utf-8") as f:
                f.write("""state_dir = "%s/state"; http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
                    sources = ( { name = "s"; plugin = "sdk.event"; keys = ( "abcdefghijklmnop" ); } );
                    pipelines = ( { name = "p"; sources = ( { source = "s"; match = "*"; } ); destinations = ( %s ); } );
                    """ % (dir, example.replace("\\e", "\\")))
            got = subprocess.run([il, "check", "-c", conf], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            equal(example, (got.returncode, got.stdout if got.returncode else ""), (0, ""))


def body(request):
    return json.loads(request.body)

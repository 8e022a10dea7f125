# SPDX-License-Identifier: MIT
"""Requests by the transport of webhook.out alone: see transport.c here."""
import collections
import os
import subprocess

TOOL = os.path.join(os.environ["IL_BUILDDIR"], "plugins", "webhook.out", "tests", "transport")
Answer = collections.namedtuple("Answer", "what status ms whole remote retry_after location body error")


def line(url, method="POST", timeout=5000, body="{}", headers=()):
    return "\t".join([method, url, str(timeout), body, *headers]) + "\n"


def send(requests, options=(), env=None, limit=60):
    """Answers in the order of the requests, which are lines."""
    done = subprocess.run([TOOL, *options], input="".join(requests).encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})), timeout=limit)
    assert done.returncode == 0, (done.returncode, done.stderr)
    answers = [None] * len(requests)
    for text in done.stdout.decode(errors="replace").splitlines():
        number, what, status, ms, whole, remote, retry_after, location, body, error = text.split("\t")
        assert answers[int(number)] is None, "two callbacks: " + text
        answers[int(number)] = Answer(what, int(status), int(ms), whole == "1", remote, retry_after, location,
                                      bytes.fromhex(body), error)
    assert None not in answers, "no callback: %s" % answers
    return answers


def one(url, options=(), env=None, **request):
    return send([line(url, **request)], options, env)[0]


def equal(what, got, expected):
    assert got == expected, "%s: expected %r, got %r" % (what, expected, got)

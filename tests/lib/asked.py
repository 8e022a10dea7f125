# SPDX-License-Identifier: MIT
"""What `ingestlayer why` answers."""
import json

from gate import Failed, equal


class Why:
    def __init__(self, s):
        self.s = s

    def run(self, *args, code=0):
        r = self.s.daemon.command("why", "-c", self.s.conf, *args)
        equal((r.returncode, r.stderr.decode() if r.returncode != code else ""), (code, ""), "why " + " ".join(args))
        return r.stdout.decode(), r.stderr.decode()

    def events(self, *args):
        return [json.loads(line) for line in self.run("--json", *args)[0].splitlines()]

    def lanes(self, *args):
        """{lane: answer} of the one event that is asked for."""
        found = self.events(*args)
        equal(len(found), 1, "answers to why %s (%s)" % (" ".join(args), found))
        return {one["lane"]: one for one in found[0]["lanes"]}

    def fates(self, *args):
        """{lane: fate, and the step where there is one}"""
        return {lane: one["fate"] + (" " + one["step"] if one["step"] else "")
                for lane, one in self.lanes(*args).items()}


def line_of(path, text):
    """FILE:LINE of the first line with this in it."""
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if text in line:
                return "%s:%d" % (path, number)
    raise Failed("%s has no line with %r" % (path, text))

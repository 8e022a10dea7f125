# SPDX-License-Identifier: MIT
"""A daemon with a lane that delivers event by event (destination.each), whose
plan a test writes.

    with Each() as s:
        s.plan("e1 fail 2 60000")
        s.post("e1", "e2")
        s.delivered()               # ids in the order in which they came
        s.dead("list", "--waiting") # (exit code, output, errors)"""
import json
import os
import urllib.request

from gate import HEAD, KEY, Gate, equal, eventually

LANE = "hooks/each"
HTTP = 'http = { listen = "env:GATE"; };\n'
DESTINATION = 'plugin = "destination.each"; name = "each"; out = "%(base)s/out"; plan = "%(base)s/plan";'


def lanes(*what):
    """Of (pipeline, members, members of its destination)."""
    return HEAD + HTTP + "pipelines = (" + ",".join(
        '{ name = "%s"; sources = ( { source = "app"; } ); %s destinations = ( { %s } ); }' % one
        for one in what) + ");"


CONF = lanes(("hooks", "", DESTINATION))


class Each(Gate):
    def __init__(self, conf=CONF, **kw):
        super().__init__(conf, **kw)

    def configure(self, conf):
        with open(self.conf, "w") as f:
            f.write(conf % {"base": self.base})

    def plan(self, *lines):
        """At once, or not at all: the lane may read it at any time."""
        with open(self.path("plan.new"), "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(self.path("plan.new"), self.path("plan"))

    def post(self, *ids, **payload):
        """Events of these ids in one request, with this in their payload."""
        body = [{"id": i, "type": "test.event", "payload": dict({"n": 1}, **payload)} for i in ids]
        req = urllib.request.Request("http://127.0.0.1:%d/v1/ingest" % self.daemon.gate,
                                     json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
        with urllib.request.urlopen(req, timeout=60) as r:
            equal(r.status, 202, "status of POST /v1/ingest")

    def command(self, *args):
        r = self.daemon.command(*args)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def dead(self, verb, *args):
        return self.command("dead", verb, "-c", self.conf, *args)

    def listed(self, *args):
        """What `dead list --json` has, by id."""
        code, out, err = self.dead("list", "--json", *args)
        equal((code, err), (0, ""), "dead list")
        return {one["event_id"]: one for one in map(json.loads, out.splitlines())}

    def status(self):
        code, out, err = self.command("status", "-c", self.conf, "--json")
        equal((code, err), (0, ""), "status")
        return json.loads(out)

    def lane(self, name=LANE):
        return [lane for lane in self.status()["lanes"] if lane["name"] == name][0]

    def settled(self, name=LANE):
        eventually(lambda: self.lane(name)["lag_events"] == 0, "the lane settles what it has")

    def delivered(self):
        if not os.path.exists(self.path("out")):
            return []
        with open(self.path("out")) as f:
            return [line.split()[0] for line in f]

    def becomes(self, ids, what):
        eventually(lambda: self.delivered() == ids, what + " (%s)" % " ".join(ids))

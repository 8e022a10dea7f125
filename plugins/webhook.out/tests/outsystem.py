# SPDX-License-Identifier: MIT
"""The daemon with one lane to webhook.out, or the plugin that is named, and a receiver.

    with Out(options, receiver=r) as s:
        s.post([event(1), ...])
        s.delivered()

options is what stands in the destination besides plugin; %(url)s in it is where
the receiver listens.  The wall clock is the test's: s.jump(seconds)."""
import json
import os
import time
import urllib.request

import gate
from gate import Failed, equal, eventually
from servers import PATIENCE

CONF = """
state_dir = "%%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
%(top)s
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "out"; sources = ( { source = "app"; match = "*"; } );
    %(steps)s
    destinations = ( { plugin = "%(plugin)s"; name = "hook"; %(options)s } ); } );
"""
LANE = "out/hook"


class Out(gate.Gate):
    def __init__(self, options, receiver=None, steps="", top="", start=True, plugin="webhook.out"):
        text = options % {"url": receiver.url if receiver else ""}
        super().__init__(CONF % {"top": top, "steps": steps, "plugin": plugin, "options": text}, start=False)
        self.offset, self.clock = 0, self.path("clock")
        self.jump(0)
        self.daemon.env["INGESTLAYER_CLOCK_FILE"] = self.clock
        if start:
            try:
                self.daemon.start()
            except BaseException as e:
                self.__exit__(type(e), e, None)
                raise

    def jump(self, seconds):
        self.offset += seconds
        with open(self.clock + ".new", "w") as f:
            f.write("%d\n" % (self.offset * 1000000))
        os.rename(self.clock + ".new", self.clock)

    def post(self, events):
        request = urllib.request.Request("http://127.0.0.1:%d/v1/ingest" % self.daemon.gate,
                                         json.dumps(events).encode(),
                                         {"Content-Type": "application/json", "Authorization": "Bearer " + gate.KEY})
        with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
            return json.loads(answer.read())["data"]

    def run(self, *args):
        r = self.daemon.command(*args, "-c", self.conf)
        if r.returncode:
            raise Failed("%s: %s" % (" ".join(args), r.stderr.decode()))
        return r.stdout.decode()

    def lane(self):
        return [lane for lane in json.loads(self.run("status", "--json"))["lanes"] if lane["name"] == LANE][0]

    def dead(self, *args):
        return [json.loads(line) for line in self.run("dead", "list", "--json", *args).splitlines()]

    def metric(self, name):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.daemon.admin, timeout=20) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + "{") or line.startswith(name + " "):
                    return float(line.rsplit(" ", 1)[1])
        return None

    def parked(self):
        return int(self.metric("ingestlayer_events_parked") or 0)

    def until(self, condition, what, limit=30, step=0):
        """step: seconds by which the clock goes on each time."""
        end = time.monotonic() + limit * PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise Failed("not within %d s: %s" % (limit, what))
            if step:
                self.jump(step)
            time.sleep(0.1)


def event(i, kind="test.event", **payload):
    return {"id": "e%06d" % i, "type": kind, "payload": dict({"n": i}, **payload)}


def body_id(request):
    """The sender's own id, in the body."""
    return json.loads(request.body)["id"]

# SPDX-License-Identifier: MIT
"""A lane that left the config keeps its events and is named, with how many, by
check, the start and status, until it is forgotten."""
import os
import time

from system import HEAD, System, contains, equal, eventually

LANE = """
  { name = "%s"; %s sources = ( { source = "app"; } );
    destinations = ( { plugin = "destination.null"; name = "x"; %s } ); }"""
CONF = HEAD + """
spool = { segment = "1MiB"; retain = "0s"; };
pipelines = ("""


def conf(*lanes):
    return CONF + ",".join(LANE % lane for lane in lanes) + ");"


STAYS, GOES = ("stays", "", ""), ("goes", 'status = "paused";', "")


def configure(s, *lanes):
    with open(s.conf, "w") as f:
        f.write(conf(*lanes) % {"base": s.base})


def command(s, *args):
    r = s.daemon.command(*args, "-c", s.conf)
    return r.returncode, r.stdout.decode() + r.stderr.decode()


def fill(s):
    for _ in range(40):
        s.post([{"type": "test.event", "payload": {"text": "x" * 1000}} for _ in range(100)])


with System(conf(STAYS, GOES), table=None) as s:
    fill(s)
    eventually(lambda: s.lane("stays/x")["lag_events"] == 0, "one delivers")
    equal(s.daemon.stop(), 0, "exit code")
    configure(s, STAYS)
    code, out = command(s, "check")
    equal(code, 0, "exit code of check (%s)" % out)
    contains(out, "lane goes/x is not in this config any more: at least 4000 events and 0 dead letters", "check")
    s.daemon.start()
    fill(s)
    eventually(lambda: s.lane("stays/x")["lag_events"] == 0, "it delivers on")
    time.sleep(3)  # housekeeping of the spool
    status = s.status()
    equal(status["spool"]["first"], 1, "the first event in the spool")
    equal([(lane["name"], lane["lag_events"]) for lane in status["left"]], [("goes/x", 8000)], "left in status")
    contains(command(s, "status")[1], "lane goes/x is not in the config: 8000 events", "status")
    contains(command(s, "lane", "list")[1], "not in the config", "lane list")
    r = s.daemon.command("lane", "list", "-s", os.path.join(s.base, "state"))
    names = [line.split()[0] for line in r.stdout.decode().splitlines()[1:]]
    equal((r.returncode, sorted(names)), (0, ["goes/x", "stays/x"]), "lane list without a config")
    equal(r.stdout.decode().count("not in"), 0, "what it cannot know")
    with open(s.daemon.log) as f:
        contains(f.read(), "lane goes/x is not in this config any more", "the log")
    equal(command(s, "lane", "forget", "stays/x")[0], 1, "exit code of forget of a lane that runs")

    # It comes back to all of them.
    s.daemon.kill()
    configure(s, STAYS, ("goes", "", 'out = "%(base)s/out";'))
    equal(command(s, "lane", "forget", "goes/x")[0], 1, "exit code of forget while it is in the config")
    s.daemon.start()
    s.delivered()
    equal(s.status()["left"], [], "left in status")
    with open(s.base + "/out") as f:
        equal(len(f.readlines()), 8000, "events that it got")

    # Forgotten, it holds nothing.
    equal(s.daemon.stop(), 0, "exit code")
    configure(s, STAYS)
    code, out = command(s, "lane", "forget", "goes/x")
    equal(code, 0, "exit code of forget (%s)" % out)
    contains(out, "lane goes/x: forgotten, with at least 0 events", "forget")
    equal(command(s, "lane", "forget", "goes/x")[0], 1, "exit code of a second time")
    equal("goes" in command(s, "check")[1], False, "check names it")
    s.daemon.start()
    fill(s)
    eventually(lambda: s.status()["spool"]["first"] > 1, "the spool lets events go")
    equal(s.status()["left"], [], "left in status")

# SPDX-License-Identifier: MIT
"""A stop that takes longer says how many deliveries are left, again and again, and
for how long at most, in the log and in status; a second signal ends it at once."""
import json
import os
import re
import signal
import time

from gate import HEAD, Gate, equal, eventually

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
CONF = HEAD + """
plugin_dir = ( "BUILD/tests" );
http = { listen = "env:GATE"; };
drain = "60s";
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
    destinations = ( { name = "slow"; plugin = "destination.null"; delay = "100ms"; batch = { events = 1; }; },
                     { name = "fast"; plugin = "destination.null"; } ); } );
""".replace("BUILD", BUILD)

with Gate(CONF) as g:
    def lefts():
        return [(int(n), int(s)) for n, s in re.findall(r"stopping: (\d+) deliveries are left, for at most (\d+) s", g.log())]

    sent = "".join('{"type":"t.x","payload":{"n":%d}}\n' % i for i in range(150))
    equal(g.daemon.command("emit", "-c", g.conf, input=sent.encode()).returncode, 0, "emit")
    g.daemon.proc.send_signal(signal.SIGTERM)
    eventually(lambda: len(lefts()) >= 2, "it says so")
    (first, time_left), (second, less_left) = lefts()[:2]
    equal((0 < second < first <= 150, less_left < time_left <= 60), (True, True), "less and less: %s" % lefts())
    stopping = json.loads(g.daemon.command("status", "-c", g.conf, "--json").stdout)["stopping"]
    equal((0 < stopping["deliveries"] <= second, 0 < stopping["seconds"] <= less_left), (True, True), str(stopping))
    text = g.daemon.command("status", "-c", g.conf).stdout.decode()
    equal(bool(re.search(r"^stopping: \d+ deliveries are left, for at most \d+ s$", text, re.M)), True, text)
    g.daemon.proc.wait(60)
    equal(g.daemon.proc.returncode, 0, "its exit code when all is done")

    g.daemon.start()
    equal(g.daemon.command("emit", "-c", g.conf, input=sent.encode()).returncode, 0, "emit")
    before = len(lefts())
    g.daemon.proc.send_signal(signal.SIGTERM)
    eventually(lambda: len(lefts()) > before, "it says so")
    at = time.monotonic()
    g.daemon.proc.send_signal(signal.SIGTERM)
    g.daemon.proc.wait(60)
    equal((g.daemon.proc.returncode, time.monotonic() - at < 3), (1, True), "a second signal")
    g.daemon.start()
    lane = [one for one in json.loads(g.daemon.command("status", "-c", g.conf, "--json").stdout)["lanes"]
            if one["name"] == "p/slow"][0]
    equal(lane["lag_events"] > 0, True, "what is left is still there")
    g.daemon.kill()

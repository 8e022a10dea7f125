# SPDX-License-Identifier: MIT
"""ingestlayer state: what steps remember, as it was written down; beside a
daemon and without one; and what it does with names that there are not."""
import json

from system import HEAD, System, equal, eventually

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; match = "*"; } );
  steps = ( { plugin = "count"; name = "exports"; key = "$event.payload.user"; value = "$event.payload.n"; },
            { plugin = "dedupe"; key = "$event.payload.user"; mark = true; },
            { plugin = "filter.match"; name = "all"; where = "exists(user)"; } );
  destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.rows";
    columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$step.exports.nth"; } );
    steps = ( { plugin = "throttle"; max = 100; window = "1h"; } ); } ); } );
"""


def state(s, *arguments):
    r = s.daemon.command("state", *arguments[:1], "-c", s.conf, *arguments[1:])
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def listed(s, step):
    code, out, err = state(s, "list", "all/rows", step)
    equal((code, err), (0, ""), "state list of " + step)
    return [json.loads(line) for line in out.splitlines()]


with System(CONF) as s:
    equal(state(s, "list", "all/rows"), (0, "exports (count)\n2 (dedupe)\nrows.1 (throttle)\n", ""), "steps that remember")
    equal(listed(s, "exports"), [], "before there was anything")
    s.post([{"type": "t", "payload": {"user": user, "n": n}} for user, n in
            (("a", 1.5), ("b", 1), ("a", 2), ("\u00e4 \"quoted\"", 3), ("a", 0.25))])
    s.delivered()
    eventually(lambda: len(listed(s, "exports")) == 3, "a checkpoint", 30)
    for beside in ("beside a daemon", "without one"):
        found = {cell["key"]: cell for cell in listed(s, "exports")}
        equal({key: (cell["nth"], cell["count"], cell["sum"]) for key, cell in found.items()},
              {"a": (3, 3, 3.75), "b": (1, 1, 1), "\u00e4 \"quoted\"": (1, 1, 3)}, "counts " + beside)
        equal(sorted(cell["key"] for cell in listed(s, "2")), ["a", "b", "\u00e4 \"quoted\""], "keys of dedupe " + beside)
        equal([(cell["key"], cell["count"]) for cell in listed(s, "rows.1")], [("", 5)], "throttle " + beside)
        code, out, err = state(s, "get", "all/rows", "exports", "\u00e4 \"quoted\"")
        equal((code, err, json.loads(out)["nth"]), (0, "", 1), "one key " + beside)
        equal(state(s, "get", "all/rows", "exports", "c"), (1, "", 'ingestlayer: nothing is remembered of "c"\n'), "no key " + beside)
        if beside == "beside a daemon":
            equal(s.daemon.stop(), 0, "stop")
    equal(state(s, "list", "all/row"), (1, "", 'ingestlayer: there is no lane "all/row"\n'), "no lane")
    equal(state(s, "list", "all/rows", "4"), (1, "", 'ingestlayer: the lane has no step "4"\n'), "no step")
    equal(state(s, "list", "all/rows", "all"), (1, "", 'ingestlayer: there is nothing to show of the step "all"\n'), "a step that remembers nothing")
    equal(state(s, "get", "all/rows", "exports")[0], 2, "usage")

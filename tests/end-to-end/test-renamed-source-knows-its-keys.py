# SPDX-License-Identifier: MIT
"""A source with another name knows the keys that came in under the one before,
by `was`, also when the index has to be made anew; without it it does not."""
import json
import shutil

from gate import Failed, Gate

CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
http = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "SOURCE"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "all"; sources = ( { source = "SOURCE"; } ); destinations = ( { plugin = "destination.null"; } ); }
);
"""


def configure(g, name, was=""):
    with open(g.conf, "w") as f:
        f.write(CONF.replace('name = "SOURCE";', 'name = "%s"; %s' % (name, was), 1).replace("SOURCE", name)
                % {"base": g.base})


def emit(g, *keys):
    body = json.dumps([{"type": "test.event", "idempotencyKey": k, "payload": {"k": k}} for k in keys])
    code, said, status = g.curl("-H", "Authorization: Bearer test-key", "-H", "Content-Type: application/json",
                                "-d", body, "http://127.0.0.1:%d/v1/ingest" % g.daemon.gate)
    if code or int(status) != 202:
        raise Failed("%s: %s" % (status, said))
    data = json.loads(said)["data"]
    return data["duplicates"], [e["id"] for e in data["events"]]


def is_that(actual, expected, what):
    if actual != expected:
        raise Failed("%s: expected %r, got %r" % (what, expected, actual))


with Gate(CONF.replace("SOURCE", "old")) as g:
    _, ids = emit(g, "a", "b")
    g.daemon.kill()
    configure(g, "new", 'was = "old";')
    g.daemon.start()
    is_that(emit(g, "a", "b"), (2, ids), "keys of before")
    is_that(emit(g, "c")[0], 0, "a new key")
    g.daemon.kill()
    shutil.rmtree(g.path("state/idem"))
    g.daemon.start()
    is_that(emit(g, "b", "a"), (2, ids[::-1]), "keys of before, in a new index")
    is_that(emit(g, "c")[0], 1, "its own, in a new index")
    g.daemon.kill()

    configure(g, "new")
    g.daemon.start()
    is_that(emit(g, "c")[0], 1, "its own key, without was")
    is_that(emit(g, "a")[0], 0, "a key of another source")
    g.daemon.kill()

    configure(g, "new", 'was = "new";')
    r = g.daemon.command("check", "-c", g.conf)
    if r.returncode != 1 or b"is a source of this config" not in r.stderr:
        raise Failed("check: %r" % r.stderr)

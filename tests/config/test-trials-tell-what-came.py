# SPDX-License-Identifier: MIT
"""ingestlayer test: each kind of expectation holds where it is true and fails where it
is not, with what came instead; time belongs to the test, down to the windows of
steps and to what is put aside; and each run is like the one before."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

PROGRAM = os.path.join(os.environ["IL_BUILDDIR"], "ingestlayer")
CONF = """
state_dir = "/nonexistent/state"; http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
events = ( { type = "a"; fields = ( { name = "k"; type = "string"; required = true; }, { name = "n"; type = "integer"; },
                                    { name = "user"; type = "string"; } ); },
           { type = "known"; fields = ( { name = "k"; type = "string"; required = true; }, { name = "plan"; type = "string"; } ); },
           { type = "used"; fields = ( { name = "k"; type = "string"; required = true; } ); }, { type = "nobody.wants"; } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "a-key-for-tests" ); },
            { name = "open"; plugin = "sdk.event"; keys = ( "another-key-for-tests" ); undeclared = "accept"; } );
pipelines = (
  { name = "p"; sources = ( { source = "app"; match = "a"; } );
    destinations = (
      { plugin = "warehouse.pg"; name = "rows"; connection = "dbname=x"; table = "t"; create = true; },
      { plugin = "webhook.out"; name = "hook"; url = "https://h.example/x"; signing = "none";
        when = "n > 0"; body = "{{ k }}={{ n }}"; },
      { plugin = "webhook.out"; name = "once"; url = "https://h.example/x"; signing = "none";
        steps = ( { plugin = "dedupe"; name = "hourly"; key = "$event.payload.k"; window = "1h"; } ); },
      { plugin = "webhook.out"; name = "calm"; url = "https://h.example/x"; signing = "none";
        steps = ( { plugin = "throttle"; max = 1; window = "10m"; mode = "delay"; } ); },
      { plugin = "webhook.out"; name = "known"; url = "https://h.example/x"; signing = "none";
        steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user"; unknown = "dead-letter"; } );
        body = "{{ $entity.user.plan }}"; } ); },
  { name = "q"; sources = ( { source = "open"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "dbname=x"; table = "t.any"; columns = ( { name = "n"; value = "$event.payload.n"; } ); } ); },
  { name = "s"; sources = ( { source = "app"; match = "known"; } );
    steps = ( { plugin = "upsert.entity"; kind = "user"; id = "$event.payload.k"; traits = ( { name = "plan"; value = "$event.payload.plan"; } ); } );
    destinations = ( { plugin = "webhook.out"; url = "https://h.example/x"; signing = "none"; } ); },
  { name = "w"; sources = ( { source = "app"; match = "used"; } );
    steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.k"; unknown = "wait"; } );
    destinations = ( { plugin = "webhook.out"; url = "https://h.example/x"; signing = "none"; body = "{{ $entity.user.plan }}"; } ); },
  { name = "r"; status = "paused"; sources = ( { source = "app"; match = "a"; } );
    destinations = ( { plugin = "webhook.out"; url = "https://h.example/x"; signing = "none"; } ); }
);
"""
A = 'source = "app"; type = "a"; '
ONE = "{ %s payload = { k = \"x\"; n = 3; user = \"u\"; }; }" % A
USED = '{ source = "app"; type = "used"; payload = { k = "v"; }; }'
U = 'entities = ( { kind = "user"; id = "u"; traits = { plan = "free"; deep = { a = ( 1, "b" ); }; }; } ); '


def at(k="x", after=None, more=""):
    return '{ %s payload = { k = "%s"; n = 1; user = "u"; };%s%s }' % (A, k, ' after = "%s";' % after if after else "", more)


# name, given, what is expected, and what has to be said where that is wrong (None: it holds)
CASES = [
    ("rows are numbers", ONE, '{ lane = "p/rows"; rows = 1; }', None),
    ("another number", ONE, '{ lane = "p/rows"; rows = 2; }', "number  2         1"),
    ("no row", ONE, '{ lane = "p/rows"; rows = 0; }', "number  0         1"),
    ("a row by its columns", ONE, '{ lane = "p/rows"; rows = ( { k = "x"; n = 3; type = "a"; source_id = "app"; '
     'received_at = "2026-01-01T13:00:00+01:00"; timestamp = "\\\\N"; payload = { n = 3; }; } ); }', None),
    ("a column that differs", ONE, '{ lane = "p/rows"; rows = ( { n = 4; } ); }', "n  4         3"),
    ("a column that there is not", ONE, '{ lane = "p/rows"; rows = ( { m = 4; } ); }', "m  4         (nothing)"),
    ("a time that differs", ONE, '{ lane = "p/rows"; rows = ( { received_at = "2026-01-01T12:00:01Z"; } ); }',
     '"2026-01-01 12:00:00.000000+00"'),
    ("a payload that differs", ONE, '{ lane = "p/rows"; rows = ( { payload = { n = 5; }; } ); }', "payload.n  5         3"),
    ("null is not nothing", ONE, '{ lane = "p/rows"; rows = ( { k = "\\\\N"; } ); }', 'k  "\\\\N"     "x"'),
    ("order counts", at("x") + "," + at("y"), '{ lane = "p/rows"; rows = ( { k = "y"; }, { k = "x"; } ); }', 'k  "y"       "x"'),
    ("a request", ONE, '{ lane = "p/hook"; request = { method = "POST"; url = "https://h.example:443/***"; body = "x=3"; '
     'headers = { Content-Type = "application/json"; }; contains = ( "x=", "=3" ); }; }', None),
    ("another header", ONE, '{ lane = "p/hook"; request = { headers = { Content-Type = "text/plain"; X-None = "1"; }; }; }',
     'headers.X-None        "1"           (nothing)'),
    ("a body", ONE, '{ lane = "p/hook"; request = { body = "x=3"; contains = "=3"; }; }', None),
    ("another body", ONE, '{ lane = "p/hook"; request = { body = "x=4"; }; }', '"x=4"     "x=3"'),
    ("what is not in it", ONE, '{ lane = "p/hook"; request = { contains = "nope"; }; }', "contains  nope"),
    ("when", '{ %s payload = { k = "x"; n = 0; user = "u"; }; }' % A, '{ lane = "p/hook"; drop = "when"; }', None),
    ("not when", ONE, '{ lane = "p/hook"; drop = "when"; }', "dropped by when  delivered"),
    ("no step drops it", ONE, '{ lane = "p/once"; drop = "hourly"; }', "dropped by hourly  delivered"),
    ("no pipeline takes it", '{ source = "app"; type = "nobody.wants"; payload = { }; }', '{ drop = "match"; }', None),
    ("a pipeline takes it", ONE, '{ drop = "match"; }', "p/rows: delivered"),
    ("refused", '{ %s payload = { n = 3; }; }' % A, '{ gate = 422; }, { dead = "schema"; }, { lane = "p/rows"; rows = 0; }', None),
    ("refused for another reason", '{ %s payload = { n = 3; }; }' % A, '{ gate = 400; }', 'status  400       422 {"error"'),
    ("refused, and nobody says so", '{ %s payload = { n = 3; }; }' % A, '{ lane = "p/rows"; rows = 0; }', "is refused, which nothing expects"),
    ("no JSON", '{ %s payload = "{nope"; }' % A, '{ gate = 400; }', None),
    ("accepted", ONE, '{ gate = 202; }', None),
    ("what fits no column is a letter", '{ source = "open"; type = "z"; payload = "{\\"n\\":[1]}"; }', '{ lane = "q/warehouse.pg"; dead = "22P02"; }', None),
    ("a letter", at() .replace('user = "u"', 'user = "stranger"'), '{ lane = "p/known"; dead = "unknown_entity"; }', None),
    ("a letter that nobody expects", at().replace('user = "u"', 'user = "stranger"'), '{ lane = "p/rows"; rows = 1; }',
     "is a dead letter, which nothing expects"),
    ("another letter", at().replace('user = "u"', 'user = "stranger"'), '{ lane = "p/known"; dead = "schema"; }', "dead letter schema  dead letter unknown_entity"),
    ("an entity", ONE, '{ entity = "user/u"; traits = { plan = "free"; deep = { a = ( 1, "b" ); }; }; }', None),
    ("another trait", ONE, '{ entity = "user/u"; traits = { plan = "pro"; deep = { a = ( 1, "c" ); }; }; }', 'deep.a[1]  "c"       "b"'),
    ("nobody", ONE, '{ entity = "user/v"; }', "nobody knows it"),
    ("enriched", ONE, '{ lane = "p/known"; request = { body = "free"; }; }', None),
    ("a paused pipeline", ONE, '{ lane = "r/webhook.out"; requests = 1; }', "its pipeline is not active"),
    # time
    ("once an hour", at() + "," + at(after="59m") + "," + at(after="1m") + "," + at("y"),
     '{ lane = "p/once"; requests = 3; }, { lane = "p/once"; event = 1; drop = "hourly"; }, { lane = "p/once"; event = 2; requests = 1; }', None),
    ("put aside until it may", at("a") + "," + at("b") + "," + at("c") + ', { after = "1h"; }',
     '{ lane = "p/calm"; requests = 3; }, { lane = "p/rows"; rows = ( { k = "a"; }, { k = "b"; }, { k = "c"; } ); }', None),
    ("put aside for now", at("a") + "," + at("b"), '{ lane = "p/calm"; event = 1; requests = 1; }', "put aside, and not due yet"),
    ("put aside in between", at("a") + "," + at("b") + "," + at("c") + ', { after = "11m"; }', '{ lane = "p/calm"; requests = 2; }', None),
    ("waits for what is told of it", USED + ', { source = "app"; type = "known"; payload = { k = "v"; plan = "pro"; }; after = "5s"; }, { after = "1h"; }',
     '{ lane = "w/webhook.out"; request = { body = "pro"; }; }, { entity = "user/v"; traits = { plan = "pro"; }; }', None),
    ("waits in vain", USED + ', { after = "2h"; }', '{ lane = "w/webhook.out"; event = 0; dead = "unknown_entity"; }', None),
    ("waits for now", USED + ', { after = "2m"; }', '{ lane = "w/webhook.out"; event = 0; dead = "unknown_entity"; }',
     "put aside, and not due yet"),
    ("the same key again", at(more=' id = "e"; ') + "," + at(more=' id = "e"; ', after="23h"),
     '{ lane = "p/rows"; rows = 1; }, { event = 1; gate = 202; }, { lane = "p/rows"; event = 1; rows = 0; }', None),
    ("the same key a day later", at(more=' id = "e"; ') + "," + at(more=' id = "e"; ', after="25h"), '{ lane = "p/rows"; rows = 2; }', None),
    ("by its id", at(more=' id = "e"; ') + "," + at(more=' id = "f"; ', after="1m"),
     '{ lane = "p/rows"; event = "f"; rows = ( { event_id = "f"; received_at = "2026-01-01T12:01:00Z"; } ); }', None),
]


def write(path, text):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


def run(*args, **kw):
    r = subprocess.run([PROGRAM, "test", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, **kw)
    return r.returncode, r.stdout, r.stderr


def came(line):
    return {k: v for k, v in json.loads(line).items() if k != "took_us"}


for plugin in ("warehouse.pg", "webhook.out", "dedupe", "throttle", "enrich.entity", "upsert.entity"):
    if subprocess.run([PROGRAM, "plugins", plugin], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        print("skipped: %s is not built" % plugin)
        sys.exit(77)
faults = []
with tempfile.TemporaryDirectory() as dir:
    os.makedirs(dir + "/tmp")
    env = dict(os.environ, TMPDIR=dir + "/tmp")
    write(dir + "/c.conf", CONF)
    tests = ["{ name = \"%s\"; %s given = ( %s );\n expect = ( %s ); }" % (name, U, given, expect) for name, given, expect, _ in CASES]
    file = write(dir + "/all.conf", 'config = "c.conf"; tests = (\n%s );' % ",\n".join(tests))
    code, out, err = run("--json", file, env=env)
    lines = out.splitlines()
    if code != 1 or err or len(lines) != len(CASES):
        sys.exit("exit code %d, %d lines\n%s%s" % (code, len(lines), out, err))
    _, text, _ = run("-v", "--junit", dir + "/r.xml", file, env=env)
    blocks = text.split("FAILED  ")
    for (name, _, _, said), line in zip(CASES, lines):
        told = json.loads(line)
        if told["test"] != name or told["passed"] != (said is None):
            faults.append("%s: %s" % (name, line))
        if said and not any(b.startswith(name + "\n") and said in b for b in blocks):
            faults.append("%s: it does not say %r:\n%s" % (name, said, "".join(b for b in blocks if b.startswith(name + "\n"))))
        if said is None and "ok      %s (" % name not in text:
            faults.append("%s: is not said to be ok" % name)
        if said and not all(f["file"] == file and f["line"] > 0 for f in told["failures"]):
            faults.append("%s: no place: %s" % (name, line))

    # Again, without those before it: ids and times are the same.
    again = run("--json", "--filter", "p*", file, env=env)[1].splitlines()
    if [came(line) for line in again] != [came(line) for line in lines if json.loads(line)["test"].startswith("p")]:
        faults.append("the second run is another: %s" % again)

    # A report that others read.
    root = ElementTree.parse(dir + "/r.xml").getroot()
    want = sum(c[3] is not None for c in CASES)
    if [(e.tag, int(e.get("tests")), int(e.get("failures"))) for e in (root, root[0])] != [
            ("testsuites", len(CASES), want), ("testsuite", len(CASES), want)] or len(root.findall(".//failure")) != want:
        faults.append("the report has %s" % ElementTree.tostring(root).decode())

    # Interrupted, and killed below: nothing stays, and nothing is called well.
    slow = write(dir + "/slow.conf", 'config = "c.conf"; tests = ( %s );' % ", ".join([tests[0]] * 4000))
    for sig, after in [(signal.SIGTERM, 0.3), (signal.SIGINT, 0.3)] + [(signal.SIGTERM, 0)] * 10:
        # in the background of a shell it would be ignored
        p = subprocess.Popen([PROGRAM, "test", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        until = time.monotonic() + 60
        while not os.listdir(dir + "/tmp") and time.monotonic() < until:
            time.sleep(after and 0.02)
        time.sleep(after)
        p.send_signal(sig)
        out, err = p.communicate(timeout=60)
        if p.returncode == 0 or "passed" in out:
            faults.append("%s: exit code %d, %s%s" % (sig, p.returncode, out, err))
    if os.listdir(dir + "/tmp"):
        faults.append("left behind: %s" % os.listdir(dir + "/tmp"))
    if os.path.exists("/nonexistent"):
        faults.append("state_dir of the config was made")
print("\n".join(faults))
sys.exit(bool(faults))

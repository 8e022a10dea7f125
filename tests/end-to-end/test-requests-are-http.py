# SPDX-License-Identifier: MIT
"""A running daemon is asked over HTTP at its control socket, however long its
path: status, lanes, events in bulk; what is wrong is an error with its code.
The admin listener shows the same and changes nothing."""
import json
import os
import stat
import subprocess

from gate import HEAD, Gate, contains, equal, eventually

BUILD = os.environ.get("IL_BUILDDIR", ".")
LONG = "d" * 120
CONF = HEAD.replace("%(base)s/state", "%(base)s/" + LONG) + """
plugin_dir = ( "BUILD/tests" );
http = { listen = "env:GATE"; };
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "*"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); } );
""".replace("BUILD", os.path.abspath(BUILD))
with Gate(CONF) as g:
    path = g.path(LONG + "/control")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the socket's mode")
    # curl takes no longer one
    os.symlink(os.path.dirname(path), g.path("s"))
    admin = "http://127.0.0.1:%d" % g.daemon.admin

    def ask(what, *args, at=None, code=200):
        there = [at + what] if at else ["--unix-socket", g.path("s/control"), "http://x" + what]
        exit_code, body, status = g.curl(*args, *there)
        equal((exit_code, status), (0, code), "%s: %s" % (what, body))
        return body

    def asked(*args, **kind):
        return json.loads(ask(*args, **kind))

    def refused(what, *args, code, word, at=None):
        error = asked(what, *args, at=at, code=code)["error"]
        equal((error["code"], bool(error["message"])), (word, True), what)
        return error["message"]

    for at in (None, admin):
        equal([one["name"] for one in asked("/v1/status", at=at)["lanes"]], ["p/d"], "lanes of the status")
        equal([one["name"] for one in asked("/v1/lanes", at=at)["lanes"]], ["p/d"], "lanes")
        for name in ("p/d", "p%2Fd"):
            equal(asked("/v1/lanes/" + name, at=at)["state"], "running", name)
        contains(refused("/v1/lanes/p/x", code=404, word="unknown_lane", at=at), 'no lane "p/x"', "which")
        equal(asked("/v1/jobs", at=at), {"jobs": []}, "jobs")
        refused("/v1/nothing", code=404, word="not_found", at=at)

    # nothing is changed by whoever reaches the admin listener
    for what in ("/v1/emit", "/v1/reload"):
        refused(what, "-d", "{}", at=admin, code=404, word="not_found")
    for what in ("/v1/status", "/v1/lanes/p/d/pause", "/v1/lanes/p/d/retry"):
        refused(what, "-d", "{}", at=admin, code=405, word="method_not_allowed")
    refused("/v1/status", "-H", "Host: evil.example.com", at=admin, code=403, word="host_not_allowed")
    equal(asked("/v1/lanes/p/d")["state"], "running", "after all that")
    equal(asked("/v1/lanes/p/d/pause", "-d", "")["state"], "paused", "paused")
    # why might quote an event
    equal([asked("/v1/lanes/p/d", at=at)["paused"] != "" for at in (None, admin)], [True, False], "why it is paused")
    equal(asked("/v1/lanes/p/d/resume", "-d", "")["changed"], True, "resumed")

    contains(refused("/v1/jobs/7/cancel", "-d", "", code=404, word="unknown_job"), "no job 7", "which job")
    refused("/v1/lanes/p/d/retry", "-d", "{}", code=400, word="bad_request")
    refused("/v1/lanes/p/d/retry", "-d", '{"letters":[1,-2]}', code=400, word="bad_request")
    refused("/v1/lanes/p/d/retry", "-d", '{"letters":[1],"anew":1}', code=400, word="bad_request")
    refused("/v1/lanes/p/d/retry", "-d", '{"anew":true}', code=400, word="bad_request")
    refused("/v1/lanes/p/d/retry", "-d", '{"letters":[' + ",".join(["1"] * 10001) + "]}", code=400, word="bad_request")
    equal(asked("/v1/lanes/p/d/retry", "-d", '{"letters":[7]}'),
          {"letters": [{"letter": 7, "result": "gone", "position": 0}]}, "a letter that there is not")

    # one that goes on, is seen, and is ended: by somebody else, and by its client
    def goes_on(jobs):
        tap = subprocess.Popen(["curl", "-sSN", "--unix-socket", g.path("s/control"), "http://x/v1/tap"],
                               stdout=subprocess.PIPE, env=dict(os.environ, no_proxy="*"))
        first = json.loads(tap.stdout.readline())
        equal((first["kind"], first["ahead"]), ("tap", 0), "how it begins")
        equal([one["id"] for one in asked("/v1/jobs", at=admin)["jobs"]], [first["job"]] + jobs, "the jobs")
        return tap, first["job"]

    tap, number = goes_on([])
    again, other = goes_on([number])
    equal(asked("/v1/jobs/%s/cancel" % number, "-d", ""), {"id": number, "cancelled": True}, "cancelled")
    last = tap.stdout.read().splitlines()[-1]
    equal((json.loads(last)["error"]["code"], tap.wait(10)), ("cancelled", 0), "how it ends")
    eventually(lambda: [one["id"] for one in asked("/v1/jobs")["jobs"]] == [other], "it is gone")
    again.terminate()
    again.wait(10)
    eventually(lambda: asked("/v1/jobs")["jobs"] == [], "a client that has hung up")
    for stream in (tap.stdout, again.stdout):
        stream.close()

    refused("/v1/emit?source=%2e%2e", "-H", "Content-Type:", "-d", "{}", code=404, word="unknown_source")
    refused("/v1/emit", "-H", "Content-Type:", "-d", "{", code=400, word="bad_json")
    refused("/v1/emit", "-H", "Content-Type: text/csv", "-d", "a,b", code=415, word="unsupported_media_type")
    # as large as a request may be, answered line by line
    with open(g.path("bulk"), "w") as f:
        for i in range(62):
            f.write('{"type":"t.x","id":"i%d",%s"payload":{}}\n' % (i, " " * (1000 << 10)))
        f.write('{"type":"t.x","id":"i0","payload":{"text":"again"}}\n{"type":1}\n')
    lines = ask("/v1/emit", "-H", "Content-Type: application/x-ndjson", "-T", g.path("bulk"), "-X", "POST")
    lines = [json.loads(line) for line in lines.splitlines()]
    equal([one["status"] for one in lines], ["accepted"] * 62 + ["duplicate", "rejected"], "what became of each")
    equal(lines[61]["id"], "i61", "the last of them")
    equal((lines[63]["path"], bool(lines[63]["message"])), ("type", True), "why it is none")
    # more than the spool takes in one piece
    with open(g.path("heavy"), "w") as f:
        for i in range(62):
            f.write('{"type":"t.x","payload":{"text":"%s"}}\n' % ("x" * (1000 << 10)))
    refused("/v1/emit", "-H", "Content-Type: application/x-ndjson", "-T", g.path("heavy"), "-X", "POST", code=413,
            word="batch_too_large")
    with open(g.path("bulk"), "a") as f:
        f.write(" " * (4 << 20))
    refused("/v1/emit", "-T", g.path("bulk"), "-X", "POST", code=413, word="body_too_large")

    # and so the commands do
    r = g.daemon.command("status", "-c", g.conf)
    contains(r.stdout.decode(), "p/d", "status: %s" % r.stderr)
    r = g.daemon.command("emit", "-c", g.conf, "--source", "some&thing=%", "t.x", "{}")
    equal((r.returncode, r.stdout, r.stderr.decode()),
          (1, b"", 'ingestlayer: there is no source "some&thing=%"; known: app\n'), "emit")
    equal(g.daemon.stop(), 0, "its exit code")
    equal(os.path.exists(path), False, "the socket is left behind")

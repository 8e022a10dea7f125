# SPDX-License-Identifier: MIT
"""What a config that is read again changes at the gate: keys, rates,
declarations, sources, secrets in files; no request is refused by that, one that
has begun ends by what it began with, and what only a start can do is refused."""
import json
import os
import socket
import time

from gate import KEY, Gate, contains, equal, eventually
from reloads import changes, reload, take, write

HEAD = """
plugin_dir = ( "BUILD/tests" );
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
admin = { listen = "env:ADMIN"; };
http = { listen = "env:GATE"; MORE };
""".replace("BUILD", os.environ.get("IL_BUILDDIR", os.getcwd()))
SOURCES = 'sources = ( { name = "app"; plugin = "sdk.event"; keys = ( %s ); %s } %s );'
PIPELINES = """
pipelines = ( { name = "all"; sources = ( { source = "app"; } ); destinations = ( { plugin = "destination.null"; } ); } );
"""


def conf(keys='"env:KEY"', more="", others="", http="", events="", head=HEAD):
    return head.replace("MORE", http) + events + SOURCES % (keys, more, others) + PIPELINES


def send(g, key=KEY, payload='{"n":1}', path="/v1/ingest"):
    return g.curl("-H", "Authorization: Bearer " + key, "-H", "Content-Type: application/json", "-d",
                  '{"type":"test.event","payload":%s}' % payload, "http://127.0.0.1:%d%s" % (g.daemon.gate, path))


def status_of(g, *args, **kw):
    return send(g, *args, **kw)[2]


def begin(g, key, size):
    """A request of which the body is still to come."""
    s = socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=20)
    s.sendall(b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % (key.encode(), size))
    time.sleep(0.2)
    return s


def end(s, body):
    s.sendall(body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = s.recv(4096)
        if not part:
            break
        answer += part
    s.close()
    return int(answer.split()[1])


def metric(g, name):
    code, text, _ = g.curl("http://127.0.0.1:%d/metrics" % g.daemon.admin)
    return [float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)]


def log_lines(g, text):
    return g.log().count(text)


def put(g, name, text):
    with open(g.path(name + ".new"), "w") as f:
        f.write(text)
    os.chmod(g.path(name + ".new"), 0o600)
    os.rename(g.path(name + ".new"), g.path(name))


LONG = '{"x":"%s"}' % ("x" * 2000)
BODY = b'{"type":"test.event","payload":{"n":1}}'
SECOND = "second-key-second-key-0123456789"
with Gate(conf(), files=lambda g: put(g, "secret", SECOND + "\n")) as g:
    equal(status_of(g), 202, "at the start")

    # a key comes, the old one goes; a request with it has begun
    take(g, conf('"env:KEY", "file:secret"'))
    equal((status_of(g), status_of(g, SECOND)), (202, 202), "with both keys")
    open_one = begin(g, KEY, len(BODY))
    answer = take(g, conf('"file:secret"'))
    equal(changes(answer, "sources"), {"app": "changed"}, "sources")
    equal((status_of(g), status_of(g, SECOND)), (401, 202), "with the new key alone")
    equal(end(open_one, BODY), 202, "a request that began with the old key")

    # a secret's file changes by itself
    put(g, "secret", KEY + "\n")
    eventually(lambda: status_of(g) == 202, "the file is noticed")
    equal(status_of(g, SECOND), 401, "what it held before")
    write(g, conf('"file:secret"', more='max_body = "1KiB";'))
    put(g, "secret", SECOND + "\n")
    eventually(lambda: "has changed, too" in g.log(), "a config that has changed is not taken with it")
    equal((status_of(g), status_of(g, payload=LONG)), (202, 202), "nothing of it is taken")
    reload(g)
    equal((status_of(g), status_of(g, SECOND)), (401, 202), "once somebody asks for it")
    equal(status_of(g, SECOND, payload=LONG), 413, "max_body")
    put(g, "secret", KEY + "\n")
    eventually(lambda: status_of(g) == 202, "a file is noticed again")

    # what is used up of a rate stays used up
    slow = 'rate = "5/h";'
    take(g, conf('"file:secret"', more=slow))
    codes = [status_of(g) for _ in range(7)]
    equal(codes, [202] * 5 + [429] * 2, "a rate of five an hour")
    for limit in ("1MiB", "2MiB"):
        take(g, conf('"file:secret"', more=slow + ' max_body = "%s";' % limit))
        equal(status_of(g), 429, "after the config was read again")
    take(g, conf('"file:secret"', more='rate = "1000/s";'))
    eventually(lambda: status_of(g) == 202, "a higher rate")

    # declarations
    declared = 'events = ( { type = "test.event"; fields = ( { name = "n"; type = "integer"; required = true; } ); } );'
    take(g, conf('"file:secret"', events=declared))
    equal((status_of(g), status_of(g, payload='{"m":1}')), (202, 422), "what is declared from now on")
    take(g, conf('"file:secret"'))
    equal(status_of(g, payload='{"m":1}'), 202, "what is not any more")

    # another source comes and goes
    hook = ', { name = "hook"; plugin = "webhook.in"; scheme = "github"; secrets = ( "file:secret" ); token = "literal:0123456789abcdef"; }'
    equal(status_of(g, path="/whk/0123456789abcdef"), 404, "a path that is not there")
    answer = take(g, conf('"file:secret"', others=hook))
    equal(changes(answer, "sources"), {"app": "unchanged", "hook": "new"}, "sources")
    equal(status_of(g, path="/whk/0123456789abcdef") in (400, 401, 403), True, "it asks for a signature")
    open_one = begin(g, KEY, len(BODY))
    take(g, conf('"file:secret"'))
    equal(status_of(g, path="/whk/0123456789abcdef"), 404, "its path, once it is gone")
    equal(end(open_one, BODY), 202, "a request of a source that goes on")

    # what is refused
    for what, text, says in (
            ("an address", conf(http='threads = 2;'), "http.threads"),
            ("the spool", conf(head=HEAD + 'spool = { segment = "8MiB"; };'), "spool.segment"),
            ("the state_dir", conf().replace("/state", "/other"), "state_dir"),
            ("a window", conf(head=HEAD + 'idempotency = { window = "48h"; };'), "idempotency.window"),
            ("an event's window", conf(events='events = ( { type = "a.b"; idempotency = { window = "72h"; }; } );'), "window")):
        write(g, text)
        r = g.daemon.command("reload", "--state-dir", g.path("state"), "--json")
        answer = json.loads(r.stdout)
        equal((r.returncode, answer["result"]), (1, "refused"), what)
        contains(" ".join(answer["why"]), says, what)
        contains(" ".join(answer["why"]), "takes a restart (`ingestlayer upgrade`)", what)
        equal(status_of(g), 202, what + ": it goes on")
    equal(metric(g, 'ingestlayer_config_last_reload_successful'), [0.0], "the metric")
    contains(str(metric(g, 'ingestlayer_config_reloads_total{result="refused"}')), "[6.0]", "the metric")
    take(g, conf('"file:secret"'))
    equal(metric(g, 'ingestlayer_config_last_reload_successful'), [1.0], "the metric")

    # a config tool that is half-way
    os.mkdir(g.path("conf.d"))
    included = conf('"file:secret"').replace("sources = (", 'include_dir = "conf.d"; sources = (', 1)
    with open(g.path("conf.d/one.conf"), "w") as f:
        f.write(PIPELINES)
    take(g, included.replace(PIPELINES, ""))
    os.unlink(g.path("conf.d/one.conf"))
    contains(" ".join(reload(g, want="refused")["why"]), "include_dir has no files any more", "an empty include_dir")
    equal(len(json.loads(g.daemon.command("status", "-c", g.conf, "--json").stdout)["lanes"]), 1, "lanes")

    # a lane goes on through three configs, the last of them lets go of it, and
    # the one in the middle still has a request: all see memory that is there
    take(g, conf('"file:secret"', more='max_body = "10KiB";'), "--remove")
    open_one = begin(g, KEY, len(BODY))
    take(g, conf('"file:secret"', more='max_body = "20KiB";'))
    other = conf('"file:secret"', more='max_body = "30KiB";').replace('source = "app"', 'source = "app"; match = "test.*"')
    equal(changes(take(g, other)), {"all/destination.null": "changed untried"}, "the lane")
    time.sleep(2.5)  # what is not used any more goes within a second
    equal(end(open_one, BODY), 202, "a request from the config in the middle")
    time.sleep(2.5)

    # wrong usage
    r = g.daemon.command("reload", "-c", g.conf, "--wait", "x")
    equal(r.returncode, 2, "--wait x")
    contains(r.stderr.decode(), "--wait: expected a time", "--wait x")
    equal(g.daemon.command("reload", "-c", g.conf, "more").returncode, 2, "an argument")
    begin(g, KEY, len(BODY))
    take(g, conf('"file:secret"'))  # a config that has a request when the daemon ends
    equal(g.daemon.stop(), 0, "exit code")
    r = g.daemon.command("reload", "-c", g.conf)
    equal((r.returncode, r.stderr.decode()), (1, "ingestlayer: no daemon runs on state_dir %s\n" % g.path("state")),
          "without a daemon")
    equal(SECOND in g.log(), False, "a secret in the log")

# SPDX-License-Identifier: MIT
"""Every code with which a known sender can be refused: it is the answer's, it is
counted by source and code, and it is the reason of a dead letter that names the
key by its id.  What may be sent again, and what strangers send, is no letter.
No code is left out: the list is compared with the metrics."""
import gzip
import json
import re
import socket
import urllib.request

from gate import Gate, equal, eventually

CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
http = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
events = ( { type = "t"; fields = ( { name = "n"; type = "integer"; required = true; } ); },
           { type = "big"; unknown = "allow"; } );
sources = (
  { name = "app"; plugin = "sdk.event"; max_events = 3; max_body = "4MiB";
    keys = ( { key = "secret-key"; id = "server"; },
             { key = "page-key"; id = "page"; publishable = true; types = ( "t" ); origins = ( "https://a.b" ); },
             { key = "slow-key"; id = "slow"; rate = "1/h"; } ); },
  { name = "hook"; plugin = "webhook.in"; token = "tok"; auth = "bearer";
    secrets = ( { secret = "hook-key"; id = "hook"; } ); } );
"""
GOOD = b'{"type":"t","payload":{"n":1}}'
JSON = {"Content-Type": "application/json"}


def many(n):
    return json.dumps([{"type": "t", "payload": {"n": 1}}] * n).encode()


# source, key id, status, code, how: path, key, headers, body
CASES = [
    ("app", "server", 400, "bad_json", ("/v1/ingest", "secret-key", JSON, b"{nonsense")),
    ("app", "server", 400, "bad_body", ("/v1/ingest", "secret-key", JSON, b'"text"')),
    ("app", "server", 400, "bad_body", ("/v1/batch", "secret-key", JSON, b'{"no":"batch"}')),
    ("app", "server", 400, "no_events", ("/v1/ingest", "secret-key", JSON, b"[]")),
    ("app", "server", 400, "bad_gzip", ("/v1/ingest", "secret-key", dict(JSON, **{"Content-Encoding": "gzip"}), b"x")),
    ("app", "server", 411, "length_required", ("/v1/ingest", "secret-key", JSON, None)),
    ("app", "server", 413, "body_too_large", ("/v1/ingest", "secret-key", JSON, b" " * (4 << 20) + b"x")),
    ("app", "server", 413, "body_too_large", ("/v1/ingest", "secret-key", dict(JSON, **{"Content-Encoding": "gzip"}),
                                              gzip.compress(b" " * (5 << 20)))),
    ("app", "server", 413, "too_many_events", ("/v1/ingest", "secret-key", JSON, many(4))),
    ("app", "server", 413, "too_many_events", ("/v1/ingest", "secret-key",
                                               {"Content-Type": "application/cloudevents-batch+json"}, b"[{},{},{},{}]")),
    ("app", "server", 413, "event_too_large", ("/v1/ingest", "secret-key", JSON,
                                               b'{"type":"big","payload":{"x":"%s"}}' % (b"x" * (2 << 20)))),
    ("app", "server", 415, "unsupported_media_type", ("/v1/ingest", "secret-key", {"Content-Type": "text/csv"}, GOOD)),
    ("app", "server", 415, "unsupported_encoding", ("/v1/ingest", "secret-key", dict(JSON, **{"Content-Encoding": "br"}),
                                                    GOOD)),
    ("app", "server", 422, "invalid_event", ("/v1/ingest", "secret-key", JSON, b'{"type":"t"}')),
    ("app", "server", 422, "undeclared_type", ("/v1/ingest", "secret-key", JSON, b'{"type":"x","payload":{}}')),
    ("app", "server", 422, "schema", ("/v1/ingest", "secret-key", JSON, b'{"type":"t","payload":{"n":"1"}}')),
    ("app", "page", 403, "type_not_allowed", ("/v1/ingest", "page-key", JSON, b'{"type":"big","payload":{}}')),
    ("app", "page", 403, "origin_not_allowed", ("/v1/ingest", "page-key", dict(JSON, Origin="https://c.d"), GOOD)),
    ("app", "page", 403, "entities_not_allowed", ("/v1/entities", "page-key", JSON, b"{}")),
    ("app", "server", 403, "key_in_url", ("/v1/ingest?key=secret-key", None, JSON, GOOD)),
    ("hook", "hook", 415, "unsupported_media_type", ("/whk/tok", "hook-key", {"Content-Type": "image/png"}, GOOD)),
    ("hook", "hook", 422, "invalid_event", ("/whk/tok", "hook-key", JSON, b"[1]")),
    ("hook", "hook", 422, "undeclared_type", ("/whk/tok", "hook-key", JSON, b'{"type":"x"}')),
]
# Counted, or not even that, and never kept.
OTHERS = [
    (202, None, ("/v1/ingest", "slow-key", JSON, GOOD)),
    (429, "rate_limited", ("/v1/ingest", "slow-key", JSON, GOOD)),
    (401, "unauthorized", ("/v1/ingest", "wrong", JSON, GOOD)),
    (401, "unauthorized", ("/v1/ingest?key=wrong", None, JSON, GOOD)),
    (404, "not_found", ("/v1/nothing", "secret-key", JSON, GOOD)),
    (404, "not_found", ("/whk/wrong", "hook-key", JSON, GOOD)),
]
# Which need a disk or a memory that is full; and what a plugin of one's own says.
ELSEWHERE = {"busy", "source_full", "spool_full", "spool_failed", "no_memory", "unavailable", "other"}


def send(g, path, key, headers, body):
    """(status, code); body None: a POST without a length."""
    head = ["POST %s HTTP/1.1" % path, "Host: x", "Connection: close"]
    head += ["%s: %s" % one for one in headers.items()]
    head += ["Authorization: Bearer " + key] if key else []
    head += [] if body is None else ["Content-Length: %d" % len(body)]
    with socket.create_connection(("127.0.0.1", g.daemon.gate), timeout=60) as s:
        s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + (body or b""))
        got = b"".join(iter(lambda: s.recv(65536), b""))
    answer = json.loads(got.partition(b"\r\n\r\n")[2])
    return int(got.split()[1]), answer.get("error", {}).get("code")


def refused(g):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % g.daemon.admin) as r:
        return {(source, code): int(n) for source, code, n in re.findall(
            r'^ingestlayer_gate_refused_total\{source="(.*?)",code="(.*?)"\} (\d+)$', r.read().decode(), re.M)}


def letters(g):
    r = g.daemon.command("dead", "list", "-c", g.conf, "--json")
    return [json.loads(line) for line in r.stdout.decode().splitlines()]


with Gate(CONF) as g:
    want = {}
    for source, key, status, code, how in CASES:
        equal(send(g, *how), (status, code), "the answer to %s %r" % (how[0], (how[3] or b"")[:40]))
        want[source, key, code] = want.get((source, key, code), 0) + 1
    for status, code, how in OTHERS:
        equal(send(g, *how), (status, code), "the answer to %s" % how[0])
    eventually(lambda: len(letters(g)) >= len(CASES), "%d dead letters" % len(CASES))
    have = {}
    for letter in letters(g):
        place = letter["lane"].split("/")[1], letter.get("key"), letter["code"]
        have[place] = have.get(place, 0) + 1
        equal(bool(letter["message"]), True, "a message with %s" % letter["code"])
    equal(have, want, "dead letters by source, key and code")
    counts = refused(g)
    for (source, key, code), n in want.items():
        equal(counts[source, code], n, "refusals counted of %s by %s" % (source, code))
    equal(counts["app", "rate_limited"], 1, "429 counted")
    codes = {code for _, code in counts}
    equal(codes - {code for _, _, code in want} - {"rate_limited"}, ELSEWHERE, "codes that no case here has")
    for secret in ("secret-key", "page-key", "slow-key", "hook-key"):
        equal(secret in g.log(), False, "%s in the log" % secret)
    for line in ('source "app", key server: refused', 'source "app", key page: refused',
                 'source "hook", key hook: refused'):
        equal(line in g.log(), True, "%s in the log" % line)

# SPDX-License-Identifier: MIT
"""What strangers send to the URL of a webhook is refused, makes no event and
no dead letter, and leaves the daemon as it was."""
import gzip
import hashlib
import hmac
import json
import socket
import time

from system import System, contains, equal, eventually

SECRET = "hunter2-of-the-webhooks"
CONF = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = (
  { name = "hooks"; plugin = "webhook.in"; token = ( "env:TOKEN", "next" ); secrets = "env:SECRET"; max_body = "64KiB"; },
  { name = "timed"; plugin = "webhook.in"; scheme = "stripe"; token = "timed"; secrets = "env:SECRET"; },
  { name = "keyed"; plugin = "webhook.in"; auth = "bearer"; token = "keyed"; secrets = "env:SECRET"; },
  { name = "open";  plugin = "webhook.in"; auth = "none"; token = "open"; key = "$body.id";
    handshake = { origins = "*.example.com"; per_minute = 60; }; }
);
pipelines = (
  { name = "all";
    sources = ( { source = "hooks"; match = "*"; }, { source = "timed"; match = "*"; },
                { source = "keyed"; match = "*"; }, { source = "open"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
TOKEN = "tok-3f1c"


def sign(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def stripe(body, when):
    when = int(when)
    return "t=%d,v1=%s" % (when, sign(b"%d.%s" % (when, body)))


def post(s, token, body, want, code=None, **headers):
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer, got = s.http("POST", "/whk/" + token, body, head, key=None)
    equal(status, want, "status of %s %s (%s)" % (token, head, answer))
    if code:
        equal(answer["error"]["code"], code, "code")
    return answer


def raw(s, *pieces):
    """What the daemon answers to these bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", s.daemon.gate), timeout=30) as c:
        answer = b""
        try:
            for piece in pieces:
                c.sendall(piece)
            while True:
                more = c.recv(65536)
                if not more:
                    break
                answer += more
        except ConnectionError:
            pass
    return answer.decode(errors="replace")


def request(body, *headers):
    head = ["POST /whk/%s HTTP/1.1" % TOKEN, "Host: x", "Content-Length: %d" % len(body)]
    return "\r\n".join(head + list(headers)).encode() + b"\r\n\r\n" + body


def strangers(s, body, good):
    post(s, TOKEN, body, 401, "missing_signature")
    post(s, TOKEN, body, 401, "wrong_signature", X_Ingest_Signature=sign(body, "another"))
    post(s, TOKEN, body + b" ", 401, "wrong_signature", X_Ingest_Signature=good)
    for cut in (good[:63], good[:-2], good[:1], "sha256=", "sha256", good + "0", "," * 500, "x" * 4000):
        post(s, TOKEN, body, 401, "bad_signature", X_Ingest_Signature=cut)
    many = ",".join([sign(body, str(i)) for i in range(16)])
    post(s, TOKEN, body, 401, "wrong_signature", X_Ingest_Signature=many)
    post(s, TOKEN, gzip.compress(body), 415, "unsupported_encoding",
         X_Ingest_Signature=good, Content_Encoding="gzip")
    post(s, TOKEN, b"x" * 70000, 413, "body_too_large", X_Ingest_Signature=good)
    now = time.time()
    post(s, "timed", body, 401, "stale_signature", Stripe_Signature=stripe(body, now - 3600))
    post(s, "timed", body, 401, "stale_signature", Stripe_Signature=stripe(body, now + 3600))
    post(s, "timed", body, 401, "bad_signature", Stripe_Signature="t=-1,v1=" + good)
    post(s, "timed", body, 401, "bad_signature", Stripe_Signature="t=99999999999999999999,v1=" + good)
    post(s, "timed", body, 401, "missing_signature", Stripe_Signature="v1=" + good)
    post(s, "keyed", body, 401, "unauthorized", Authorization="Bearer x")
    post(s, "keyed", body, 401, "unauthorized")
    for token in ("", "tok-3f1", "tok-3f1cc", TOKEN + "/", "open%00", "x" * 5000):
        if "%00" in token:
            post(s, token, body, 400, "bad_path", X_Ingest_Signature=good)
        else:
            post(s, token, body, 404, "not_found", X_Ingest_Signature=good)
    status, _, head = s.http("GET", "/whk/" + TOKEN, key=None)
    equal((status, head["Allow"]), (405, "OPTIONS, POST"), "GET")


def handshake(s):
    """Who may deliver is told so, and nobody else."""
    def asked(token, origin):
        status, _, head = s.http("OPTIONS", "/whk/" + token, None, {"WebHook-Request-Origin": origin,
                                                                    "WebHook-Request-Rate": "120"}, key=None)
        return status, head["Allow"], head["WebHook-Allowed-Origin"], head["WebHook-Allowed-Rate"]
    equal(asked("open", "hooks.example.com"), (200, "OPTIONS, POST", "hooks.example.com", "60"), "a handshake")
    for token, origin in (("open", "example.org"), ("opem", "hooks.example.com"), ("keyed", "hooks.example.com")):
        equal(asked(token, origin), (204, "OPTIONS, POST", None, None), "a handshake with a stranger")


def raw_shapes(s, body, good):
    huge = raw(s, request(body, "X-Ingest-Signature: " + "0" * 200000))
    equal(huge[:12] in ("", "HTTP/1.1 431", "HTTP/1.1 413"), True, "a huge header (%r)" % huge[:40])
    contains(raw(s, request(body, "X-Ingest-Signature: " + good, "Connection: close")), " 202 ", "a raw request")
    # the body never comes in full: the count of rows shows what became of it
    with socket.create_connection(("127.0.0.1", s.daemon.gate), timeout=30) as c:
        c.sendall(request(body, "X-Ingest-Signature: " + good)[:-3])
    # chunks, in pieces
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = ("POST /whk/next HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
            "X-Ingest-Signature: %s\r\n\r\n" % good).encode()
    contains(raw(s, head[:40], head[40:], chunks[:7], chunks[7:]), " 202 ", "chunks")


def known_senders(s, body):
    """Three rows and four dead letters."""
    post(s, "keyed", body, 202, Authorization="Bearer " + SECRET)
    now = stripe(b'{"id":"evt_7","n":7}', time.time())
    first = post(s, "timed", b'{"id":"evt_7","n":7}', 202, Stripe_Signature=now)
    again = post(s, "timed", b'{"id":"evt_7","n":7}', 202, Stripe_Signature=now)
    equal(again["data"]["duplicates"], 1, "a replay is a duplicate")
    equal(again["data"]["events"][0]["id"], first["data"]["events"][0]["id"], "its id")
    post(s, "open", gzip.compress(body), 202, Content_Encoding="gzip")
    post(s, "open", b"{nonsense", 400, "bad_json")
    post(s, "open", b"[1,2]", 422, "invalid_event")
    post(s, "open", json.dumps({"id": "i" * 300}).encode(), 422, "invalid_event")
    post(s, "open", b"<a/>", 415, "unsupported_media_type", Content_Type="application/xml")


with System(CONF, env={"SECRET": SECRET, "TOKEN": TOKEN}) as s:
    begun = time.monotonic()
    body = b'{"type":"order.created","n":1}'
    good = sign(body)
    strangers(s, body, good)
    equal(s.dead(), [], "dead letters of strangers")
    handshake(s)
    raw_shapes(s, body, good)
    known_senders(s, body)
    eventually(lambda: len(s.dead()) == 4, "four dead letters")
    equal({d["lane"] for d in s.dead()}, {"gate/open"}, "their lane")
    s.delivered()
    equal(s.pg.sql("select count(*), sum(n) from t.rows"), "4|10", "rows and their sum; a signed body is taken once")
    status, metrics, _ = s.http("GET", "/metrics", key=None, admin=True)
    line = 'ingestlayer_plugin_webhook_wrong_signature_total{plugin_instance="source \\"hooks\\" (webhook.in)"} 3'
    contains(metrics, line, "the counter of wrong signatures")
    equal(s.daemon.stop(), 0, "exit code")
    with open(s.daemon.log) as f:
        log = f.read()
    for secret in (SECRET, TOKEN, good):
        equal(secret in log, False, "a secret in the log")
        equal(secret in metrics, False, "a secret in the metrics")
    lines, most = log.count("refused a request from"), 3 * (1 + (time.monotonic() - begun) // 10)
    equal(3 <= lines <= most, True, "one line of each source in ten seconds (%d)" % lines)

# SPDX-License-Identifier: MIT
"""While the destination of one source is away, what it may leave undelivered has
a limit, also across a restart; another source goes on.  When the destination is
back so is the source, and nothing that was accepted is lost."""
from system import HEAD, KEY, System, contains, equal, event, eventually

CONF = HEAD.replace('{ name = "app"; plugin', '{ name = "app"; max_undelivered = "1MiB"; plugin').replace(
    '"env:KEY" ); } );', '"env:KEY" ); },\n  { name = "other"; plugin = "sdk.event"; keys = ( "other" ); } );') + """
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); } );
"""
SIZE = 5000
BATCH = 20


def batch(at):
    return [event(at + i, text="x" * SIZE) for i in range(BATCH)]


def undelivered(s):
    text = s.http("GET", "/metrics", admin=True, key=None)[1]
    line = [one for one in text.splitlines() if one.startswith('ingestlayer_gate_undelivered_bytes{source="app"} ')]
    return int(line[0].split()[-1])


with System(CONF, start_postgres=False) as s:
    accepted, status = 0, 202
    while status == 202 and accepted < 1000:
        status, answer, headers = s.http("POST", "/v1/ingest", batch(accepted))
        accepted += BATCH if status == 202 else 0
    equal((status, answer["error"]["code"]), (503, "source_full"), "the answer above the limit")
    equal(1 <= int(headers["Retry-After"]) <= 3600, True, "Retry-After %s" % headers["Retry-After"])
    equal(1 << 20 <= accepted * (SIZE + 100) and accepted * SIZE <= (1 << 20) + BATCH * SIZE * 2, True,
          "%d events are about the limit" % accepted)
    equal(1 << 20 <= undelivered(s) <= (1 << 20) + BATCH * SIZE * 2, True, "undelivered: %d" % undelivered(s))
    # a duplicate is no more data
    equal(s.http("POST", "/v1/ingest", event(0, text="x" * SIZE))[0], 202, "status of a duplicate")
    equal(s.http("POST", "/v1/ingest", event(1), key="other")[0], 202, "another source")
    s.daemon.kill()
    s.daemon.start()
    eventually(lambda: undelivered(s) >= 1 << 20, "what was there before the start is counted")
    contains(str(s.http("POST", "/v1/ingest", event(5000))), "source_full", "the answer after a restart")
    s.pg.start()
    eventually(lambda: s.http("POST", "/v1/ingest", event(9000))[0] == 202, "it accepts again", 60)
    s.delivered()
    equal(s.pg.sql("select count(distinct event_id), count(*) from t.rows"), "%d|%d" % (accepted + 1, accepted + 1),
          "rows")
    eventually(lambda: undelivered(s) == 0, "nothing is undelivered")
    equal(KEY in open(s.daemon.log).read(), False, "the key in the log")

# SPDX-License-Identifier: MIT
"""throttle, summary = true: what there was in each window is an event of its own, for
the pipelines that name its source, once: with two lanes that both come to it, with
kills in between, with nothing coming any more, and over a spool that is full."""
import datetime
import json
import random
import time

from system import HEAD, TABLE, System, equal, eventually

LANE = """{ plugin = "warehouse.pg"; name = "%s"; connection = "env:DSN"; table = "t.rows";
            columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); }"""
CONF = HEAD.replace("sources = (", 'sources = ( { name = "seconds"; plugin = "clock"; every = "1s"; },') + """
spool = { max_size = "4MiB"; segment = "1MiB"; min_free = "0B"; };
pipelines = (
  { name = "errors"; sources = ( { source = "app"; match = "*"; }, { source = "seconds"; } );
    steps = ( { plugin = "throttle"; name = "limit"; key = "$event.payload.k"; max = 3; window = "2s";
                summary = true; } );
    destinations = ( """ + LANE % "one" + ", " + LANE % "two" + """ ); },
  { name = "told"; sources = ( { source = "derived/errors"; match = "throttle.summary"; } );
    destinations = ( { plugin = "warehouse.pg"; name = "rows"; connection = "env:DSN"; table = "t.told";
      columns = ( { name = "id"; value = "$event.id"; }, { name = "source"; value = "$event.source_id"; },
                  { name = "key"; value = "key"; }, { name = "win"; value = "window"; },
                  { name = "passed"; value = "passed"; }, { name = "suppressed"; value = "suppressed"; } ); } ); }
);
""".replace('value = "key"', 'value = "$event.payload.key"').replace('value = "window"', 'value = "$event.payload.window"') \
    .replace('value = "passed"', 'value = "$event.payload.passed"') \
    .replace('value = "suppressed"', 'value = "$event.payload.suppressed"')


def us(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6 + 0.5)


def model(s):
    """{(key, beginning of the window): [passed, suppressed]} of what is in the spool, and the windows that are over."""
    stream, windows = 0, {}
    for line in s.daemon.command("spool", "export", "-c", s.conf).stdout.decode().splitlines():
        e = json.loads(line)
        if e.get("type") not in ("t", "clock.tick"):
            continue
        stream = max(stream, us(e["received_at"]))
        if e["type"] == "t":
            counts = windows.setdefault((e["payload"]["k"], stream // 2000000), [0, 0])
            counts[counts[0] == 3] += 1
    return {key: counts for key, counts in windows.items() if key[1] < stream // 2000000}


def told(s):
    rows = s.pg.sql("select key, win, passed, suppressed from t.told order by 1, 2").splitlines()
    return [(key, us(win) // 2000000, [int(passed), int(suppressed)])
            for key, win, passed, suppressed in (row.split("|") for row in rows)]


def wanted(s):
    return sorted((key[0], key[1], counts) for key, counts in model(s).items())


with System(CONF, table=TABLE + "; create table t.told (id text, source text, key text, win text, passed bigint,"
            " suppressed bigint)") as s:
    dice, sent = random.Random(3), 0
    for n in range(80):
        some = [{"type": "t", "payload": {"n": sent + k, "k": "k%d" % dice.randrange(6)}} for k in range(dice.randrange(1, 9))]
        s.post(some)
        sent += len(some)
        if n % 5 == 4:
            s.daemon.kill()
            s.daemon.start()
    # Nothing comes any more but ticks.
    eventually(lambda: len(model(s)) > 5 and sum(sum(c) for c in model(s).values()) == sent, "all windows are over", 60)
    try:
        eventually(lambda: sorted(told(s)) == wanted(s), "each is told of as it was", 60)
    finally:
        equal(sorted(told(s)), wanted(s), "windows told of")
    s.daemon.kill()
    s.daemon.start()
    s.delivered()
    equal(sorted(told(s)), wanted(s), "windows told of")
    equal(s.pg.sql("select distinct source from t.told"), "derived/errors", "where they come from")
    equal(int(s.pg.sql("select count(*) from t.rows")), 2 * sum(c[0] for c in model(s).values()), "rows of both lanes")

    # The lanes stand, and so much comes that no more is taken: what ends windows is in there.
    s.pg.stop()
    before = len(wanted(s))
    status, n = 202, 0
    while status == 202 and n < 200:
        n += 1
        time.sleep(0.05)
        status, _, _ = s.http("POST", "/v1/ingest", [
            {"type": "t", "payload": {"n": n, "k": "full%d" % (n % 7), "bulk": "x" * 100000}}])
    equal(status, 503, "status of POST /v1/ingest, at last")
    s.pg.start()
    eventually(lambda: s.http("POST", "/v1/ingest", {"type": "t", "payload": {"n": 0, "k": "last"}})[0] == 202,
               "there is room again", 30)
    s.delivered()
    eventually(lambda: len(told(s)) >= before + 7 and not [c for c in wanted(s) if c not in told(s)],
               "windows are told of", 60)
    equal(len(told(s)), len({row[:2] for row in told(s)}), "each once")
    equal(s.dead(), [], "dead letters")

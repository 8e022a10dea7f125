# SPDX-License-Identifier: MIT
"""One row in a thousand is wrong, in each way there is: all others arrive, it
is a dead letter that says why, and finding it costs little."""
import json
import subprocess
import urllib.request

import ledger
from servers import INGESTLAYER
from trouble import Failed, trouble

TABLE = """
create table t.known (id bigint primary key);
insert into t.known select generate_series(0, 9);
create domain t.small as bigint constraint small_enough check (value < 1000000000);
create function t.guard() returns trigger language plpgsql as $$ begin
 if new.kind = 'trigger' then raise exception 'not on a Sunday' using column = 'kind', constraint = 'guard'; end if;
 if new.kind = 'skipped' then raise division_by_zero; end if;
 return new; end $$;
create table t.rows (
 event_id text,
 n t.small constraint not_negative check (n >= 0),
 kind varchar(12) not null,
 ref bigint constraint known_ref references t.known,
 late bigint constraint known_late references t.known deferrable initially deferred,
 once text constraint only_once unique,
 flag boolean,
 at timestamptz,
 span int4range constraint no_overlap check (not isempty(span)));
create trigger guard before insert on t.rows for each row execute function t.guard();
grant select, insert on t.rows to writer;
grant select on t.known to writer"""

COLUMNS = "".join('{ name = "%s"; value = "$event.payload.%s"; }, ' % (name, name)
                  for name in ("ref", "late", "once", "flag", "at", "span"))

# After this nothing of it is wrong any more.
MENDED = """
drop trigger guard on t.rows;
insert into t.known values (77);
alter table t.rows drop constraint not_negative, drop constraint only_once, drop constraint no_overlap,
 alter n type text, alter kind type text, alter kind drop not null, alter flag type text, alter at type text,
 alter span type text"""

# What is wrong with it, and the letter: SQLSTATE, column, constraint.
WRONG = {
    "check": ({"n": -1}, ("23514", None, "not_negative")),
    "domain": ({"n": 2000000000}, ("23514", "n", "small_enough")),
    "null": ({"kind": None}, ("23502", "kind", None)),
    "too-long": ({"kind": "longer than twelve"}, ("22001", "kind", None)),
    "foreign": ({"ref": 77}, ("23503", None, "known_ref")),
    "deferred": ({"late": 77}, ("23503", None, "known_late")),
    "unique": ({"once": "one"}, ("23505", None, "only_once")),
    "type": ({"n": "no number"}, ("22P02", "n", None)),
    "fraction": ({"n": 1.5}, ("22P02", "n", None)),
    "overflow": ({"n": 99999999999999999999}, ("22003", "n", None)),
    "flag": ({"flag": "perhaps"}, ("22P02", "flag", None)),
    "date": ({"at": "2024-02-30T00:00:00Z"}, ("22008", "at", None)),
    "trigger": ({"kind": "trigger"}, ("P0001", "kind", "guard")),
    "zero": ({"kind": "skipped"}, ("22012", None, None)),
    "range": ({"span": "[3,1]"}, ("22000", "span", None)),
    "empty": ({"span": "empty"}, ("23514", None, "no_overlap")),
}


def post(w, events):
    request = urllib.request.Request(
        "http://127.0.0.1:%d/v1/ingest" % w.daemon.gate, json.dumps(events).encode(),
        {"Authorization": "Bearer " + ledger.KEY, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        w.ledger.answered([e["id"] for e in events], answer.status, answer.read())


def send(w, total, share, wrong):
    """total events, one in share of them wrong.  What became wrong how."""
    bad = {}
    # The one that the repeated value repeats.
    first = {"id": "first", "type": "load.test", "payload": {"n": 0, "kind": "row", "once": "one"}}
    w.ledger.sent(["first"], [ledger.ROW])
    post(w, [first])
    w.eventually(lambda: w.rows() == ["first"], "it is in before the others, over whichever connection")
    for begin in range(0, total, 500):
        events = []
        for i in range(begin, min(begin + 500, total)):
            payload = {"n": i, "kind": "row", "ref": i % 10, "late": i % 10, "flag": True,
                       "at": "2024-02-29T12:00:00Z", "span": "[1,3)"}
            event_id = "r%07d" % i
            if w.random.randrange(share) == 0:
                bad[event_id] = w.random.choice(wrong)
                payload.update(WRONG[bad[event_id]][0])
            events.append({"id": event_id, "type": "load.test", "payload": payload})
        w.ledger.sent([e["id"] for e in events],
                      [ledger.BAD_CHECK if e["id"] in bad else ledger.ROW for e in events])
        post(w, events)
    return bad


def compare(w, bad):
    """Each letter names what was wrong with its event."""
    letters = {d["event_id"]: d for d in w.dead()}
    for event_id, how in bad.items():
        letter = letters.get(event_id)
        if not letter:
            raise Failed("%s (%s) is no dead letter" % (event_id, how))
        got = (letter["code"], letter["field"], letter["rule"])
        if got != WRONG[how][1]:
            raise Failed("%s: the letter says %s, expected %s: %s" % (how, got, WRONG[how][1], letter["message"]))
        if not letter["message"]:
            raise Failed("%s: no message" % how)


def campaign(w, total, share, wrong, most):
    w.start(table=TABLE, rate=0, columns=COLUMNS)
    bad = send(w, total, share, wrong)
    w.eventually(lambda: w.lane()["lag_events"] == 0, "all is delivered", 240)
    compare(w, bad)
    each = w.metric("ingestlayer_plugin_sent_bytes_total") / (total + 1)
    rows = int(w.sql("select count(*) from t.rows"))
    if rows != total + 1 - len(bad):
        raise Failed("%d rows, expected %d" % (rows, total + 1 - len(bad)))
    w.shown.append("%d of %d rows refused; %.0f bytes sent for each event" % (len(bad), total, each))
    if each > most:
        raise Failed("finding %d bad rows of %d took %.0f bytes for each event, more than %d" % (
            len(bad), total, each, most))
    return bad


def mend_and_retry(w, bad):
    """`dead retry` brings each one in once, whatever happens meanwhile."""
    w.sql(MENDED)
    for event_id in bad:
        w.ledger.kinds[event_id] = ledger.ROW
    for _ in range(3):
        retry = subprocess.Popen([INGESTLAYER, "dead", "retry", "-c", w.daemon.conf, "--all", "--wait"],
                                 env=w.daemon.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'")
        said = retry.communicate(timeout=120)[0].decode()
        if retry.returncode:
            raise Failed("dead retry: " + said)
    if w.dead():
        raise Failed("still dead after the retry: %s" % w.dead()[0])


@trouble(short=True)
def one_row_in_a_thousand(w):
    """1 row in 1000 is refused, in each of sixteen ways"""
    campaign(w, 20000 * w.scale, 1000, sorted(WRONG), 600)


@trouble()
def one_row_in_ten(w):
    """the same with 1 in 10"""
    campaign(w, 4000 * w.scale, 10, sorted(WRONG), 1500)


@trouble(short=True)
def mended_and_retried(w):
    """what was refused is mended; `dead retry` delivers it once"""
    mend_and_retry(w, campaign(w, 4000 * w.scale, 100, sorted(WRONG), 1000))

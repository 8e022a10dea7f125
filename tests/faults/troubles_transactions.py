# SPDX-License-Identifier: MIT
"""Locks, deadlocks, serialization, timeouts: what transactions of others and
settings of the role do."""
import os
import shutil
import time

from trouble import Failed, trouble


@trouble()
def table_locked(w):
    """another session holds ACCESS EXCLUSIVE; the role gives up early"""
    w.pg.sql("alter role writer set lock_timeout = '300ms'")
    w.start(options='lock_timeout = "1s"; ')
    w.flows()
    holder = w.pg.session("begin; lock table t.rows in access exclusive mode; select pg_sleep(3600)")
    w.until_end(holder.kill)
    w.shows(r"lock timeout.*55P03", "waiting")
    w.lasts(3)
    w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(3600)' and"
             " pid <> pg_backend_pid()")
    w.heals()


@trouble()
def lanes_row_locked(w):
    """another session holds the row of the lane"""
    w.start(options='lock_timeout = "1s"; ')
    w.flows()
    holder = w.pg.session("begin; select * from ingestlayer.lanes for update; select pg_sleep(3600)")
    w.until_end(holder.kill)
    w.shows(r"lock timeout.*55P03", "waiting")
    w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(3600)' and"
             " pid <> pg_backend_pid()")
    w.heals()


@trouble()
def deadlocks(w):
    """another session takes the same two locks the other way round"""
    w.pg.sql("alter system set deadlock_timeout = '300ms'")
    w.pg.sql("select pg_reload_conf()")
    w.start()
    w.flows()

    def found():
        w.session = w.pg.session("set deadlock_timeout = '1h'", "begin; lock table t.rows in share mode;"
                                 " select pg_sleep(0.1); update ingestlayer.lanes set position = position; commit")
        w.session.wait()
        return int(w.pg.sql("select deadlocks from pg_stat_database where datname = 'app'")) >= w.times(3)
    w.eventually(found, "deadlocks that the daemon loses", 120)
    if "deadlock detected" not in w.log():
        raise Failed("the log does not tell of a deadlock")
    w.heals()


@trouble()
def serializable(w):
    """the role's transactions are serializable by default, and others write, too"""
    w.pg.sql("alter role writer set default_transaction_isolation = 'serializable'")
    w.start()
    other = w.pg.session(*["begin isolation level serializable; update ingestlayer.lanes set position = position;"
                           " select count(*) from t.rows; commit"] * w.times(300))
    w.until_end(other.kill)
    w.until_end(lambda: other.wait(60))
    w.flows()
    other.wait(120)
    w.heals()


FAILING = """
create table t.rows (event_id text, n bigint constraint not_negative check (n >= 0), kind text);
grant select, insert on t.rows to writer;
create function t.fails() returns trigger language plpgsql as $$ begin
 if random() < 0.5 then raise exception 'could not serialize access' using errcode = '40001'; end if;
 return null; end $$;
create trigger fails after insert on t.rows for each statement execute function t.fails()"""


@trouble()
def serialization_failures(w):
    """each second COPY fails with 40001"""
    w.start(table=FAILING)
    time.sleep(3 * min(w.scale, 4))
    w.no_strange_letters()
    w.sql("drop trigger fails on t.rows")
    w.heals()
    if not w.retries or "40001" not in w.log():
        raise Failed("there was no failure, %d retries" % w.retries)


SLOW = """
create table t.rows (event_id text, n bigint constraint not_negative check (n >= 0), kind text);
grant select, insert on t.rows to writer;
create function t.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.004); return new; end $$;
create trigger slow before insert on t.rows for each row execute function t.slow()"""


@trouble()
def batch_slower_than_the_timeout(w):
    """a trigger so slow that a whole batch never makes it within statement_timeout"""
    w.start(table=SLOW, options='statement_timeout = "1s"; ', rate=0)
    holder = w.pg.session("begin; lock table t.rows in access exclusive mode; select pg_sleep(3)")
    w.send(w.daemon, "s", 4000, 200, 2)
    time.sleep(1)  # a backlog of batches, larger than a second's worth
    for load in w.loads:
        load.end()
    holder.wait()
    w.eventually(lambda: w.lane()["lag_events"] == 0, "the backlog gets in", 200)


@trouble()
def timeouts_of_the_role(w):
    """statement, idle and transaction timeouts of the role, all too short"""
    for setting in ("statement_timeout = '20ms'", "idle_in_transaction_session_timeout = '20ms'",
                    "idle_session_timeout = '30ms'", "lock_timeout = '10ms'"):
        w.pg.sql("alter role writer set " + setting)
    w.start(rate=40, batch=4, senders=1)
    w.lasts(5)
    w.pg.sql("alter role writer reset all")
    w.heals()


# --- two daemons ---

@trouble(short=True)
def two_daemons(w):
    """a copy of state_dir is started elsewhere: the fence holds"""
    w.start(rate=0)
    w.send(w.daemon, "a")
    w.flows()
    for load in w.loads:
        load.end()
    w.eventually(lambda: w.lane()["lag_events"] == 0, "all is delivered")
    w.daemon.kill()
    copy = w.make_daemon("copy", w.dsn())
    state = os.path.join(w.base, "d", "state")
    shutil.copytree(state, os.path.join(w.base, "copy", "state"), ignore=shutil.ignore_patterns("control"))
    w.daemon.start()
    w.send(w.daemon, "b")
    w.flows()
    w.pg.pause()  # so that there is something to deliver when it goes on
    time.sleep(0.5)
    w.pg.go_on()
    # The copy has nothing of its own to deliver, and takes the lane all the same.
    r = copy.command("lane", "take", "-c", copy.conf, "--from", "row", "load/warehouse.pg")
    if r.returncode:
        raise Failed("lane take: " + r.stderr.decode())
    copy.start()
    w.shows(r"another process", "fenced", limit=60)
    before = w.lane()["position"]
    w.lasts(2)
    if w.lane()["position"] != before:
        raise Failed("a fenced lane moved on")
    for load in w.loads:
        load.end()
    # The first is the one that is wanted: it takes its lane back.
    copy.kill()
    w.daemon.kill()
    r = w.daemon.command("lane", "take", "-c", w.daemon.conf, "--from", "cursor", "load/warehouse.pg")
    if r.returncode:
        raise Failed("lane take: " + r.stderr.decode())
    w.daemon.start()

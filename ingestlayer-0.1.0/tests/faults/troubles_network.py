# SPDX-License-Identifier: MIT
"""What happens between the daemon and Postgres: cuts, delays, poolers."""
import os
import time

from clusters import Pgbouncer, pgbouncer_program
from trouble import Failed, Skipped, trouble
from wire import TO_CLIENT, TO_SERVER, Proxy


def proxied(w, **kw):
    proxy = Proxy(os.path.join(w.base, "p"), w.pg, w.seed)
    w.until_end(lambda: proxy.__exit__())
    w.start(dsn=w.dsn(proxy), **kw)
    w.flows()
    return proxy


@trouble(short=True)
def cut_anywhere(w):
    """the connection is cut at the n-th message, passed on or not, either way"""
    proxy = proxied(w)
    for _ in range(w.times(25)):
        cuts = proxy.cuts
        direction, n = w.random.choice((TO_SERVER, TO_CLIENT)), w.random.randrange(1, 40)
        proxy.cut(direction, n, w.random.random() < 0.5)
        w.eventually(lambda: proxy.cuts > cuts, "the connection is cut at message %d" % n)
        w.moves()


@trouble(short=True)
def commit_answers_lost(w):
    """COMMIT reaches Postgres, its answer never comes back"""
    proxy = proxied(w)
    proxy.cut_commits(0.5)
    w.eventually(lambda: proxy.commit_cuts >= w.times(25), "answers are lost")
    proxy.cut_commits(0)
    w.heals()
    if "went unanswered is in" not in w.log():
        raise Failed("the log does not tell what became of them")


SLOW_COMMIT = """
create table t.rows (event_id text, n bigint constraint not_negative check (n >= 0), kind text);
grant select, insert on t.rows to writer;
create function t.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.05); return null; end $$;
create constraint trigger slow after insert on t.rows initially deferred for each row
 when (new.n % 7 = 0) execute function t.slow()"""


@trouble()
def slow_commit_answers_lost(w):
    """the same, while the old transaction is still at it when the next looks"""
    proxy = proxied(w, table=SLOW_COMMIT, rate=100)
    proxy.cut_commits(0.5)
    w.eventually(lambda: proxy.commit_cuts >= w.times(12), "answers are lost", 120)
    proxy.cut_commits(0)
    w.heals()


@trouble()
def commit_in_doubt_for_long(w):
    """COMMIT unanswered, and then Postgres is away: the status tells so"""
    proxy = proxied(w)
    proxy.cut_commits(1)
    w.eventually(lambda: proxy.commit_cuts, "an answer is lost")
    proxy.hole = True
    w.shows(r"did not answer|not answered", "waiting", limit=60)
    w.lasts(2)
    proxy.cut_commits(0)
    proxy.hole = False
    w.heals()


@trouble()
def black_hole(w):
    """packets vanish, both ways; the connection stays"""
    proxy = proxied(w)
    proxy.hole = True
    w.shows(r"not answered", "waiting", limit=60)
    w.lasts(2)
    proxy.hole = False
    w.heals()


@trouble()
def slow_network(w):
    """each message takes its time"""
    proxy = proxied(w)
    proxy.delay = 0.05
    w.lasts(10)
    proxy.delay = 0
    w.heals()


@trouble()
def terminated_at_random(w):
    """pg_terminate_backend and pg_cancel_backend whenever"""
    w.start()
    w.flows()
    for _ in range(w.times(40)):
        time.sleep(w.random.random() * 0.15)
        w.pg.sql("select pg_%s_backend(pid) from pg_stat_activity where usename = 'writer'"
                 % w.random.choice(("terminate", "cancel")))
    w.heals()


# --- a pooler ---

def pooled(w):
    if not pgbouncer_program():
        raise Skipped("no pgbouncer found")
    bouncer = Pgbouncer(w.pg, os.path.join(w.base, "b"))
    w.until_end(bouncer.kill)
    bouncer.start()
    w.start(dsn=w.dsn(bouncer), options='statement_timeout = "1s"; ')
    w.flows()
    return bouncer


@trouble()
def behind_a_pooler(w):
    """pgbouncer in transaction mode, Postgres killed and restarted behind it"""
    pooled(w)
    for kill in (w.pg.kill_all, w.pg.shut_down) * w.times(1):
        w.flows()
        time.sleep(w.random.random() * 0.3)
        kill()
        w.shows(r"server|connect|closed|not answer", "waiting")
        w.lasts(1)
        w.pg.start()
        w.heals()


@trouble()
def pooler_killed(w):
    """pgbouncer itself is killed, and terminates sessions at random"""
    bouncer = pooled(w)
    for _ in range(w.times(2)):
        w.flows()
        for _ in range(10):
            time.sleep(w.random.random() * 0.15)
            w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'")
        bouncer.kill()
        w.shows(r"connect|closed", "waiting")
        w.lasts(1)
        bouncer.start()
        w.heals()

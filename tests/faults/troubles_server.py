# SPDX-License-Identifier: MIT
"""What happens to a server: death, pauses, restarts, standbys, no room."""
import os
import shutil
import signal
import subprocess
import time

from clusters import SmallDisk
from servers import PATIENCE
from trouble import Failed, Skipped, trouble

AWAY = r"connect|terminat|shut|starting up|lost|closed"


@trouble(short=True)
def killed(w):
    """kill -9 of every process of Postgres"""
    w.start()
    for _ in range(w.times(2)):
        w.flows()
        time.sleep(w.random.random() * 0.3)
        w.pg.kill_all()
        w.shows(AWAY, "waiting")
        w.lasts(1)
        w.pg.start()
        w.heals()


@trouble()
def restarted(w):
    """fast and immediate restarts"""
    w.start()
    for how in (signal.SIGINT, signal.SIGQUIT) * w.times(1):
        w.flows()
        time.sleep(w.random.random() * 0.3)
        w.pg.shut_down(how)
        w.shows(AWAY, "waiting")
        w.lasts(0.5)
        w.pg.start()
        w.heals()


@trouble()
def paused(w):
    """SIGSTOP of every process: connections stay and nobody answers"""
    w.start(options='statement_timeout = "4s"; ')
    w.flows()
    w.pg.pause()
    w.shows(r"not answer", "waiting", limit=60)
    w.lasts(2)
    w.pg.go_on()
    w.heals()


@trouble()
def paused_and_given_up(w):
    """the same for so long that the connection is given up, and the next one, too"""
    w.start(options='statement_timeout = "1s"; ')
    w.flows()
    w.pg.pause()
    w.shows(r"cannot connect|did not answer in time", "waiting", limit=60)
    w.lasts(5)
    w.pg.go_on()
    w.heals()


def stop_in_time(w, what):
    """SIGTERM is obeyed within `drain` and a little, whatever hangs."""
    began = time.monotonic()
    code = w.daemon.stop(60)
    took = time.monotonic() - began
    w.shown.append("stopped after %.1f s while %s" % (took, what))
    if code or took > 15 * PATIENCE:
        raise Failed("stopping took %.1f s while %s, exit code %d" % (took, what, code))


@trouble()
def stopped_while_nobody_answers(w):
    """the daemon is stopped while Postgres is paused, locked, and gone: in bounded time"""
    w.start()
    w.flows()
    w.pg.pause()
    time.sleep(0.5)
    stop_in_time(w, "Postgres is paused")
    w.pg.go_on()
    w.daemon.start()
    w.flows()
    w.pg.pause()  # now while it has not even connected
    w.daemon.kill()
    w.daemon.start()
    time.sleep(1)
    stop_in_time(w, "it connects")
    w.pg.go_on()
    w.daemon.start()
    w.flows()
    holder = w.pg.session("begin; lock table t.rows in access exclusive mode; select pg_sleep(3600)")
    w.until_end(holder.kill)
    time.sleep(1)
    stop_in_time(w, "the table is locked")
    w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(3600)' and"
             " pid <> pg_backend_pid()")
    w.pg.kill_all()
    w.daemon.start()
    time.sleep(0.5)
    stop_in_time(w, "Postgres is gone")
    w.pg.start()
    w.daemon.start()
    w.heals()


@trouble()
def read_only(w):
    """default_transaction_read_only, as some hosts do when the disk runs full"""
    w.start()
    w.flows()
    w.pg.sql("alter system set default_transaction_read_only = on")
    w.pg.sql("select pg_reload_conf()")
    w.shows(r"read-only", "waiting")
    w.lasts(2)
    w.sql("begin read write; alter system reset default_transaction_read_only; commit", check=False)
    w.pg.sql("alter system reset default_transaction_read_only")
    w.pg.sql("select pg_reload_conf()")
    w.heals()


@trouble(settings=("max_connections=8", "superuser_reserved_connections=2", "max_wal_senders=0"))
def out_of_connections(w):
    """others hold all the connections there are"""
    w.start()
    w.flows()
    w.pg.sql("create role greedy superuser login")
    held = []
    try:
        greed = 7 - w.connections  # with the daemon's and one to look there are no more
        for _ in range(greed):
            held.append(w.pg.session("select pg_sleep(3600)", user="greedy"))
        w.eventually(lambda: w.pg.sql("select count(*) from pg_stat_activity where usename = 'greedy'") == str(greed),
                     "the connections are taken")
        w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'")
        w.shows(r"slots|too many", "waiting")
        w.lasts(2)
    finally:
        for psql in held:
            psql.kill()
            psql.wait()
        w.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'greedy'")
    w.heals()


def small_disk(w, path, mebibytes):
    if os.geteuid():
        raise Skipped("a small disk takes root to mount")
    disk = SmallDisk(path, mebibytes)
    w.until_end(disk.end)
    return disk


@trouble()
def disk_full(w):
    """no room for the table"""
    disk = small_disk(w, os.path.join(w.base, "disk"), 32)
    space = os.path.join(disk.path, "space")
    os.mkdir(space, 0o700)
    entry = os.stat(w.pg.data)
    os.chown(space, entry.st_uid, entry.st_gid)
    w.start()
    w.pg.sql("create tablespace small location '%s'" % space)
    w.sql("alter table t.rows set tablespace small")
    w.flows()
    disk.fill()
    w.shows(r"No space left.*53100", "waiting", limit=90)
    w.lasts(2)
    disk.relieve()
    w.heals()


@trouble()
def disk_full_for_the_log(w):
    """no room for the write-ahead log: Postgres panics, and cannot start"""
    disk = small_disk(w, os.path.join(w.base, "disk"), 96)
    w.start()
    w.flows()
    w.pg.shut_down()
    wal, moved = os.path.join(w.pg.data, "pg_wal"), os.path.join(disk.path, "pg_wal")
    subprocess.run(["cp", "-a", wal, moved], check=True)
    shutil.rmtree(wal)
    os.symlink(moved, wal)
    w.pg.start()
    w.heals()
    disk.fill()
    w.pg.sql("select pg_switch_wal()", check=False)
    w.sql("create table t.ballast as select repeat('x', 2000) from generate_series(1, 40000)", check=False)
    w.shows(AWAY + r"|No space", "waiting", limit=90)
    w.lasts(2)
    disk.relieve()
    if w.pg.proc.poll() is not None:
        w.pg.start()
    w.heals()


# --- a pair ---

ANY = "target_session_attrs=read-write"


def pair(w, synchronous):
    """The second follows the first.  The connection string names both."""
    second = w.pg.standby(os.path.join(w.base, "b"))
    w.until_end(second.end)
    w.eventually(lambda: w.pg.sql("select count(*) from pg_stat_replication where state = 'streaming'") == "1",
                 "the standby follows")
    if synchronous:
        w.pg.sql("alter system set synchronous_standby_names = '*'")
        w.pg.sql("select pg_reload_conf()")
    return second, "host=%s,%s port=%d,%d user=writer dbname=app %s" % (
        w.pg.sock, second.sock, w.pg.port, second.port, ANY)


def take_over(w, second):
    second.promote()
    second.sql("alter system reset synchronous_standby_names")
    second.sql("select pg_reload_conf()")
    w.pg = second


@trouble()
def standby_promoted(w):
    """the first of a synchronous pair dies; the second is read-only, then promoted"""
    second, dsn = pair(w, True)
    w.start(dsn=dsn)
    w.flows()
    w.pg.kill_all()
    w.shows(r"read-only", "waiting")
    w.lasts(2)
    take_over(w, second)
    w.heals()


@trouble()
def standby_promoted_beside_a_dead_host(w):
    """the same, but the first host takes connections and never answers"""
    second, dsn = pair(w, True)
    w.start(dsn=dsn, options='statement_timeout = "1s"; ')
    w.flows()
    first = w.pg
    first.pause()
    w.shows(r".", "waiting", limit=60)
    take_over(w, second)
    w.heals()
    first.signal_all(signal.SIGKILL)


@trouble()
def standby_behind_promoted(w):
    """the first of an asynchronous pair dies with rows that the second never got"""
    second, dsn = pair(w, False)
    w.start(dsn=dsn)
    w.flows()
    second.sql("alter system set primary_conninfo = ''")
    second.sql("select pg_reload_conf()")
    w.eventually(lambda: w.pg.sql("select count(*) from pg_stat_replication") == "0", "it no longer follows")
    w.flows()
    w.flows()
    w.pg.kill_all()
    w.shows(r"read-only", "waiting")
    take_over(w, second)
    w.heals()
    if "set back" not in w.log():
        raise Failed("the log does not tell that the database was set back")


@trouble()
def standby_behind_promoted_at_a_restart(w):
    """the same, and the daemon is killed and started before the second is promoted"""
    second, dsn = pair(w, False)
    w.start(dsn=dsn)
    w.flows()
    w.daemon.kill()
    w.daemon.start()
    second.sql("alter system set primary_conninfo = ''")
    second.sql("select pg_reload_conf()")
    w.eventually(lambda: w.pg.sql("select count(*) from pg_stat_replication") == "0", "it no longer follows")
    for _ in range(3):
        w.flows()
    for load in w.loads:
        load.end()
    w.eventually(lambda: w.lane()["lag_events"] == 0, "all is delivered")
    w.pg.kill_all()
    w.daemon.stop()
    w.daemon.start()
    take_over(w, second)
    w.send(w.daemon, "later")
    w.heals()
    if "set back" not in w.log():
        raise Failed("the log does not tell that the database was set back")

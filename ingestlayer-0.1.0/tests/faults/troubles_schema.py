# SPDX-License-Identifier: MIT
"""What people do to the table, the role and the lanes table while rows
arrive.  The lane pauses, says what to do, and goes on once it is done."""
from trouble import TABLE, Failed, trouble

KEEP = "create table t.kept as table t.rows"
BOTH = "select event_id from t.kept union all select event_id from t.rows"


@trouble(short=True)
def table_made_again(w):
    """the table is dropped for a while"""
    w.start()
    w.flows()
    w.sql("begin; lock table t.rows in access exclusive mode; %s; drop table t.rows; commit" % KEEP)
    w.accounts = "table t.kept"
    w.shows(r'"t"."rows" does not exist(?s:.)*create table', "paused")
    w.lasts(2)
    w.sql(TABLE)
    w.accounts = BOTH
    w.heals()


@trouble()
def table_swapped(w):
    """dropped and made again in one transaction, with other columns, under load"""
    w.start()
    w.accounts = BOTH
    w.sql("create table t.kept (like t.rows)")
    for i in range(w.times(6)):
        w.flows()
        columns = ["event_id text", "n %s check (n >= 0)" % ("numeric", "bigint", "float8")[i % 3], "kind text"]
        w.random.shuffle(columns)
        w.sql("begin; lock table t.rows in access exclusive mode; insert into t.kept select event_id, n, kind from t.rows;"
              " drop table t.rows; create table t.rows (more text default 'x', %s);"
              " grant select, insert on t.rows to writer; commit" % ", ".join(columns))
    w.heals()


@trouble()
def schema_renamed(w):
    """the whole schema is away"""
    w.start()
    w.flows()
    w.sql("alter schema t rename to elsewhere")
    w.accounts = "select event_id from elsewhere.rows"
    w.shows(r'"t"."rows" does not exist', "paused")
    w.lasts(1)
    w.sql("alter schema elsewhere rename to t")
    w.accounts = "select event_id from t.rows"
    w.heals()


@trouble()
def column_dropped(w):
    """a column that the config names is dropped, and added again"""
    w.start()
    w.flows()
    w.sql("alter table t.rows drop column n")
    w.shows(r'no column "?n"?|column "n"', "paused")
    w.lasts(1)
    w.sql("alter table t.rows add column n bigint constraint not_negative check (n >= 0)")
    w.heals()


@trouble()
def column_type_changed(w):
    """types change under the load; all values fit each of them"""
    w.start()
    for i in range(w.times(1)):
        for kind in ("numeric", "float8", "numeric(20,2)", "int"):
            w.flows()
            w.sql("alter table t.rows alter n type %s" % kind)
            w.sql("alter table t.rows alter kind type %s" % ("varchar(10)" if kind == "int" else "text"))
    w.heals()


@trouble()
def column_required(w):
    """a new column is not null and has no default: every row would be refused"""
    w.start()
    w.flows()
    w.sql("alter table t.rows add column since timestamptz not null default now()")
    w.flows()
    w.sql("alter table t.rows drop column since")
    w.heals()


@trouble(short=True)
def right_to_insert_lost(w):
    """the role may no longer insert"""
    w.start()
    w.flows()
    w.sql("revoke insert on t.rows from writer")
    w.shows(r"permission denied.*grant what", "paused")
    w.lasts(1)
    w.sql("grant insert on t.rows to writer")
    w.heals()


@trouble()
def right_to_the_schema_lost(w):
    """the role may no longer use the schema"""
    w.start()
    w.flows()
    w.sql("revoke usage on schema t from writer")
    w.shows(r"permission denied.*schema", "paused")
    w.lasts(1)
    w.sql("grant usage on schema t to writer")
    w.heals()


@trouble()
def right_to_lanes_lost(w):
    """the role may no longer use the lanes table: it waits, rather than go on another way"""
    w.start()
    w.flows()
    w.sql("revoke update on ingestlayer.lanes from writer")
    w.shows(r"lanes.*grant", "paused")
    w.lasts(1)
    w.sql("grant update on ingestlayer.lanes to writer")
    w.heals()


@trouble()
def right_to_lanes_lost_beside_a_unique_id(w):
    """the same where the table would allow the other way; with sessions killed"""
    w.start(table=TABLE + "; create unique index on t.rows (event_id)")
    for _ in range(w.times(2)):
        w.flows()
        w.sql("revoke update on ingestlayer.lanes from writer")
        w.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'")
        w.shows(r"lanes.*grant", "paused")
        w.sql("grant update on ingestlayer.lanes to writer")
        w.heals()


@trouble()
def without_lanes_until_a_restart(w):
    """the right to the lanes table is given, taken and given, with kill -9 between"""
    table = TABLE + "; create unique index on t.rows (event_id); revoke update on ingestlayer.lanes from writer"
    w.start(table=table)
    for _ in range(w.times(2)):
        for change in ("grant update on ingestlayer.lanes to writer", "revoke update on ingestlayer.lanes from writer"):
            w.flows()
            w.daemon.kill()
            w.sql(change)
            w.daemon.start()
    w.heals()


@trouble()
def lanes_table_dropped(w):
    """the lanes table, then its row, vanish"""
    w.start()
    w.flows()
    w.sql("grant create on schema ingestlayer to writer; drop table ingestlayer.lanes")
    w.heals()
    w.sql("delete from ingestlayer.lanes")
    w.heals()
    if "the row of this lane is gone" not in w.log():
        raise Failed("the log does not tell")


def with_password(w):
    hba = "local all writer scram-sha-256\nlocal all all trust\nlocal replication all trust\n"
    with open(w.pg.data + "/pg_hba.conf", "w") as f:
        f.write(hba)
    w.pg.sql("set password_encryption = 'scram-sha-256'; alter role writer password 'right'")
    w.pg.sql("select pg_reload_conf()")
    w.start(dsn=w.dsn(more="password=right"))
    w.flows()


# May hit a COMMIT: then the batch stays in doubt, and the lane waits with it.
END = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'"


@trouble()
def password_changed(w):
    """the password is changed, and changed back"""
    with_password(w)
    w.pg.sql("alter role writer password 'another'")
    w.flows()  # a session lives on
    w.pg.sql(END)
    w.shows(r"password.*28P01", "paused", "waiting")
    w.lasts(1)
    w.pg.sql("alter role writer password 'right'")
    w.heals()


@trouble()
def login_taken(w):
    """the role may no longer log in"""
    w.start()
    w.flows()
    w.pg.sql("alter role writer nologin")
    w.pg.sql(END)
    w.shows(r"not permitted to log in.*28000", "paused", "waiting")
    w.lasts(1)
    w.pg.sql("alter role writer login")
    w.heals()


@trouble()
def database_renamed(w):
    """there is no such database for a while"""
    w.start()
    w.flows()
    w.sql("revoke connect on database app from public; " + END)
    w.shows(r"permission denied.*42501", "paused", "waiting")
    w.sql("grant connect on database app to public")
    w.heals()
    w.pg.sql("alter database app allow_connections off")
    w.pg.sql(END)
    w.shows(r"not currently accepting connections", "waiting", "paused")
    w.pg.sql("alter database app allow_connections on")
    w.heals()
    w.pg.sql("alter database app allow_connections off")
    w.pg.sql(END)
    w.pg.sql("alter database app rename to elsewhere")
    w.shows(r"does not exist.*3D000", "paused", "waiting")
    w.pg.sql("alter database elsewhere rename to app")
    w.pg.sql("alter database app allow_connections on")
    w.heals()

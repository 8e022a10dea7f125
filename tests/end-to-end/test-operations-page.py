# SPDX-License-Identifier: MIT
"""The recipes of ingestlayer-operations(7): each of their commands is run here as
it stands there, on a machine with that config, a Postgres that asks for passwords,
and senders that are refused nothing; and then what the recipe promises is so."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import load as senders
from machine import Failed, Machine, skip_unless_usable
from servers import Postgres, postgres_bindir, under_a_checker, without_plugin
from system import contains, equal, eventually

SRC = os.environ.get("IL_SRCDIR", ".")
PASSWORD = "before"


# --- the page ---------------------------------------------------------------------

def plain(line):
    return line.replace("\\(dq", '"').replace("\\(aq", "'").replace("\\&", "").replace("\\e", "\\")


def read_page():
    """({title: [block, ...]} of the recipes, the blocks of the config)"""
    recipes, config, section, title, block = {}, [], None, None, None
    with open(os.path.join(SRC, "core", "ingestlayer-operations.7")) as f:
        for line in f:
            if line.startswith(".Sh"):
                section, title = line[4:].strip(), None
            elif line.startswith(".Ss"):
                title = line[4:].strip()
                recipes[title] = []
            elif line.startswith(".Bd"):
                block = []
            elif line.startswith(".Ed"):
                (recipes[title] if title else config).append("".join(block))
                block = None
            elif block is not None:
                block.append(plain(line))
    equal((section, len(config)), ("SEE ALSO", 2), "the last section, and blocks of the config")
    return recipes, config


class Recipe:
    """Its blocks, one after the other."""

    def __init__(self, m, blocks):
        self.m, self.blocks = m, list(blocks)

    def run(self, machine=None):
        return (machine or self.m).sh(self.blocks.pop(0))[1]


# --- around it ---------------------------------------------------------------------

class Site:
    """The database, and what was sent to it."""

    def __init__(self, base, config):
        self.base, self.config, self.sent = base, config, 0
        self.pg = Postgres(base, settings=["fsync=off"])
        self.pg.start()
        with open(os.path.join(self.pg.data, "pg_hba.conf"), "w") as f:
            f.write("local all ingestlayer scram-sha-256\nlocal all all trust\n")
        self.pg.sql("select pg_reload_conf()")
        self.pg.sql("create database warehouse")
        self.sql("create role ingestlayer login password '%s'; grant create on database warehouse to ingestlayer;"
                 "create table usage (event_id text primary key, feature text, plan text);"
                 "grant select, insert on usage to ingestlayer" % PASSWORD)

    def sql(self, text):
        r = subprocess.run([os.path.join(self.pg.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.pg.sock,
                            "-U", "il", "-d", "warehouse", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if r.returncode:
            raise Failed("psql: " + r.stderr.decode())
        return r.stdout.decode().strip()

    def set_up(self, m):
        for folder in ("/etc/ingestlayer/pipelines.d", "/etc/ingestlayer/tls"):
            os.makedirs(m.path(folder))
        m.write("/etc/ingestlayer/ingestlayer.conf", self.config[0])
        m.write("/etc/ingestlayer/pipelines.d/usage.conf", self.config[1])
        m.write("/etc/ingestlayer/key", senders.KEY, 0o640)
        m.write("/etc/ingestlayer/database", "postgresql://ingestlayer:%s@/warehouse\n" % PASSWORD, 0o640)
        certificate(m, "first")
        m.sh("install -m 0640 -g ingestlayer fullchain.pem privkey.pem /etc/ingestlayer/tls/\n"
             "systemctl enable --now ingestlayer")


def certificate(m, name):
    m.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=%s"
         " -keyout privkey.pem -out fullchain.pem 2> /dev/null" % name)


def served(m):
    return m.sh("openssl s_client -connect 127.0.0.1:8443 < /dev/null 2> /dev/null | openssl x509 -noout -subject")[1]


def send(s, m, kind, key=None, **payload):
    """The status; its id is e1, e2, ..."""
    s.sent += 1
    body = json.dumps({"type": kind, "id": "e%d" % s.sent, "payload": payload})
    return m.sh("curl -sS -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer %s' "
                "-H 'Content-Type: application/json' -d '%s' http://127.0.0.1:8080/v1/ingest"
                % (key or senders.KEY, body))[1]


def use(s, m, **payload):
    payload = dict({"feature": "export", "plan": "pro"}, **payload)
    equal(send(s, m, "feature.used", **payload), "202", "status")
    return "e%d" % s.sent


def arrives(s, table, event, columns="count(*)", want="1"):
    eventually(lambda: s.sql("select %s from %s where event_id = '%s'" % (columns, table, event)) == want,
               "%s is in %s" % (event, table))


def lanes(m):
    answer = json.loads(m.sh("ingestlayer status --json")[1])
    return {lane["name"]: lane for lane in answer["lanes"]}


# --- what each recipe promises ------------------------------------------------------

def rotate_a_key(s, m, r):
    old = senders.KEY
    r.run()
    new = m.read("/etc/ingestlayer/key.new").strip()
    equal([send(s, m, "test.event", key=k) for k in (old, new)], ["202", "202"], "with the old key, with the new one")
    senders.KEY = new  # the senders change theirs
    contains(r.run(), "key", "what status says")
    r.run()
    equal([send(s, m, "test.event", key=k) for k in (old, new)], ["401", "202"], "with the old key, with the new one")


def rotate_a_password(s, m, r):
    r.run()
    s.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ingestlayer'")
    arrives(s, "usage", use(s, m))
    code, out = m.sh("psql 'postgresql://ingestlayer:%s@/warehouse' -c 'select 1'" % PASSWORD, check=False)
    contains(out, "password authentication failed", "with the old password")


def rotate_a_certificate(s, m, r):
    contains(served(m), "first", "the certificate")
    certificate(m, "second")
    contains(r.run(), "notAfter", "what openssl says")
    contains(served(m), "second", "the certificate")


def add_a_lane(s, m, r):
    equal(send(s, m, "order.paid", amount=1), "202", "status")
    r.run()
    equal(send(s, m, "order.paid", amount=2), "202", "status")
    arrives(s, "orders", "e%d" % s.sent, "amount", "2")
    equal(s.sql("select count(*) from orders"), "1", "orders, from now on")


def rename_a_lane(s, m, r):
    contains(r.run(), "sales/warehouse.pg", "what lane list says")
    equal(sorted(lanes(m)), ["sales/warehouse.pg", "usage/warehouse.pg"], "lanes")
    equal(send(s, m, "order.paid", amount=3), "202", "status")
    arrives(s, "orders", "e%d" % s.sent, "amount", "3")
    equal(s.sql("select count(*) from orders"), "2", "orders")


def remove_a_lane(s, m, r):
    contains(r.run(), "sales/warehouse.pg", "what lane list says")
    equal(sorted(lanes(m)), ["usage/warehouse.pg"], "lanes")
    equal("sales" in m.sh("ingestlayer lane list")[1], False, "what is kept of it")
    equal(s.sql("select count(*) from orders"), "2", "orders, which stay")


def a_table_has_changed(s, m, r):
    s.sql("alter table usage rename column plan to tier")
    waits = use(s, m, plan="free")
    eventually(lambda: lanes(m)["usage/warehouse.pg"]["state"] == "paused", "the lane pauses")
    contains(r.run(), "plan", "what status says")
    arrives(s, "usage", waits, "tier", "free")

    s.sql("alter table usage add constraint usage_feature_check check (feature <> 'bad')")
    refused = use(s, m, feature="bad")
    eventually(lambda: "usage_feature_check" in m.sh("ingestlayer dead list usage/warehouse.pg")[1], "it is a dead letter")
    contains(r.run(), "usage_feature_check", "what dead list says")
    arrives(s, "usage", refused, "feature", "bad")


def a_wrong_mapping(s, m, r):
    conf = "/etc/ingestlayer/pipelines.d/usage.conf"
    right = m.read(conf)
    wrong = right.replace('name = "tier"; value = "$event.payload.plan"',
                          'name = "tier"; value = "$event.payload.feature"')
    equal(wrong == right, False, "the config is wrong now")
    before = use(s, m, plan="team")
    arrives(s, "usage", before, "tier", "team")
    m.write(conf, wrong)
    m.sh("ingestlayer reload")
    spoilt = [use(s, m, plan="team") for _ in range(5)]
    arrives(s, "usage", spoilt[-1], "tier", "export")
    contains(r.run(), "tier", "what replay says")
    arrives(s, "usage", spoilt[-1], "tier", "export")
    r.run()
    for event in [before] + spoilt:
        arrives(s, "usage", event, "tier", "team")
    arrives(s, "usage", use(s, m, plan="team"), "tier", "team")


def disk_is_filling(s, m, r):
    def size():
        folder = m.path("/var/lib/ingestlayer/spool")
        return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.endswith(".seg"))
    m.write("/run/pad", "\n".join([json.dumps({"type": "test.event", "payload": {"pad": "x" * 2000}})] * 2000))
    m.sh("ingestlayer emit < /run/pad > /dev/null")
    before = size()
    contains(r.run(), "usage/warehouse.pg", "what status and lane list say")
    eventually(lambda: size() < before / 2, "segments are freed", 60)


def move_to_another_machine(s, m, r, other):
    r.run()
    shutil.copy(m.cwd + "/ingestlayer.tar.gz", other.cwd)
    contains(r.run(other), "usage/warehouse.pg", "what status says")
    arrives(s, "usage", use(s, other))


def back_up_and_restore(s, m, r):
    before = use(s, m)
    arrives(s, "usage", before)
    r.run()
    later = use(s, m)
    arrives(s, "usage", later)
    count = s.sql("select count(*) from usage")
    os.kill(m.pid(), 9)  # and its disk is gone
    contains(r.run(), "nothing is passed over", "what lane take says")
    last = [use(s, m) for _ in range(3)]
    arrives(s, "usage", last[-1])
    equal(s.sql("select count(*) from usage"), str(int(count) + 3), "rows")


def upgrade(s, m, r):
    before = m.pid()
    contains(r.run(), "runs in the place of version", "what upgrade says")
    equal(m.pid() == before, False, "is the process the same")
    arrives(s, "usage", use(s, m))


# Those during which senders are refused nothing.
RUNNING = {"Rotate a key": rotate_a_key, "Rotate a password": rotate_a_password,
           "Rotate a certificate": rotate_a_certificate, "Add a lane": add_a_lane, "Rename a lane": rename_a_lane,
           "Remove a lane": remove_a_lane, "A table has changed": a_table_has_changed,
           "A wrong mapping went live": a_wrong_mapping, "Disk is filling": disk_is_filling, "Upgrade": upgrade}
MOVE, BACKUP = "Move to another machine", "Back up, and restore a backup"


def case(s, m, recipes, title, fn, *more):
    print(title, flush=True)
    r = Recipe(m, recipes[title])
    fn(s, m, r, *more)
    equal(r.blocks, [], "blocks of %r that nobody has run" % title)


def all_of(s, recipes):
    equal(sorted(recipes), sorted(list(RUNNING) + [MOVE, BACKUP]), "recipes, and those with a case")
    with Machine(s.base, "one", s.pg) as m:
        s.set_up(m)
        with m.load(8080) as load:
            for title, fn in RUNNING.items():
                case(s, m, recipes, title, fn)
        equal((load.refused, load.cut, load.unexpected), (0, 0, []), "refused, cut off, not 202")
        with Machine(s.base, "two", s.pg) as other:
            case(s, m, recipes, MOVE, move_to_another_machine, other)
            case(s, other, recipes, BACKUP, back_up_and_restore)


skip_unless_usable()
missing = without_plugin(["warehouse.pg", "sdk.event"]) or (None if postgres_bindir() else "no Postgres server found")
if missing or under_a_checker():
    print("skipped: " + (missing or "the shell's commands are not checked"))
    sys.exit(77)
recipes, config = read_page()
base = tempfile.mkdtemp(prefix="il-test-")
site = None
try:
    site = Site(base, config)
    all_of(site, recipes)
finally:
    if site:
        site.pg.stop()
    shutil.rmtree(base, ignore_errors=True)

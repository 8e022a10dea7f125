# SPDX-License-Identifier: MIT
"""The packages under a systemd that lives: what check-systemd.sh runs inside.

/debs holds them as they were built, /next and /after the same as two versions
that came later.  Prints what it does and what it saw."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, "/check")
import load  # noqa: E402

CONF = "/etc/ingestlayer/ingestlayer.conf"
GATE = 8080
TEXT = """
state_dir = "/var/lib/ingestlayer";
http  = { listen = "127.0.0.1:8080"; };
admin = { listen = "127.0.0.1:9600"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( %s ); } );
pipelines = (
  { name = "everything";
    sources = ( { source = "app"; } );
    destinations = (
      { plugin = "warehouse.pg"; connection = "file:database";
        table = "events"; create = true; begin = "oldest"; } ); }
);
"""
answered = []


def step(text):
    print("--- " + text, flush=True)


def equal(got, want, what):
    if got != want:
        raise SystemExit("%s: expected %r, got %r" % (what, want, got))


def run(*argv, code=0):
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if code is not None and r.returncode != code:
        raise SystemExit("%s: expected exit code %d, got %d: %s" % (" ".join(argv), code, r.returncode, r.stdout))
    return r.stdout


def show(what, unit="ingestlayer.service"):
    return run("systemctl", "show", "--value", "-p", what, unit).strip()


def pid():
    return int(show("MainPID"))


def until(what, true, limit_s=60):
    end = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > end:
            raise SystemExit("%s: not within %d s" % (what, limit_s))
        time.sleep(0.05)


def program(number):
    try:
        with open("/proc/%s/comm" % number) as f:
            return f.read().strip()
    except OSError:
        return None  # it has gone


def lives(what):
    equal((show("ActiveState"), show("SubState"), show("NRestarts")), ("active", "running", "0"), what)
    with open("/var/lib/ingestlayer/lock") as f:
        equal(int(f.read().split()[0]), pid(), what + ": who has the state_dir is who systemd takes for main")
    exe = os.readlink("/proc/%d/exe" % pid())
    equal(exe, "/usr/bin/ingestlayer", what + ": the program that runs")


def write_conf(*keys):
    with open(CONF + ".new", "w") as f:
        f.write(TEXT % ", ".join('"file:%s"' % k for k in keys))
    os.rename(CONF + ".new", CONF)


def secret(name, text):
    path = "/etc/ingestlayer/" + name
    run("install", "-m", "0640", "-g", "ingestlayer", "/dev/null", path)
    with open(path, "w") as f:
        f.write(text + "\n")


def install(folder):
    """As apt does it, which has none to ask."""
    debs = sorted(os.path.join(folder, d) for d in os.listdir(folder))
    return run("dpkg", "--force-confold", "-i", *debs)


class Loaded(load.Load):
    """Refuses nobody, cuts off nobody, unless that was to be so."""

    def __init__(self, what, cut=0):
        super().__init__(GATE)
        self.what, self.may_cut = what, cut

    def more(self):
        before = self.sent()
        until("the load goes on", lambda: self.sent() > before + 50)

    def __exit__(self, *error):
        super().__exit__(*error)
        if error[0]:
            return
        equal(self.refused, 0, self.what + ": refused connections")
        equal(self.unexpected, [], self.what + ": answers that are no 202")
        if self.may_cut is not None:
            equal(self.cut, self.may_cut, self.what + ": connections cut off")
        print("    %d events, 0 refused, %d cut off, a sender waited %.0f ms at most" % (
            self.sent(), self.cut, self.stall_s * 1000), flush=True)
        answered.extend(self.names)


class Names(Loaded):
    """Ids that differ from those of the loads before."""
    serial = 0

    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        Names.serial += 1
        self.names = []

    def ask(self, conn, body):
        body = body.replace('"id": "', '"id": "%d/' % Names.serial)
        answer = super().ask(conn, body)
        if answer[0] == 202:
            with self.lock:
                self.names.append(re.search(r'"id": "([^"]*)"', body).group(1))
        return answer


def rows():
    return run("su", "postgres", "-c", "psql -XAtq -c 'select event_id from events'").split()


def delivered():
    until("each event that was answered is one row", lambda: len(rows()) >= len(set(answered)))
    got = rows()
    equal(len(got), len(set(got)), "rows that are there once")
    equal(set(answered) - set(got), set(), "events that were lost")


def installed():
    step("installed: it is enabled and runs as its user, in a folder that is its own")
    install("/debs")
    equal(show("UnitFileState"), "enabled", "the service")
    equal(show("UnitFileState", "ingestlayer.socket"), "disabled", "the socket")
    lives("after the installation")
    equal(run("stat", "-c", "%U:%G %a", "/var/lib/ingestlayer").strip(), "ingestlayer:ingestlayer 750", "state_dir")
    equal(run("stat", "-c", "%U", "/proc/%d" % pid()).strip(), "ingestlayer", "whose process it is")


def confined():
    step("what the unit forbids is forbidden")
    with open("/proc/%d/status" % pid()) as f:
        status = dict(line.split(":", 1) for line in f)
    for name, want in (("CapBnd", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")):
        equal(status[name].strip(), want, name)
    for path in ("/etc/ingestlayer/x", "/usr/x", "/home/x"):
        out = run("nsenter", "-t", str(pid()), "-m", "touch", path, code=None)
        if "Read-only file system" not in out and "denied" not in out and "No such file" not in out:
            raise SystemExit("%s can be written: %s" % (path, out))
    out = run("systemd-analyze", "security", "--threshold=17", "ingestlayer.service")
    print("    " + [line for line in out.splitlines() if "Overall exposure" in line][0], flush=True)


def configured():
    step("configured and reloaded: the main process stays")
    run("systemctl", "start", "postgresql@15-main")
    run("su", "postgres", "-c", "psql -Xq -c \"create role ingest login password 'p'; grant create, usage on schema public to ingest; "
        "grant create on database postgres to ingest\"")
    secret("key", load.KEY)
    secret("key2", "another-key-0123456789")
    secret("database", "postgresql://ingest:p@127.0.0.1/postgres")
    write_conf("key")
    before = pid()
    run("systemctl", "reload", "ingestlayer")
    equal(pid(), before, "the main process")
    lives("after the reload")


def reloads():
    step("reloads under load, one of them refused")
    before = pid()
    with Names("reload") as l:
        for i in range(10):
            write_conf(*(["key", "key2"] if i % 2 == 0 else ["key"]))
            run("systemctl", "reload", "ingestlayer")
            l.more()
        with open(CONF, "a") as f:
            f.write("nonsense = 1;\n")
        run("systemctl", "reload", "ingestlayer", code=1)
        l.more()
        equal(pid(), before, "the main process")
        lives("after a reload that was refused")
        write_conf("key")
        run("systemctl", "reload", "ingestlayer")
    equal("nonsense" in run("journalctl", "-u", "ingestlayer", "--no-pager"), True, "the journal says why")
    delivered()


def upgrades():
    step("`ingestlayer upgrade` under load: systemd follows")
    with Names("upgrade") as l:
        for _ in range(10):
            before = pid()
            out = run("ingestlayer", "upgrade")
            until("another main process (%s)" % out, lambda: pid() not in (0, before), 5)
            lives("after an upgrade")
            l.more()
        run("systemctl", "reload", "ingestlayer")
        lives("after a reload of the one that took over")
    delivered()


def package(folder, suffix):
    before = pid()
    said = install(folder)
    equal("runs on" in said, False, "the upgrade says that the version before runs on: " + said)
    equal(run("dpkg-query", "-W", "-f", "${Version}", "ingestlayer").endswith(suffix), True, "the version")
    until("another main process", lambda: pid() not in (0, before), 5)
    lives("after the upgrade of the package")


def packages():
    step("the package is upgraded under load")
    with Names("upgrade of the package") as l:
        l.more()
        package("/next", ".1")
        l.more()
    delivered()


def watched():
    step("the watchdog watches also whoever took over")
    os.makedirs("/run/systemd/system/ingestlayer.service.d", exist_ok=True)
    with open("/run/systemd/system/ingestlayer.service.d/watchdog.conf", "w") as f:
        f.write("[Service]\nWatchdogSec=3\nTimeoutAbortSec=3\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "ingestlayer")
    run("ingestlayer", "upgrade")
    before = pid()
    time.sleep(8)
    lives("over more than two of its times")
    equal(pid(), before, "the main process")
    os.kill(before, signal.SIGSTOP)
    until("it is started anew", lambda: show("NRestarts") == "1" and show("ActiveState") == "active", 90)
    equal("watchdog" in run("journalctl", "-u", "ingestlayer", "--no-pager").lower(), True, "the journal names it")
    os.unlink("/run/systemd/system/ingestlayer.service.d/watchdog.conf")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "ingestlayer")
    delivered()


def sockets():
    step("with the socket: restarts, a package, a kill, nobody is refused")
    run("systemctl", "stop", "ingestlayer.service")
    run("systemctl", "enable", "--now", "ingestlayer.socket")
    run("systemctl", "start", "ingestlayer.service")
    # A stop closes connections that are kept; who sends on one just then makes another.
    with Names("restarts with the socket", cut=None) as l:
        for _ in range(5):
            before = pid()
            run("systemctl", "restart", "ingestlayer")
            lives("after a restart")
            equal(pid() != before, True, "another main process")
            l.more()
    with Names("upgrades with the socket") as l:
        for _ in range(3):
            before = pid()
            run("ingestlayer", "upgrade")
            until("another main process", lambda: pid() not in (0, before), 5)
            l.more()
        package("/after", ".2")
        l.more()
    with Names("killed with the socket", cut=None) as l:
        l.more()
        before = pid()
        run("ingestlayer", "upgrade")
        until("another main process", lambda: pid() not in (0, before), 5)
        os.kill(pid(), signal.SIGKILL)
        until("it is started anew", lambda: show("NRestarts") == "1" and show("SubState") == "running")
        l.more()
    delivered()


def stopped():
    step("stopped, and removed")
    begun = time.monotonic()
    run("systemctl", "stop", "ingestlayer.socket", "ingestlayer.service")
    equal((show("ActiveState"), show("Result"), show("ExecMainStatus")), ("inactive", "success", "0"), "the service")
    print("    in %.1f s" % (time.monotonic() - begun), flush=True)
    run("systemctl", "start", "ingestlayer.socket")
    run("systemctl", "start", "ingestlayer.service")
    run("dpkg", "--purge", "ingestlayer-plugin-warehouse-pg", "ingestlayer-plugin-webhook-out",
        "ingestlayer-plugin-stream-nats", "ingestlayer-dev", "ingestlayer")
    equal(show("LoadState"), "not-found", "the service")
    equal(show("ActiveState", "ingestlayer.socket"), "inactive", "the socket")
    equal([p for p in os.listdir("/proc") if p.isdigit() and program(p) == "ingestlayer"], [], "processes that are left")


run("systemctl", "is-system-running", "--wait", code=None)
for part in (installed, confined, configured, reloads, upgrades, packages, watched, sockets, stopped):
    part()
print("all is well", flush=True)

# SPDX-License-Identifier: MIT
"""A private Postgres and a daemon that can be started, killed and started
again.  Every process is ended by the pid it was started with."""
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from ports import free_port

BUILD = os.environ.get("IL_BUILDDIR", os.getcwd())
INGESTLAYER = os.path.join(BUILD, "ingestlayer")
# Under a checker everything takes so many times as long (tests/checkers).
PATIENCE = int(os.environ.get("IL_PATIENCE", "1"))


def under_a_checker():
    """Then neither memory nor time is what it is elsewhere."""
    if os.environ.get("IL_VALGRIND"):
        return True
    with open(os.path.join(BUILD, "config.h")) as f:
        return "#define IL_SANITIZED" in f.read()


def postgres_bindir():
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(os.path.realpath(found))
    root = "/usr/lib/postgresql"
    versions = sorted(os.listdir(root), key=lambda v: [int(n) for n in re.findall(r"\d+", v)]) \
        if os.path.isdir(root) else []
    for version in reversed(versions):
        bindir = os.path.join(root, version, "bin")
        if os.path.exists(os.path.join(bindir, "initdb")):
            return bindir
    return None


class Postgres:
    """initdb refuses root, so root becomes an unprivileged user for it.
    With a template, another cluster at rest, its files are copied."""

    def __init__(self, base, settings=(), template=None):
        self.bindir = postgres_bindir()
        self.data = os.path.join(base, "pg")
        self.sock = os.path.join(base, "s")
        self.log = os.path.join(base, "postgres.log")
        self.port = 5432
        self.proc = None
        self.drop = []
        os.mkdir(self.data, 0o700)
        os.mkdir(self.sock, 0o777)
        os.chmod(self.sock, 0o777)
        if os.geteuid() == 0:
            user = "postgres" if "postgres" in [p.pw_name for p in pwd.getpwall()] else "nobody"
            entry = pwd.getpwnam(user)
            self.drop = ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid),
                         "--clear-groups"]
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
            os.chmod(base, 0o755)
        self.settings = ["-c", "listen_addresses=", "-c", "unix_socket_directories=" + self.sock,
                         "-c", "shared_buffers=64MB", "-c", "max_wal_size=4GB"]
        for s in settings:
            self.settings += ["-c", s]
        if template:
            subprocess.run(["cp", "-a", template.data + "/.", self.data], check=True)
            return
        subprocess.run(self.drop + [os.path.join(self.bindir, "initdb"), "-D", self.data, "-U", "il",
                                    "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    @property
    def dsn(self):
        return "host=%s port=%d user=il dbname=postgres" % (self.sock, self.port)

    def start(self, limit=60):
        """After a kill -9 of the postmaster its children need a moment to go;
        until then a new one refuses to start, so try again."""
        until = time.monotonic() + limit
        while True:
            log = open(self.log, "ab")
            self.proc = subprocess.Popen(
                self.drop + [os.path.join(self.bindir, "postgres"), "-D", self.data] + self.settings,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)
            log.close()
            while self.proc.poll() is None:
                if self.sql("select 1", check=False) == "1":
                    return
                if time.monotonic() > until:
                    raise RuntimeError("postgres does not come up, see " + self.log)
                time.sleep(0.05)
            if time.monotonic() > until:
                raise RuntimeError("postgres does not start, see " + self.log)
            time.sleep(0.2)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT)
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()

    def sql(self, text, check=True):
        r = subprocess.run([os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1",
                            "-d", self.dsn, "-c", text],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if r.returncode and check:
            raise RuntimeError("psql: " + r.stderr.decode(errors="replace"))
        return r.stdout.decode().strip() if not r.returncode else None

    def lines(self, query):
        """Each row of a one-column query."""
        p = subprocess.Popen([os.path.join(self.bindir, "psql"), "-XAtq", "-d", self.dsn, "-c",
                              "copy (%s) to stdout" % query], stdout=subprocess.PIPE)
        for line in p.stdout:
            yield line.decode().rstrip("\n")
        if p.wait():
            raise RuntimeError("psql failed")


def plugins_of(conf):
    """What a config asks for."""
    return sorted(set(re.findall(r'plugin\s*=\s*"([a-z.]+)"', conf)))


def without_plugin(names):
    """Why this cannot run: a plugin was left out at configure.  Or None."""
    listed = subprocess.run([INGESTLAYER, "plugins"], stdout=subprocess.PIPE, check=True).stdout.decode()
    built = [line.split()[0] for line in listed.splitlines()]
    missing = [name for name in names if name not in built]
    return "plugin %s was not built" % ", ".join(missing) if missing else None


class Daemon:
    def __init__(self, base, conf, env=None):
        self.conf = conf
        self.log = os.path.join(base, "daemon.log")
        self.gate, self.admin = free_port(), free_port()
        self.env = dict(os.environ, **(env or {}))
        self.env["GATE"] = "127.0.0.1:%d" % self.gate
        self.env["ADMIN"] = "127.0.0.1:%d" % self.admin
        self.proc = None

    def command(self, *args, **kw):
        return subprocess.run([INGESTLAYER] + list(args), env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **kw)

    def launch(self):
        with open(self.log, "ab") as log:
            return subprocess.Popen([INGESTLAYER, "run", "-c", self.conf], env=self.env,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, limit=60):
        self.proc = self.launch()
        until = time.monotonic() + limit * PATIENCE
        while not self.ready():
            if self.proc.poll() is not None:
                raise RuntimeError("the daemon exited with %s, see %s" % (self.proc.returncode, self.log))
            if time.monotonic() > until:
                raise RuntimeError("the daemon does not get ready, see " + self.log)
            time.sleep(0.02)

    def ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % self.admin, timeout=5 * PATIENCE) as r:
                return r.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self, limit=120):
        """SIGTERM; returns the exit code."""
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(limit * PATIENCE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise RuntimeError("the daemon did not stop within %d s, see %s" % (limit, self.log))
        return self.proc.returncode

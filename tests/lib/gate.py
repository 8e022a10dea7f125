# SPDX-License-Identifier: MIT
"""The daemon's gate alone, without a database, and certificates for it.

    with Gate(CONF) as g:
        g.curl("https://localhost:%d/v1/ingest" % g.daemon.gate, ...)

CONF is a libconfig text; %(base)s in it is the test's own folder.  GATE, ADMIN
and KEY are in the daemon's environment.  HEAD has all but `http`."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from servers import Daemon, plugins_of, without_plugin

KEY = "test-key"
OURS = ("destination.null",)  # built for the tests, by plugin_dir
HEAD = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
"""
EVENT = '{"type":"test.event","payload":{"n":1}}'


class Failed(Exception):
    pass


def skip_without(*programs):
    for program in programs:
        if not shutil.which(program):
            print("skipped: %s is not there" % program)
            sys.exit(77)


class Gate:
    def __init__(self, conf, files=None, start=True, kind=Daemon):
        why = without_plugin([name for name in plugins_of(conf) if name not in OURS])
        if why:
            print(why)
            sys.exit(77)
        self.base = tempfile.mkdtemp(prefix="il-test-")
        self.conf = self.path("ingestlayer.conf")
        if files:
            files(self)
        self.daemon = kind(self.base, self.conf, {"KEY": KEY})
        with open(self.conf, "w") as f:
            f.write(conf % {"base": self.base})
        try:
            if start:
                self.daemon.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.daemon.proc and self.daemon.proc.poll() is None:
            self.daemon.kill()
        if kind and os.path.exists(self.daemon.log):
            print("--- the daemon's log ends:", *self.log().splitlines()[-40:], sep="\n")
        shutil.rmtree(self.base, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.base, name)

    def log(self):
        with open(self.daemon.log, errors="replace") as f:
            return f.read()

    def curl(self, *args):
        """(exit code, what the server said, status)"""
        r = subprocess.run(["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}"] + list(args),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=dict(os.environ, no_proxy="*"))
        body, _, status = r.stdout.decode(errors="replace").rpartition("\n")
        return r.returncode, body + r.stderr.decode(errors="replace"), int(status or 0)

    def send(self, url, *args):
        """One event by curl."""
        return self.curl("-H", "Authorization: Bearer " + KEY, "-H", "Content-Type: application/json",
                         "-d", EVENT, url + "/v1/ingest", *args)


# --- certificates --------------------------------------------------------------

def openssl(*args):
    subprocess.run(["openssl"] + list(args), check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_authority(folder, name="ca"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=Test " + name, "-keyout", "%s/%s.key" % (folder, name),
            "-out", "%s/%s.pem" % (folder, name))


def make_certificate(folder, name, authority="ca", days=30):
    """NAME.pem and NAME.key for localhost, signed by the authority."""
    base = os.path.join(folder, name)
    with open(base + ".ext", "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", base + ".key", "-out", base + ".csr")
    openssl("x509", "-req", "-in", base + ".csr", "-CA", "%s/%s.pem" % (folder, authority),
            "-CAkey", "%s/%s.key" % (folder, authority), "-CAcreateserial", "-days", str(days),
            "-extfile", base + ".ext", "-out", base + ".pem")
    os.chmod(base + ".key", 0o600)


def equal(actual, expected, what):
    if actual != expected:
        raise Failed("%s: expected %r, got %r" % (what, expected, actual))


def contains(text, part, what):
    if part not in text:
        raise Failed("%s: expected %r in %r" % (what, part, text))


def eventually(condition, what, limit=30):
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            raise Failed("not within %d s: %s" % (limit, what))
        time.sleep(0.05)

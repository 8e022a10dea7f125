# SPDX-License-Identifier: MIT
"""A machine for commands that know where things are: /etc, /var/lib, /run and the
loopback device of their own, in namespaces, which takes root.

    with Machine(base, "old", postgres) as m:
        m.sh("systemctl start ingestlayer")

What is installed on it: the program and its plugins as they were built, a user for
the daemon, psql, and as much of systemctl as starts and stops it."""
import ctypes
import glob
import os
import re
import shutil
import subprocess
import sys

from load import Load
from servers import BUILD, INGESTLAYER

CLONE_NEWNET = 0x40000000
USER = 978  # a number that nobody has
PLACES = ("/etc", "/var/lib", "/run")
# The unit, without systemd.
SYSTEMCTL = r"""#!/bin/sh
unit() {
    case $1 in
    start)
        [ -d /var/lib/ingestlayer ] ||
            install -d -o ingestlayer -g ingestlayer -m 0750 /var/lib/ingestlayer
        setpriv --reuid ingestlayer --regid ingestlayer --init-groups \
            ingestlayer run -c /etc/ingestlayer/ingestlayer.conf \
            >> /run/ingestlayer.log 2>&1 < /dev/null &
        until curl -fs -o /dev/null http://127.0.0.1:9600/readyz; do
            kill -0 $! || exit 1
            sleep 0.05
        done ;;
    stop)
        pid=$(cat /var/lib/ingestlayer/lock) && kill "$pid" || exit 0
        while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done ;;
    *) exit 64 ;;
    esac
}
[ "$3$2" = ingestlayer--now ] || [ "$2" = ingestlayer ] || exit 64
case $1 in
enable | start) unit start ;;
disable | stop) unit stop ;;
*) exit 64 ;;
esac
"""


class Failed(Exception):
    pass


def usable():
    """None, or why not."""
    if os.geteuid():
        return "machines take root"
    for program in ("unshare", "nsenter", "ip", "setpriv", "curl", "openssl"):
        if not shutil.which(program):
            return program + " is not there"
    if subprocess.run(["unshare", "-mn", "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL).returncode:
        return "namespaces may not be made here"
    return None


def skip_unless_usable():
    why = usable()
    if why:
        print("skipped: " + why)
        sys.exit(77)


class Machine:
    def __init__(self, base, name, postgres):
        self.base = os.path.join(base, name)
        self.postgres = postgres
        self.cwd = os.path.join(self.base, "here")
        for part in ("var/lib", "run/postgresql", "opt/plugins", "here"):
            os.makedirs(os.path.join(self.base, part))
        self.opt = os.path.join(self.base, "opt")
        self.install()
        self.holder = subprocess.Popen(["unshare", "-mn", "--propagation", "private", "sh", "-ec", self.layout()],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise Failed("the machine cannot be made")

    def install(self):
        subprocess.run(["cp", "-a", "/etc", self.base], check=True)
        for name, line in (("passwd", "ingestlayer:x:%d:%d::/nonexistent:/bin/false\n"), ("group", "ingestlayer:x:%d:\n")):
            path = os.path.join(self.base, "etc", name)
            with open(path) as f:
                lines = [one for one in f if not one.startswith("ingestlayer:")]
            with open(path, "w") as f:
                f.writelines(lines + [line % ((USER,) * line.count("%d"))])
        shutil.copy(os.path.join(BUILD, "core", "ingestlayer"), self.opt)
        for path in glob.glob(os.path.join(BUILD, "plugins", "*", ".libs", "*.so")):
            shutil.copy(path, os.path.join(self.opt, "plugins"))
        os.symlink(os.path.join(self.postgres.bindir, "psql"), os.path.join(self.opt, "psql"))
        with open(os.path.join(self.opt, "systemctl"), "w") as f:
            f.write(SYSTEMCTL)
        os.chmod(os.path.join(self.opt, "systemctl"), 0o755)
        for at in (os.path.dirname(self.base), self.base, self.opt):
            os.chmod(at, 0o755)

    def layout(self):
        """Its places, and the default config where the build has it."""
        lines = ["mount --bind %s%s %s" % (self.base, place, place) for place in PLACES]
        lines.append("mount --bind %s /run/postgresql" % self.postgres.sock)
        text = subprocess.run([INGESTLAYER, "status", "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
        conf = re.search(r"\((/\S+)/ingestlayer/ingestlayer\.conf\)", text).group(1)
        if conf != "/etc":
            there = conf
            while not os.path.isdir(there):
                there = os.path.dirname(there)
            lines += ["mount -t tmpfs none " + there, "mkdir -p " + conf,
                      "ln -s /etc/ingestlayer %s/ingestlayer" % conf]
        return "\n".join(lines + ["ip link set lo up", "echo ready", "exec sleep 1000000"])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and os.path.exists(self.log):
            with open(self.log, errors="replace") as f:
                print("--- the daemon's log ends:", *f.readlines()[-30:], sep="\n")
        try:
            os.kill(self.pid(), 9)
        except (OSError, ValueError):
            pass
        self.holder.kill()
        self.holder.wait()

    @property
    def log(self):
        return os.path.join(self.base, "run", "ingestlayer.log")

    def path(self, path):
        """Where a path of the machine is from outside."""
        return self.base + path

    def write(self, path, text, mode=0o644):
        with open(self.path(path), "w") as f:
            f.write(text)
        os.chmod(self.path(path), mode)
        if mode & 0o007 == 0:
            os.chown(self.path(path), 0, USER)

    def read(self, path):
        with open(self.path(path)) as f:
            return f.read()

    def pid(self):
        return int(self.read("/var/lib/ingestlayer/lock"))

    def sh(self, script, check=True, env=None):
        """(exit code, what it prints), as root's shell there."""
        r = subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", "-n", "--wd=" + self.cwd, "sh", "-ec", script],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env=dict(os.environ, PATH=self.opt + ":" + os.environ["PATH"], no_proxy="*",
                                    INGESTLAYER_PLUGIN_PATH=os.path.join(self.opt, "plugins"),
                                    PGHOST="/run/postgresql", PGUSER="il", PGCONNECT_TIMEOUT="20", **(env or {})))
        out = r.stdout.decode(errors="replace")
        if check and r.returncode:
            raise Failed("exit code %d of\n%s\n--- it said\n%s" % (r.returncode, script, out))
        return r.returncode, out

    def load(self, port):
        return InsideLoad(self, port)


class InsideLoad(Load):
    """From within the machine."""

    def __init__(self, machine, port):
        super().__init__(port, pause_s=0.005)
        self.machine = machine

    def run(self, number):
        with open("/proc/%d/ns/net" % self.machine.holder.pid) as f:
            if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        super().run(number)

# SPDX-License-Identifier: MIT
"""A daemon that gives its place to others: what is installed is a copy of the
program, which a test may replace, and .proc is whoever has the place."""
import ctypes
import glob
import json
import os
import shutil
import signal
import stat
import subprocess
import time

from servers import BUILD, PATIENCE, Daemon

PR_SET_CHILD_SUBREAPER = 36


class Process:
    """As subprocess.Popen, of one that another has started and left to us."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, limit=60):
        until = time.monotonic() + limit * PATIENCE
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("process %d" % self.pid, limit)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class UpgradeDaemon(Daemon):
    def __init__(self, base, conf, env=None):
        super().__init__(base, conf, env)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.base = base
        self.program = os.path.join(base, "bin", "ingestlayer")
        os.mkdir(os.path.dirname(self.program))
        self.install()
        self.env["INGESTLAYER_PLUGIN_PATH"] = ":".join(
            sorted(glob.glob(os.path.join(BUILD, "plugins", "*", ".libs")))
            + [os.path.join(BUILD, "tests", ".libs")])

    def install(self, text=None):
        """As a package does it: by a new file.  text: a script in its place."""
        fresh = self.program + ".new"
        if text is None:
            shutil.copy(os.path.join(BUILD, "core", "ingestlayer"), fresh)
        else:
            with open(fresh, "w") as f:
                f.write(text)
            os.chmod(fresh, stat.S_IRWXU)
        os.rename(fresh, self.program)

    def launch(self):
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.program, "run", "-c", self.conf], env=self.env,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def pid(self):
        with open(os.path.join(self.base, "state", "lock")) as f:
            return int(f.read())

    def follow(self):
        """Whoever has the place now; the one before has ended with this code."""
        before, pid = self.proc, self.pid()
        if pid == before.pid:
            return None
        self.proc = Process(pid)
        return before.wait(30)

    def upgrade(self, *options):
        """The command's end: (exit code, standard output, standard error)."""
        r = self.command("upgrade", "-c", self.conf, *options, timeout=150 * PATIENCE)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def upgraded(self):
        """What the daemon says of the last upgrade."""
        r = subprocess.run(["curl", "-sS", "--unix-socket", os.path.join(self.base, "state", "control"),
                            "http://daemon/v1/upgrade"], stdout=subprocess.PIPE, check=True)
        return json.loads(r.stdout)

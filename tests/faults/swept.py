# SPDX-License-Identifier: MIT
"""A daemon that is disturbed at one point of its way, and started again."""
import json
import os
import subprocess
import time

import inject
from servers import Daemon


class Failure(Exception):
    pass


class Swept:
    """In a folder of its own, by the config of this name there."""
    start_limit = 30
    fired_is_begun = False  # an injection that has fired is a start, too

    def __init__(self, base, name, env=None):
        self.base = base
        self.state = os.path.join(base, "state")
        self.conf = os.path.join(base, name)
        self.daemon = Daemon(base, self.conf, env or {})
        self.plain_env = dict(self.daemon.env)

    def start(self, injection=None):
        """True when it runs, False when it ended before."""
        self.daemon.env = dict(self.plain_env)
        if injection:
            self.daemon.env.update(injection.env())
        with open(self.daemon.log, "ab") as log:
            self.daemon.proc = subprocess.Popen([os.path.join(inject.BUILD, "ingestlayer"), "run", "-c", self.conf],
                                                env=self.daemon.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + self.start_limit
        while self.daemon.proc.poll() is None:
            if self.daemon.ready() or (self.fired_is_begun and injection and injection.fired):
                return True
            if time.monotonic() > until:
                raise Failure("the daemon neither starts nor ends")
            time.sleep(0.01)
        return False

    def end(self, injection=None):
        """SIGTERM; the exit code."""
        if self.daemon.proc.poll() is None:
            self.daemon.proc.terminate()
        try:
            code = self.daemon.proc.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            raise Failure("it does not stop") from None
        if code and not (injection and injection.fired):
            raise Failure("exit code %d" % code)
        return code

    def exported(self):
        """The events of the spool."""
        r = self.daemon.command("spool", "export", "-c", self.conf)
        if r.returncode > 1:  # positions of what was torn were given out, and are nowhere
            raise Failure("spool export: " + r.stderr.decode())
        return [json.loads(line) for line in r.stdout.decode().splitlines()]

    def log_end(self):
        try:
            with open(self.daemon.log) as f:
                return "".join(f.readlines()[-20:])
        except OSError as e:
            return str(e)

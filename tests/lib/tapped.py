# SPDX-License-Identifier: MIT
"""`ingestlayer tap` while a test goes on.

    with Tap(s, "--dropped", "p/d") as t:
        s.post("a")
        t.next()     # the next line, as it was read; fails where none comes
        t.nothing()  # and none comes"""
import json
import queue
import signal
import subprocess
import threading
import time

from gate import Failed, eventually
from servers import INGESTLAYER, PATIENCE


class Tap:
    def __init__(self, s, *args):
        self.s = s
        before = {job["id"] for job in jobs(s)}
        self.proc = subprocess.Popen([INGESTLAYER, "tap", "-c", s.conf] + list(args), env=s.daemon.env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        try:
            eventually(lambda: {job["id"] for job in jobs(s)} - before or self.proc.poll() is not None,
                       "the tap is there")
        except BaseException:
            self.proc.kill()
            raise

    def read(self):
        for line in self.proc.stdout:
            self.lines.put(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.send_signal(signal.SIGCONT)
        self.proc.kill()
        self.proc.wait()
        self.reader.join(10)
        self.errors = self.proc.stderr.read().decode()

    def next(self):
        try:
            return self.lines.get(timeout=20 * PATIENCE)
        except queue.Empty:
            raise Failed("nothing comes, exit code %s" % self.proc.poll()) from None

    def ids(self, n):
        return [self.next()["event"]["id"] for _ in range(n)]

    def nothing(self):
        time.sleep(0.4)
        if not self.lines.empty():
            raise Failed("expected nothing, got %r" % self.lines.get())

    def ends(self):
        """(exit code, errors) of one that ends by itself"""
        code = self.proc.wait(30 * PATIENCE)
        return code, self.proc.stderr.read().decode()


def jobs(s):
    _, body, _ = s.curl("--unix-socket", s.path("state/control"), "http://x/v1/jobs")
    return [job for job in json.loads(body)["jobs"] if job["kind"] == "tap"]

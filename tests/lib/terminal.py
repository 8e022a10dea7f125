# SPDX-License-Identifier: MIT
"""A command on a terminal of its own: what it writes there, as it comes."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from servers import PATIENCE


class Terminal:
    """stdin, stdout and stderr are the terminal unless they are given."""

    def __init__(self, args, env, columns=80, rows=24, **streams):
        self.fd, self.slave = pty.openpty()
        self.proc = None
        self.resize(columns, rows)
        self.was = termios.tcgetattr(self.slave)
        streams = dict({"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}, **streams)
        self.proc = subprocess.Popen(args, env=dict(env, TERM="xterm"), start_new_session=True, **streams)
        self.text = ""

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if self.proc:
            self.proc.send_signal(signal.SIGWINCH)

    def read(self, seconds=0.1):
        """All that comes within a time."""
        until = time.monotonic() + seconds
        while select.select([self.fd], [], [], max(0, until - time.monotonic()))[0]:
            try:
                self.text += os.read(self.fd, 65536).decode()
            except OSError:
                break
        return self.text

    def write(self, text):
        os.write(self.fd, text)

    def ends(self, limit=60):
        """Its exit code."""
        until = time.monotonic() + limit * PATIENCE
        while self.proc.poll() is None and time.monotonic() < until:
            self.read(0.05)
        code = self.proc.wait(1)
        self.read()
        return code

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        os.close(self.fd)
        os.close(self.slave)

# SPDX-License-Identifier: MIT
"""What systemd does for a socket unit: open the sockets, and pass them to each
daemon that is started (sd_listen_fds(3))."""
import os
import socket
import subprocess

from servers import Daemon, INGESTLAYER

# The process learns its own number only once it is there.
SHELL = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"'
# Where they are out of each other's way.
ASIDE = 100


class SocketDaemon(Daemon):
    """Passes the sockets at .sockets, by default one at the gate's address."""

    def __init__(self, base, conf, env=None):
        super().__init__(base, conf, env)
        self.sockets = [listening("127.0.0.1", self.gate)]

    def launch(self):
        count = len(self.sockets)

        def place():
            for i, s in enumerate(self.sockets):
                os.dup2(s.fileno(), ASIDE + i)
            for i in range(count):
                os.dup2(ASIDE + i, 3 + i, inheritable=True)

        env = dict(self.env, LISTEN_FDS=str(count),
                   LISTEN_FDNAMES=":".join(["ingestlayer.socket"] * count))
        with open(self.log, "ab") as log:
            return subprocess.Popen(["sh", "-c", SHELL, INGESTLAYER, "run", "-c", self.conf], env=env,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    pass_fds=range(3, 3 + count), preexec_fn=place)


def listening(host, port, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port) if family != socket.AF_UNIX else host)
    if kind == socket.SOCK_STREAM:
        s.listen(4096)
    return s

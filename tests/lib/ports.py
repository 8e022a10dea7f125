# SPDX-License-Identifier: MIT
"""Ports for servers that tests start.  A port that the kernel gives out and
that is closed again can be anybody's by the time a server listens on it: an
outgoing connection's, or another test's that asked at the same moment.  So a
port comes from below those of outgoing connections, and each one is given out
once in a round, whichever process asks.  As a program it prints one."""
import fcntl
import os
import random
import socket
import tempfile

FIRST = 10240


def limit():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            low = int(f.read().split()[0])
    except OSError:
        low = 32768
    return low if low > FIRST + 1000 else 32768


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port():
    path = os.path.join(tempfile.gettempdir(), "il-test-ports-%d" % os.getuid())
    end = limit()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        last = f.read()
        port = int(last) if last.isdigit() else random.randrange(FIRST, end)
        for _ in range(end - FIRST):
            port = port + 1 if FIRST <= port < end - 1 else FIRST
            if is_free(port):
                f.seek(0)
                f.write("%05d" % port)
                return port
    raise RuntimeError("no port is free below %d" % end)


if __name__ == "__main__":
    print(free_port())

# SPDX-License-Identifier: MIT
"""A Postgres that has troubles: killed with all its processes, paused, a
standby, one that has no room; and a pgbouncer before it."""
import os
import signal
import subprocess
import time

from servers import Postgres


def children(pid):
    """All processes below pid."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    parents[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                pass
    found, more = [], [pid]
    while more:
        more = [child for child, parent in parents.items() if parent in more]
        found += more
    return found


class Server(Postgres):
    def __init__(self, base, settings=(), template=None):
        if not os.path.isdir(base):
            os.mkdir(base, 0o755)
        self.base = base
        super().__init__(base, ["fsync=off", "shared_buffers=16MB", "max_wal_size=256MB",
                                "max_prepared_transactions=0"] + list(settings), template)

    def signal_all(self, number):
        for pid in [self.proc.pid] + children(self.proc.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill_all(self):
        """As a machine that loses its power, but for what is in its caches."""
        self.proc.send_signal(signal.SIGSTOP)  # or it would start new ones
        self.signal_all(signal.SIGKILL)
        self.proc.wait()

    def pause(self):
        self.signal_all(signal.SIGSTOP)

    def go_on(self):
        self.signal_all(signal.SIGCONT)

    def shut_down(self, how=signal.SIGINT):
        """SIGINT: fast, SIGQUIT: immediate."""
        self.proc.send_signal(how)
        self.proc.wait(60)

    def end(self):
        if self.proc and self.proc.poll() is None:
            self.go_on()
            self.shut_down(signal.SIGQUIT)

    def session_run(self, text, user="il", dbname="app"):
        return subprocess.run(
            [os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
             "host=%s port=%d user=%s dbname=%s" % (self.sock, self.port, user, dbname), "-c", text],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def session(self, *statements, user="il", dbname="app"):
        """A psql of its own that runs statements while others go on."""
        return subprocess.Popen(
            [os.path.join(self.bindir, "psql"), "-XAtq", "-d",
             "host=%s port=%d user=%s dbname=%s" % (self.sock, self.port, user, dbname)]
            + [word for text in statements for word in ("-c", text)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def standby(self, base):
        """A second one that follows this one."""
        other = Server.__new__(Server)
        other.__dict__.update(self.__dict__)
        other.base, other.proc = base, None
        other.data, other.sock = os.path.join(base, "pg"), os.path.join(base, "s")
        other.log = os.path.join(base, "postgres.log")
        other.settings = [word.replace(self.sock, other.sock) for word in self.settings]
        os.mkdir(base, 0o755)
        os.mkdir(other.sock)
        os.chmod(other.sock, 0o777)
        subprocess.run([os.path.join(self.bindir, "pg_basebackup"), "-D", other.data, "-R", "-c", "fast", "-X",
                        "stream", "--no-sync", "-h", self.sock, "-p", str(self.port), "-U", "il"], check=True)
        if self.drop:
            subprocess.run(["chown", "-R", "--reference=" + self.data, other.data], check=True)
        other.start()
        return other

    def promote(self):
        self.sql("select pg_promote(true, 60)")


def pgbouncer_program():
    for folder in os.environ.get("PATH", "").split(":") + ["/usr/sbin"]:
        if os.path.exists(os.path.join(folder, "pgbouncer")):
            return os.path.join(folder, "pgbouncer")
    return None


class Pgbouncer:
    def __init__(self, server, base):
        self.server, self.sock, self.port, self.proc = server, base, 6432, None
        os.mkdir(base)
        os.chmod(base, 0o777)
        self.conf = os.path.join(base, "bouncer.ini")
        users = os.path.join(base, "users")
        with open(users, "w") as f:
            f.write('"il" ""\n"writer" "right"\n')
        with open(self.conf, "w") as f:
            f.write("[databases]\napp = host=%s port=%d\n[pgbouncer]\nlisten_addr =\nlisten_port = %d\n"
                    "unix_socket_dir = %s\nauth_type = trust\nauth_file = %s\npool_mode = transaction\n"
                    "default_pool_size = 3\nserver_login_retry = 1\nlogfile = %s\n"
                    % (server.sock, server.port, self.port, base, users, os.path.join(base, "bouncer.log")))

    def start(self):
        self.proc = subprocess.Popen(self.server.drop + [pgbouncer_program(), "-q", self.conf], cwd="/",
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while not os.path.exists(os.path.join(self.sock, ".s.PGSQL.%d" % self.port)):
            if self.proc.poll() is not None or time.monotonic() > until:
                raise RuntimeError("pgbouncer does not start, see " + self.sock)
            time.sleep(0.02)

    def kill(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


class SmallDisk:
    """A tmpfs that can be filled; for root only."""

    def __init__(self, path, mebibytes):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.mkdir(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % mebibytes, "tmpfs", path], check=True)

    def fill(self):
        with open(self.filler, "wb", buffering=0) as f:
            piece = bytes(1 << 16)
            while piece:
                try:
                    f.write(piece)
                except OSError:
                    piece = piece[:len(piece) // 2]

    def relieve(self):
        os.unlink(self.filler)

    def end(self):
        subprocess.run(["umount", "-l", self.path], check=False)

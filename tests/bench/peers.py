# SPDX-License-Identifier: MIT
"""Other programs on the same ground, where they are installed."""
import os
import shutil
import socket
import subprocess
import time

from measure import Peak, cpu
from servers import free_port

PEERS = ("nginx64", "nginx256", "rsyslog", "wrk")
PEER_EVENTS = 100000  # of rsyslog, which takes ten times as long for each

# Reads the body and answers; keeps nothing.
NGINX = """
daemon off; master_process off; pid %(base)s/pid;
events { worker_connections 20000; multi_accept on; }
http { access_log off; keepalive_requests 1000000000;
       client_body_temp_path %(base)s/body; proxy_temp_path %(base)s/proxy; fastcgi_temp_path %(base)s/fastcgi;
       uwsgi_temp_path %(base)s/uwsgi; scgi_temp_path %(base)s/scgi;
       server { listen 127.0.0.1:%(port)d backlog=4096; location / { return 202; } } }
"""
# Its queue is in memory: what it has taken is gone if it dies.  No look-ups.
RSYSLOG = """
global(workDirectory="%(base)s" net.enableDNS="off")
module(load="imptcp")
module(load="mmjsonparse")
module(load="ompgsql")
template(name="row" type="list" option.stdsql="on") {
    constant(value="insert into w1 (event_id, received_at, type, user_id, feature, count, plan, payload) values ('")
    property(name="$!id") constant(value="', '")
    property(name="timegenerated" dateFormat="rfc3339") constant(value="', '")
    property(name="$!type") constant(value="', '")
    property(name="$!payload!user_id") constant(value="', '")
    property(name="$!payload!feature") constant(value="', '")
    property(name="$!payload!count") constant(value="', '")
    property(name="$!payload!plan") constant(value="', '")
    property(name="$!payload") constant(value="')")
}
ruleset(name="w1") {
    action(type="mmjsonparse")
    action(type="ompgsql" conninfo="postgresql:///postgres?host=%(socket)s&user=il" template="row"
           queue.type="LinkedList" queue.size="200000" queue.dequeueBatchSize="500" queue.timeoutEnqueue="60000")
}
input(type="imptcp" address="127.0.0.1" port="%(port)d" ruleset="w1")
"""


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def missing(name):
    """Why this one does not run; None if it does."""
    if name not in PEERS:
        return None
    if name == "wrk":
        return None if program("wrk") else "wrk is not installed (Debian's package wrk), and nothing is compared with it"
    if name.startswith("nginx"):
        return None if program("nginx") else "nginx is not installed"
    if not program("rsyslogd"):
        return "rsyslog is not installed"
    folders = [os.path.join(root, d) for root in ("/usr/lib", "/usr/lib64") if os.path.isdir(root)
               for d in [""] + os.listdir(root)]
    if not any(os.path.exists(os.path.join(f, "rsyslog", "ompgsql.so")) for f in folders):
        return "rsyslog-pgsql is not installed"
    return None


class Peers:
    def __init__(self, rig, cases):
        self.rig, self.cases = rig, cases

    def started(self, args, base, port):
        with open(os.path.join(base, "log"), "wb") as log:
            proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return proc
            except OSError:
                if proc.poll() is not None or time.monotonic() > until:
                    proc.kill()
                    proc.wait()
                    with open(os.path.join(base, "log")) as log:
                        raise RuntimeError("%s does not start: %s" % (args[0], log.read()))
            time.sleep(0.05)

    def nginx(self, conns):
        base, port = self.rig.folder(), free_port()
        conf = os.path.join(base, "conf")
        with open(conf, "w") as f:
            f.write(NGINX % {"base": base, "port": port})
        proc = self.started([program("nginx"), "-c", conf, "-e", base + "/log"], base, port)
        try:
            return self.cases.singles(proc, port, conns)
        finally:
            proc.terminate()
            proc.wait()
            shutil.rmtree(base)

    def nginx64(self):
        return self.nginx(64)

    def nginx256(self):
        return self.nginx(256)

    def all_written(self, events, base):
        rows, until = 0, time.monotonic() + 30
        while rows < events:
            now = int(self.rig.pg.sql("select count(*) from w1"))
            if now > rows:
                rows, until = now, time.monotonic() + 30
            elif time.monotonic() > until:
                with open(os.path.join(base, "log")) as log:
                    raise RuntimeError("rsyslog has written %d rows of %d: %s" % (rows, events, log.read()))
            time.sleep(0.1)

    def rsyslog(self):
        """From the first byte to the last row."""
        rig = self.rig
        events = min(rig.events, PEER_EVENTS)
        lines = rig.generate("syslog", "syslog", str(events))
        rig.empty_table()
        base, port = rig.folder(), free_port()
        conf = os.path.join(base, "conf")
        with open(conf, "w") as f:
            f.write(RSYSLOG % {"base": base, "port": port, "socket": rig.pg.sock})
        proc = self.started([program("rsyslogd"), "-n", "-f", conf, "-i", base + "/pid"], base, port)
        try:
            ours, theirs, began = cpu(proc.pid), rig.pg_cpu(), time.monotonic()
            with Peak(proc.pid) as peak:
                with socket.create_connection(("127.0.0.1", port)) as s, open(lines, "rb") as f:
                    s.sendfile(f)
                self.all_written(events, base)
            took = time.monotonic() - began
            return {"rate": events / took, "ours": (cpu(proc.pid) - ours) * 1e6 / events,
                    "pg": (rig.pg_cpu() - theirs) * 1e6 / events, "memory": peak.mb}
        finally:
            proc.terminate()
            proc.wait()
            shutil.rmtree(base)

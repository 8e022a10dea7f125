# SPDX-License-Identifier: MIT
"""nginx in front by the recipe of ingestlayer.conf(5): events pass, and the
client is the one that nginx saw, whatever it claims to be."""
import os
import pwd
import re
import subprocess

from gate import HEAD, Gate, equal, eventually, make_authority, make_certificate, skip_without
from servers import free_port

skip_without("nginx", "openssl", "curl")
RECIPE = os.path.join(os.environ["IL_SRCDIR"], "core", "ingestlayer.conf.5")
HOOK = """sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); },
                     { name = "hook"; plugin = "webhook.in"; token = "a-token-for-tests"; secrets = "env:KEY"; } );"""


def recipe():
    """The two blocks below 'Behind nginx'."""
    with open(RECIPE) as f:
        part = f.read().split(".Ss Behind nginx")[1]
    nginx, config = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", part, re.M | re.S)[:2]
    return nginx.replace("\\e", "\\"), config


def start_nginx(g, site, port):
    site = (site.replace("/run/ingestlayer/gate.sock", g.path("gate.sock"))
            .replace("443 ssl", "127.0.0.1:%d ssl" % port)
            .replace("/etc/ssl/events.pem", g.path("server.pem"))
            .replace("/etc/ssl/private/events.key", g.path("server.key")))
    user = "user %s;" % pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else ""
    temp = " ".join("%s_temp_path %s;" % (kind, g.path(kind))
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(g.path("nginx.conf"), "w") as f:
        f.write("daemon off; pid %s; %s error_log %s;\nevents { }\nhttp { access_log off; %s\n%s\n}\n"
                % (g.path("nginx.pid"), user, g.path("nginx.log"), temp, site))
    return subprocess.Popen(["nginx", "-p", g.base, "-c", g.path("nginx.conf")], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def files(g):
    make_authority(g.base)
    make_certificate(g.base, "server")


site, config = recipe()
port = free_port()
conf = re.sub(r"sources = .*", HOOK.replace("\n", " "), HEAD) + config.replace("/run/ingestlayer", "%(base)s")
with Gate(conf, files) as g:
    proxy = start_nginx(g, site, port)
    try:
        url = "https://localhost:%d" % port
        trust = ["--cacert", g.path("ca.pem")]
        eventually(lambda: g.send(url, *trust)[2] == 202, "an event passes nginx")
        equal(g.send("http://gate", "--unix-socket", g.path("gate.sock"))[2], 202, "beside nginx")
        # a refusal tells in the log whom it was
        g.curl("-d", "{}", "-H", "X-Forwarded-For: 6.6.6.6", *trust, url + "/whk/a-token-for-tests")
        eventually(lambda: "refused a request from 127.0.0.1: " in g.log(), "the client is in the log")
        equal("6.6.6.6" in g.log(), False, "what it claims is in the log")
    finally:
        proxy.terminate()
        proxy.wait()

# SPDX-License-Identifier: MIT
"""The SDK talks to the gate over https, its authority given to node the usual
way, and refuses a server that it cannot trust."""
import os
import subprocess
import sys

from gate import HEAD, KEY, Gate, contains, equal, make_authority, make_certificate, skip_without
from servers import BUILD

skip_without("openssl", "node")
SDK = os.path.join(BUILD, "sdk", "typescript", "dist", "esm", "index.js")
if not os.path.exists(SDK):
    print("skipped: the SDK is not built")
    sys.exit(77)
CONF = HEAD + """
http = { listen = "env:GATE"; tls = { certificate = "server.pem"; key = "server.key"; }; };
"""
PROGRAM = """
const { configure, ingest, ingestBatch } = await import(process.argv[1]);
configure({ maxRetries: 0 });
const r = await ingest("test.event", { n: 1 });
const b = await ingestBatch(Array.from({ length: 300 }, (_, n) => ({ type: "test.event", payload: { n } })));
console.log(r.status, b.filter((one) => one.status === "accepted").length);
"""


def files(g):
    make_authority(g.base)
    make_certificate(g.base, "server")


def run(g, **more):
    env = dict(os.environ, INGESTLAYER_URL="https://localhost:%d" % g.daemon.gate, INGESTLAYER_KEY=KEY, **more)
    r = subprocess.run(["node", "--input-type=module", "-e", PROGRAM, SDK], env=env, timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return r.returncode, r.stdout.decode().strip(), r.stderr.decode()


with Gate(CONF, files) as g:
    code, said, err = run(g, NODE_EXTRA_CA_CERTS=g.path("ca.pem"))
    equal((code, said), (0, "accepted 300"), "with the authority (%s)" % err)
    code, said, err = run(g)
    equal(code != 0, True, "without it")
    contains(err, "IngestError", "what the SDK throws")

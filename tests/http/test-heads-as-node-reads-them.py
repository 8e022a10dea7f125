# SPDX-License-Identifier: MIT
"""Two parsers, one request: what Node's own HTTP parser refuses, ours does not
take, and what ours takes Node reads with the same method, target, fields and
body; for a table of requests and all that differ from one of them in a byte."""
import os
import re
import shutil
import subprocess
import sys

if not shutil.which("node"):
    print("skipped: no node here")
    sys.exit(77)
HERE = os.path.dirname(os.path.abspath(__file__))
READER = os.path.join(os.environ.get("IL_BUILDDIR", os.getcwd()), "tests/http/read-heads")

# Read by both, and ...
GOOD = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1/ingest?key=a%20b HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc",
    "POST /e HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab",
    "PUT /e HTTP/1.1\r\nhost:a\r\nX:\t y \r\nEmpty:\r\nContent-Length: 03\r\n\r\nabc",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
    "2;a=b;c=\"d\"\r\nab\r\n0\r\nX: y\r\nZ: \r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\nConnection: a, close ,b\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nz",
    "GET http://b/p?q HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length:\t 3 \t \r\n\r\nabc",
    "POST /e HTTP/1.1\r\nHost: a \r\nTransfer-Encoding:chunked \t\r\n\r\n0\r\n\r\n",
    "\r\nDELETE /x HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=\"d\"\r\nX: \xe9\r\nX: twice\r\n\r\n",
]
# ... such as at least one of them refuses.
BAD = [
    "GET / HTTP/1.1\nHost: a\n\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n0123456789",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/0.9\r\n\r\n",
    "GET /\r\n\r\n",
    "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
]
# Methods that Node does not know, and bytes beyond ASCII in a target, which no
# sender should but some do send as they are, are for routes to decide.
ODD = "\0\t\n\r \v\x7f\x80\xff\"(),-./0:;<=@Gafx{%+"


def changed(text):
    """Every text that differs in one byte, more, less or another."""
    for i in range(len(text) + 1):
        yield text[:i] + text[i + 1:]
        for c in ODD:
            yield text[:i] + c + text[i:]
            if i < len(text):
                yield text[:i] + c + text[i + 1:]


def read(command, requests):
    text = "".join(r.encode("latin1").hex() + "\n" for r in requests)
    out = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return [line.split(b" ") for line in out.splitlines()]


def path_of(target):
    """Of "http://HOST/PATH" we keep PATH, and where it has none "/"; Node keeps
    all."""
    m = re.fullmatch(rb"https?://[^/?]+(/.*)?(\?.*)?", bytes.fromhex(target.decode()), re.I | re.S)
    return (m.group(1) or b"/").hex().encode() if m else target


def methods():
    out = subprocess.run(["node", "-p", "require('http').METHODS.join(' ')"], stdout=subprocess.PIPE, check=True)
    return set(out.stdout.split())


requests = list(dict.fromkeys(GOOD + BAD + [c for r in GOOD + BAD for c in changed(r)]))
known, taken, wrong, others = methods(), [], [], 0
for request, our in zip(requests, read([READER], requests)):
    if our[0] in (b"refused", b"more"):
        if request in GOOD:
            wrong.append((request, our, [b"-"]))
    elif request in BAD:
        wrong.append((request, our, [b"-"]))
    elif bytes.fromhex(our[1].decode()) not in known or max(bytes.fromhex(our[2].decode())) > 127:
        others += 1
    else:
        taken.append((request[:int(our[0])], our))
theirs = read(["node", os.path.join(HERE, "read-heads.mjs")], [request for request, _ in taken])
assert len(taken) == len(theirs), (len(taken), len(theirs))
# Node takes blanks around a length, and no tabs, which RFC 9110 allows as well.
again = [i for i, node in enumerate(theirs) if node[0] == b"refused" and "\t" in taken[i][0].partition("\r\n\r\n")[0]]
blank = [head.replace("\t", " ") + "\r\n\r\n" + body
         for head, _, body in (taken[i][0].partition("\r\n\r\n") for i in again)]
for i, node in zip(again, read(["node", os.path.join(HERE, "read-heads.mjs")], blank)):
    theirs[i] = node
for node in theirs:
    if len(node) > 2:
        node[2] = path_of(node[2])
wrong += [(request, our, node) for (request, our), node in zip(taken, theirs) if our[1:] != node[1:]]

print("%d requests, %d taken, %d more that Node need not take" % (len(requests), len(taken), others))
for request, our, node in wrong[:20]:
    print("%r\n  here: %s\n  node: %s" % (request, b" ".join(our).decode(), b" ".join(node).decode()))
print("%d are read differently" % len(wrong))
sys.exit(len(wrong) > 0)

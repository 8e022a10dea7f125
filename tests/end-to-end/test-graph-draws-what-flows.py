# SPDX-License-Identifier: MIT
"""`ingestlayer graph` draws a config: as SVG that holds everything, nothing over
anything else; in Graphviz's language; in words.  Where the daemon runs it says how
fast events flow and how far lanes are behind; secrets are nowhere."""
import json
import os
import re
import shutil
import subprocess
import threading
import xml.etree.ElementTree

from gate import HEAD, Gate, contains, equal, eventually
from servers import PATIENCE
from terminal import Terminal

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
COMMAND = os.path.join(BUILD, "ingestlayer")
CONF = HEAD.split("sources")[0] + """
plugin_dir = ( "BUILD/tests" );
http = { listen = "env:GATE"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); },
            { name = "hooks"; plugin = "sdk.event"; keys = ( { key = "sesame-of-the-file"; } ); } );
pipelines = (
  { name = "usage";
    sources = ( { source = "app"; match = "feature.used"; }, { source = "hooks"; match = "a.*"; },
                { source = "hooks"; match = "b.*"; } );
    steps = ( { plugin = "filter.match"; where = "feature in {export, *.export, \\"<api>\\", \\"&\\", and.more, of.them}"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = ( { name = "alerts"; plugin = "destination.null"; when = "plan == \\"a<b&c\\" and n < 3";
                       steps = ( { plugin = "filter.match"; where = "n > 1"; } ); },
                     { name = "rows"; plugin = "destination.null"; } ); },
  { name = "raw"; status = "paused"; sources = ( { source = "app"; } ); destinations = ( { plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD)
PARTS = ["app", "hooks", "filter.match", "enrich.entity", "filter.match", "alerts", "rows", "destination.null"]


def boxes(svg):
    """(x, y, width, height) of what is drawn as a box."""
    found = [e for e in svg.iter("{http://www.w3.org/2000/svg}rect") if e.get("class").startswith("box")]
    return [tuple(int(e.get(k)) for k in ("x", "y", "width", "height")) for e in found]


def check_svg(text, parts):
    svg = xml.etree.ElementTree.fromstring(text)
    _, _, width, height = (int(n) for n in svg.get("viewBox").split())
    found = boxes(svg)
    equal(len(found), len(parts), "boxes")
    titles = sorted(e.text.split(" ")[0] for e in svg.iter("{http://www.w3.org/2000/svg}title"))
    equal(titles, sorted(parts), "what they are")
    for i, (x, y, w, h) in enumerate(found):
        equal(0 <= x and 0 <= y and x + w <= width and y + h <= height, True, "box %d is in the picture" % i)
        for x2, y2, w2, h2 in found[:i]:
            equal(x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h, True, "box %d is over another" % i)
    return "\n".join(e.text for e in svg.iter("{http://www.w3.org/2000/svg}text"))


with Gate(CONF) as g:
    def run(*args, code=0, **kind):
        r = subprocess.run([COMMAND, "graph", *args], env=g.daemon.env, capture_output=True, timeout=60 * PATIENCE, **kind)
        equal(r.returncode, code, "exit code of graph %s: %s" % (args, r.stderr.decode()))
        if b"sesame" in r.stdout + r.stderr or g.daemon.env["KEY"].encode() in r.stdout:
            raise AssertionError("a secret is shown: %r" % r.stdout)
        return r.stdout.decode(), r.stderr.decode()

    # drawn, and nothing asked
    words = check_svg(run("-c", g.conf, "--still")[0], PARTS)
    for part in ("feature.used", "a.*, b.*", 'plan == "a<b&c" and n <\u2026', "usage", "paused"):
        contains(words, part, "the picture's words")
    equal("/s" in words, False, "rates though nobody was asked")
    dot = run("-c", g.conf, "--still", "--dot")[0]
    contains(dot, '[label="plan == \\"a<b&c\\" and n < 3"]', "for Graphviz")
    if shutil.which("dot"):
        plain = subprocess.run(["dot", "-Tplain"], input=dot.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
        equal((plain.count("\nnode "), plain.count("\nedge ")), (len(PARTS) + 2, 9), "what Graphviz reads: " + plain)
    words = run("-c", g.conf, "--still", "--text")[0]
    for line in ("source  hooks (sdk.event)", "  from  hooks: a.*, b.*", "  to    rows (destination.null)",
                 '          when plan == "a<b&c" and n < 3', "          step filter.match: where = n > 1", "raw (paused)"):
        equal(line in words.split("\n"), True, "%r in %s" % (line, words))
    t = Terminal([COMMAND, "graph", "-c", g.conf, "--still"], g.daemon.env, columns=200, stderr=subprocess.DEVNULL)
    equal((t.ends(), t.text.replace("\r", "")), (0, words), "on a terminal")
    t.close()

    # how it fares
    ends = threading.Event()

    def send():
        lines = b'{"type":"feature.used","payload":{"feature":"export","n":5,"plan":"pro","user_id":"u"}}\n' * 100
        while not ends.wait(0.05):
            g.daemon.command("emit", "-c", g.conf, "--source", "app", input=lines)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        status = lambda: json.loads(g.daemon.command("status", "-c", g.conf, "--json").stdout)
        eventually(lambda: status()["sources"][0]["accepted"] > 300, "events come")
        words = run("-c", g.conf, "--text")[0]
        rates = {name: float(n) for name, n in re.findall(r"^(?:source|  to)\s+(\w+) .*\[running ([\d.]+)/s", words, re.M)}
        equal(rates["app"] > 50 and rates["rows"] > 50 and rates["hooks"] == 0 and rates["alerts"] == 0, True, words)
        equal(bool(re.search(r"destination.null  \[paused 0/s, \d+ behind( \([\d.]+[smh]\))?\]", words)), True, words)
        contains(check_svg(run("-c", g.conf)[0], PARTS), "running ", "the picture with rates")
        contains(run("-c", g.conf, "--dot")[0], 'color="#2e7d32"', "for Graphviz, with colors")
        equal(len(run("-s", g.path("state"), "--text")[0].split("\n")), len(words.split("\n")), "of the daemon")

        # what the files say now and the daemon does not do yet
        with open(g.conf, "r+") as f:
            text = f.read().replace('name = "rows";', 'name = "new";')
            f.seek(0)
            f.write(text)
        contains(run("-c", g.conf, "--text")[0], "new (destination.null)  [not in the running config]", "a new one")
        words = run("--running", "-c", g.conf, "--text")[0]
        contains(words, "rows (destination.null)  [running", "of the daemon, whatever the files say")
    finally:
        ends.set()
        sender.join()

    # what is wrong is said, and the rest is drawn
    with open(g.path("wrong.conf"), "w") as f:
        f.write(open(g.conf).read().replace('plugin = "enrich.entity"', 'plugin = "enrich.nothing"'))
    out, said = run("-c", g.path("wrong.conf"), "--still", code=1)
    contains(said, "enrich.nothing", "what is wrong")
    check_svg(out, [p.replace("enrich.entity", "enrich.nothing").replace("rows", "new") for p in PARTS])
    with open(g.path("least.conf"), "w") as f:
        f.write("")
    check_svg(run("-c", g.path("least.conf"))[0], [])
    equal(run("-c", g.path("none.conf"), code=1)[0], "", "of no file")
    contains(run("more", code=2)[1], "unexpected argument", "one too many")
    equal(g.daemon.stop(), 0, "its exit code")
    equal("/s" in run("-c", g.conf, "--text")[0], False, "without a daemon")
    contains(run("--running", "-c", g.conf, code=1)[1], "no daemon runs", "of a daemon that does not run")

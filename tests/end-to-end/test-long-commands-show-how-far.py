# SPDX-License-Identifier: MIT
"""Commands that take long show on a terminal how far they are and how long it will
take, in one line that is gone afterwards, and nothing of that elsewhere.  Ctrl-C
ends them; what was done stays, and they say where to go on: done in two pieces, an
import, an export, a verify or what emit sends is the same as in one."""
import json
import os
import re
import signal
import subprocess
import time

from gate import HEAD, Gate, contains, equal, eventually
from servers import PATIENCE
from terminal import Terminal

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
COMMAND = os.path.join(BUILD, "ingestlayer")
ROWS = 2000000
EVENTS = 200000
FRAMES = EVENTS + 3 + 3  # three of them twice
CONF = HEAD + """
plugin_dir = ( "BUILD/tests" );
http = { listen = "env:GATE"; };
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "t.x"; } );
                destinations = ( { name = "d"; plugin = "destination.null"; } ); },
              { name = "q"; sources = ( { source = "app"; match = "t.refused"; } );
                destinations = ( { name = "d"; plugin = "destination.null"; refuse_while = "%(base)s/refuse"; } ); } );
""".replace("BUILD", BUILD)


def lines_of(text):
    """The progress lines, in order."""
    return re.findall(r"\r([^\r\x1b]+)\x1b\[K", text)


def last_line_is_gone(text):
    at = [m.end() for m in re.finditer(r"\r[^\r\x1b]+\x1b\[K", text)]
    return not at or text[at[-1]:].startswith("\r\x1b[K")


with Gate(CONF) as g:
    def run(*args, code=0, **kind):
        r = subprocess.run([COMMAND, *args], env=g.daemon.env, capture_output=True, timeout=300 * PATIENCE, **kind)
        equal(r.returncode, code, "exit code of %s: %s" % (args, r.stderr.decode()))
        return r.stdout.decode(), r.stderr.decode()

    def shown(t, pattern):
        """A progress line comes that is like that."""
        def comes():
            found = [line for line in lines_of(t.read()) if re.search(pattern, line)]
            return found or t.proc.poll() is not None
        eventually(comes, "a line like " + pattern, 120)
        if t.proc.poll() is not None and not re.search(pattern, "\n".join(lines_of(t.text))):
            raise AssertionError("%r ended without a line like %s: %r" % (t.proc.args, pattern, t.text))

    # --- import ---
    table = g.path("users.csv")
    with open(table, "w") as f:
        f.write("id,name\n")
        f.writelines("u%07d,somebody who has some name\n" % i for i in range(ROWS))
    other = g.path("other")
    t = Terminal([COMMAND, "entity", "import", "--state-dir", other, table], g.daemon.env)
    shown(t, r"^import  [\d.]+ MiB of \d+ MiB  \d+ %  [\d.]+ [KM]iB/s  [\d.]+[smh] left$")
    t.proc.send_signal(signal.SIGINT)
    equal(t.ends(), 1, "an import that is interrupted")
    equal(last_line_is_gone(t.text), True, "its line: %r" % t.text[-500:])
    done, line, nxt = [int(n) for n in re.search(
        r"imported (\d+) \(.*interrupted behind line (\d+); go on with --from-line (\d+)", t.text, re.S).groups()]
    equal((done + 1, line + 1), (line, nxt), "how far: %r" % t.text[-300:])
    equal(1000 < done < ROWS, True, "how many")
    t.close()
    out, err = run("entity", "import", "--state-dir", other, "--json", "--from-line", str(nxt), table)
    equal((json.loads(out), err), ({"imported": ROWS - done, "new": ROWS - done, "merged": 0, "refused": 0,
                                    "line": ROWS + 1, "interrupted": False}, ""), "the rest, in a pipe")
    t = Terminal([COMMAND, "entity", "import", "--state-dir", other, "-"], g.daemon.env, stdin=subprocess.PIPE)
    t.proc.stdin.write(b"id,name\nx1,a\nx2,b\n\xff,c\n")
    t.proc.stdin.flush()
    eventually(lambda: ":4: " in t.read(), "what is wrong is said")
    t.proc.send_signal(signal.SIGTERM)
    equal(t.ends(), 1, "one that waits for more")
    contains(t.text, "imported 2 (2 new", "what it has read is in")
    contains(t.text, "--from-line 5", "where to go on")
    t.close()

    # --- emit ---
    events = g.path("events.ndjson")
    with open(events, "w") as f:
        f.writelines('{"type":"t.x","id":"e%07d","payload":{"n":%d}}\n' % (i, i) for i in range(EVENTS))
    with open(events, "rb") as given, open(g.path("answers"), "wb") as answers:
        t = Terminal([COMMAND, "emit", "-c", g.conf], g.daemon.env, stdin=given, stdout=answers)
        # held up, as otherwise it may be over before there is anything to show
        eventually(lambda: answers.seek(0, 2), "it is at it")
        t.proc.send_signal(signal.SIGSTOP)
        time.sleep(0.6)
        until = time.monotonic() + 60
        while not lines_of(t.read(0)) and time.monotonic() < until:
            t.proc.send_signal(signal.SIGCONT)
            time.sleep(0.02)
            t.proc.send_signal(signal.SIGSTOP)
        t.proc.send_signal(signal.SIGINT)
        t.proc.send_signal(signal.SIGCONT)
        equal(t.ends(), 1, "emit that is interrupted")
        contains("\n".join(lines_of(t.text)), " MiB  ", "how far it is")
        equal(bool(re.match(r"emit  [\d.]+ [KM]?i?B of [\d.]+ MiB  \d+ %", lines_of(t.text)[0])), True, t.text)
    sent, nxt = [int(n) for n in re.search(r"interrupted; (\d+) lines are sent, go on with line (\d+)", t.text).groups()]
    t.close()
    with open(g.path("answers")) as f:
        equal((len(f.readlines()), sent + 1), (sent, nxt), "what was answered for")
    out, err = run("emit", "-c", g.conf, input=subprocess.run(["tail", "-n", "+%d" % nxt, events], check=True,
                                                               stdout=subprocess.PIPE).stdout)
    equal((out.count("accepted"), err), (EVENTS - sent, ""), "the rest of it, each once")

    # --- what is to be delivered after all ---
    open(g.path("refuse"), "w").close()
    run("emit", "-c", g.conf, input=b'{"type":"t.refused","payload":{}}\n' * 3)
    eventually(lambda: run("dead", "list", "-c", g.conf, "q/d")[0].count("q/d") >= 3, "dead letters")
    os.unlink(g.path("refuse"))
    run("lane", "pause", "-c", g.conf, "q/d")
    t = Terminal([COMMAND, "dead", "retry", "-c", g.conf, "--wait", "--all", "q/d"], g.daemon.env)
    shown(t, r"^retry  0 of 3 events  0 %$")
    t.proc.send_signal(signal.SIGINT)
    equal(t.ends(), 1, "a wait that is interrupted")
    contains(t.text, "settled 0, dead letters again 0, still on their way 3", "how far it is")
    t.close()
    run("lane", "resume", "-c", g.conf, "q/d")
    eventually(lambda: "q/d" not in run("dead", "list", "-c", g.conf)[0], "they are delivered")

    # --- a job of the daemon ---
    with open(g.conf, "r+") as f:
        text = f.read().replace('name = "d";', 'name = "d"; batch = { events = 77; };')
        f.seek(0)
        f.write(text)
    t = Terminal([COMMAND, "reload", "-c", g.conf], g.daemon.env)
    shown(t, r"^reload  \d+ of 10 seconds  \d+ %")
    job = json.loads(run("status", "-c", g.conf, "--json")[0])["jobs"][0]
    equal((job["kind"], job["cancelled"], job["progress"]["total"], job["progress"]["unit"]),
          ("reload", False, 10, "seconds"), "the job")
    equal(bool(re.search(r"^job %s: reload, for [\d.]+s, \d of 10 seconds$" % job["id"], run("status", "-c", g.conf)[0],
                         re.M)), True, "the job, for people")
    t.proc.send_signal(signal.SIGINT)
    equal(t.ends(), 1, "a reload that nobody waits for")
    contains(t.text, "interrupted", "which is said")
    equal(last_line_is_gone(t.text), True, "its line: %r" % t.text[-500:])
    t.close()
    run("status", "-c", g.conf)
    equal(g.daemon.stop(), 0, "its exit code")

    # --- export, through a pipe that is read slowly ---
    whole = run("spool", "export", "-c", g.conf)[0]
    equal(whole.count("\n"), FRAMES, "an export in one piece")
    t = Terminal([COMMAND, "spool", "export", "-c", g.conf], g.daemon.env, stdout=subprocess.PIPE)
    got = b""
    while not lines_of(t.read(0)):
        got += os.read(t.proc.stdout.fileno(), 65536)
        time.sleep(0.01)
    contains(lines_of(t.text)[0], " of 200,006 events  ", "export")
    t.proc.send_signal(signal.SIGINT)
    got += t.proc.stdout.read()
    equal(t.ends(), 1, "an export that is interrupted")
    nxt = int(re.search(r"interrupted behind position \d+; go on with export --from (\d+)", t.text).group(1))
    rest = run("spool", "export", "-c", g.conf, "--from", str(nxt))[0]
    equal(got.decode() + rest == whole, True, "an export in two pieces: %d of %d" % (got.count(b"\n"), FRAMES))
    t.close()

    # --- verify and inspect, which are stopped so that they take long ---
    def held(*verb):
        for attempt in range(40):
            t = Terminal([COMMAND, *verb, "-c", g.conf], g.daemon.env)
            time.sleep(0.005 * (attempt % 20) * PATIENCE)
            t.proc.send_signal(signal.SIGSTOP)
            time.sleep(0.6)
            t.proc.send_signal(signal.SIGCONT)
            if attempt % 2:
                t.proc.send_signal(signal.SIGINT)
            code = t.ends()
            t.close()
            yield code, t.text

    counted = {}
    looks = {"verify": ("spool", "verify"), "inspect": ("spool", "inspect"), "why": ("why", "--where", "n < 0")}
    for verb, args in looks.items():
        drawn = interrupted = None
        for code, text in held(*args):
            if lines_of(text):
                drawn = text
                equal(last_line_is_gone(text), True, "its line: %r" % text)
            if "interrupted" in text:
                interrupted = text
                equal(code, 1, "its exit code")
            if drawn and interrupted:
                break
        if not drawn or not interrupted:
            raise AssertionError("%s is over before it can be stopped: %r %r" % (verb, drawn, interrupted))
        contains(lines_of(drawn)[0], " of 200,006 events  ", verb)
        counted[verb] = interrupted
    first = int(re.search(r"(\d+) events, ", counted["verify"]).group(1))
    nxt = re.search(r"go on with verify --from (\d+)", counted["verify"]).group(1)
    rest = json.loads(run("spool", "verify", "-c", g.conf, "--from", nxt, "--json")[0])
    equal((first + rest["events"], rest["damaged"]), (FRAMES, 0), "a verify in two pieces")
    equal(json.loads(run("spool", "verify", "-c", g.conf, "--json")[0])["events"], FRAMES, "a verify in one piece")
    segments = [json.loads(line) for line in run("spool", "inspect", "-c", g.conf, "--json")[0].splitlines()]
    equal(sum(s["events"] for s in segments), FRAMES, "what inspect counts")
    first = int(re.findall(r"^\d+\.seg +\d+ +\d+ +(\d+) ", counted["inspect"], re.M)[-1])
    nxt = re.search(r"go on with inspect --from (\d+)", counted["inspect"]).group(1)
    rest = [json.loads(line) for line in run("spool", "inspect", "-c", g.conf, "--from", nxt, "--json")[0].splitlines()]
    equal((rest[0]["first"], first + sum(s["events"] for s in rest)), (int(nxt), FRAMES), "an inspect in two pieces")

    for args in (("spool", "verify", "--from", "x"), ("entity", "import", "--from-line", "0", table)):
        run(*args, code=2)

# SPDX-License-Identifier: MIT
"""`ingestlayer config` prints what counts: all files and all defaults, each value
with its place, secrets left out.  What it prints is a config that says the same;
of the running daemon it is what that has read, whatever the files say now."""
import glob
import json
import os
import re
import subprocess

from gate import HEAD, Gate, contains, equal

BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
SRC = os.path.abspath(os.environ.get("IL_SRCDIR", "."))
CONF = HEAD.split("sources")[0] + """
plugin_dir = ( "BUILD/tests" );
include_dir = "more";
http = { listen = "env:GATE"; };
idempotency = { max_keys = 3000000000L; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); },
            { name = "old"; plugin = "sdk.event";
              keys = ( { key = "sesame-of-the-file"; id = "plain"; }, "file:key" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; host = { when = "s == \\"ab\\""; }; } ); } );
""".replace("BUILD", BUILD)
MORE = """
events = ( { type = "t.x"; fields = ( { name = "n"; type = "number"; enum = ( 1, 2 ); min = 0.5; },
             { name = "s"; type = "string"; } ); } );
"""


def files(g):
    os.mkdir(g.path("more"))
    with open(g.path("more/10-events.conf"), "w") as f:
        f.write(MORE)
    with open(g.path("key"), "w") as f:
        f.write("sesame-of-another-file\n")
    os.chmod(g.path("key"), 0o600)


def bare(value):
    """Without where each value stands."""
    if isinstance(value, list):
        return [bare(v) for v in value]
    if set(value) <= {"value", "hidden", "at", "default"} and ("at" in value or "default" in value):
        return value.get("value", "(hidden)")
    return {k: bare(v) for k, v in value.items() if k != "include_dir"}


with Gate(CONF, files=files) as g:
    env = dict(os.environ, KEY="sesame-of-the-env", GATE="127.0.0.1:%d" % g.daemon.gate,
               ADMIN="127.0.0.1:%d" % g.daemon.admin, INGESTLAYER_KEY="sesame-k", DATABASE_URL="sesame-d",
               HOOK_URL="https://sesame/x", HOOK_SECRET="sesame-sesame-sesame-sesame")

    def run(*args, code=0):
        r = subprocess.run([os.path.join(BUILD, "ingestlayer"), "config", *args], env=env, capture_output=True)
        out, err = r.stdout.decode(), r.stderr.decode()
        equal(r.returncode, code, "exit code of config %s: %s%s" % (args, out, err))
        if "sesame" in out + err or env["GATE"] in out + err:
            raise AssertionError("a secret is shown: " + out + err)
        return out, err

    text, said = run("-c", g.conf)
    here = re.escape(g.conf)
    for line in (r'    "env:GATE"  # %s:\d+' % here, r'  threads = 1;  # default', r'  max_keys = 3000000000L;  # %s:\d+' % here,
                 r'# include_dir = "more";  # %s:\d+' % here, r'            min = 0.5;  # %s:2' % re.escape(g.path("more/10-events.conf")),
                 r'            1,  # .*', r'        key = "\(hidden\)";  # %s:\d+' % here, r'        key = "file:%s";  # .*' % re.escape(g.path("key")),
                 r'          when = "s == \\"ab\\"";  # %s:\d+' % here):
        # however deep it stands
        if not re.search("^ *" + line.strip() + "$", text, re.M):
            raise AssertionError("no line %r in\n%s" % (line, text))

    # it says the same again
    shown = json.loads(run("-c", g.conf, "--json")[0])
    equal(shown["http"]["threads"], {"value": 1, "default": True}, "a default")
    equal(shown["pipelines"][0]["destinations"][0]["host"]["when"]["value"], 's == "ab"', "what yields to the plugin")
    key = shown["sources"][1]["keys"][0]["key"]
    equal((key["hidden"], key["at"].startswith(g.conf)), (True, True), "a secret")
    with open(g.path("again.conf"), "w") as f:
        f.write(text)
    equal(bare(json.loads(run("-c", g.path("again.conf"), "--json")[0])), bare(shown), "what it says again")
    for recipe in sorted(glob.glob(os.path.join(SRC, "conf", "recipes", "*.conf"))):
        r = subprocess.run([os.path.join(BUILD, "ingestlayer"), "config", "-c", recipe], env=env, capture_output=True)
        with open(g.path("recipe.conf"), "wb") as f:
            f.write(r.stdout)
        pair = [subprocess.run([os.path.join(BUILD, "ingestlayer"), "config", "--json", "-c", path], env=env,
                               capture_output=True).stdout for path in (recipe, g.path("recipe.conf"))]
        equal(bare(json.loads(pair[1])), bare(json.loads(pair[0])), recipe)

    # what looks like a secret, though it is in no option that is one
    with open(g.path("out.conf"), "w") as f:
        f.write("""state_dir = "/nowhere"; sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
            pipelines = ( { name = "p"; sources = ( { source = "app"; } ); destinations = (
                { name = "a"; plugin = "webhook.out"; url = "https://who:sesame@far.example/x"; },
                { name = "b"; plugin = "webhook.out"; url = "https://far.example/x?a=1&api_key=sesame"; },
                { name = "c"; plugin = "webhook.out"; url = "https://far.example:8443/x?a=@";
                  headers = ( { name = "Authorization"; value = "sesame"; }, { name = "X-Some"; value = "Bearer sesame"; },
                              { name = "X-Api-Key"; value = "sesame"; }, { name = "X-Kind"; value = "plain"; } ); } ); } );""")
    if "webhook.out" not in subprocess.run([os.path.join(BUILD, "ingestlayer"), "plugins"],
                                           capture_output=True).stdout.decode():
        print("webhook.out is left out")
    else:
        odd, said = run("-c", g.path("out.conf"))
        equal(odd.count("(hidden)"), 5, odd + said)
        for part in ("https://far.example:8443/x?a=@", '"plain"'):
            contains(odd, part, "what is none")

    # what the daemon has read
    equal(run("--running", "-c", g.conf)[0], text, "of the daemon")
    with open(g.conf, "a") as f:
        f.write('drain = "7s";\n')
    contains(run("-c", g.conf)[0], 'drain = "7s";', "of the files")
    equal(run("--running", "-c", g.conf)[0], text, "of the daemon still")
    equal(run("-s", g.path("state"))[0], text, "without a config")
    equal(json.loads(run("-s", g.path("state"), "--json")[0]), shown, "of the daemon, as JSON")
    code, body, status = g.curl("http://127.0.0.1:%d/v1/config" % g.daemon.admin)
    equal((code, status), (0, 404), "by the admin listener, which asks for no key")
    equal(g.daemon.command("reload", "-c", g.conf).returncode, 0, "reload")
    contains(run("--running", "-c", g.conf)[0], 'drain = "7s";', "of the daemon then")

    # what is wrong is said, and the rest is shown
    with open(g.conf, "a") as f:
        f.write('log_level = "loud";\n')
    out, said = run("-c", g.conf, code=1)
    contains(said, '"loud" is not one of', "what is wrong")
    contains(out, 'drain = "7s";', "what could be read")
    out, said = run("-c", g.path("nowhere.conf"), code=1)
    equal(out, "", "of no file")
    contains(said, "nowhere.conf", "which file")
    with open(g.path("broken.conf"), "w") as f:
        f.write("http = {")
    equal(run("-c", g.path("broken.conf"), code=1)[0], "", "of what cannot be parsed")
    contains(run("here", code=2)[1], 'unexpected argument "here"', "one too many")
    run("--loud", code=2)
    equal(g.daemon.stop(), 0, "its exit code")
    contains(run("--running", "-s", g.path("state"), code=1)[1], "no daemon runs", "without a daemon")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual has every option and no other, quotes the smallest config, and
each of its examples loads."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

source, build = os.environ["IL_SRCDIR"], os.environ["IL_BUILDDIR"]
here = os.path.join(source, "plugins", "webhook.out")
il = os.path.join(build, "ingestlayer")
env = dict(os.environ)


def run(*args):
    return subprocess.run([il, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


dump = run("plugins", "--dump", "webhook.out").stdout
options = set(re.findall(r"^option\.(?:[a-z_0-9]+\.)?([a-z_0-9]+)\.type=", dump, re.M)) - {"name", "value"}
with open(os.path.join(here, "webhook.out.5"), encoding="utf-8") as f:
    manual = f.read()
described = set(re.findall(r"^\.It Cm (\S+)$", manual, re.M))
assert len(options) > 25 and options == described, (options ^ described)
for name, default in re.findall(r"^option\.([a-z_0-9]+)\.default=(.+)$", dump, re.M):
    text = manual.split(".It Cm %s\n" % name, 1)[1].split("\n.It Cm", 1)[0]
    assert default in text.replace(",000", "000"), "the manual does not say that %s is %s" % (name, default)

with open(os.path.join(here, "webhook.out.conf"), encoding="utf-8") as f:
    smallest = [line.strip() for line in f if not line.startswith("#")]
for line in smallest:
    assert line in manual, line

dir = tempfile.mkdtemp()
try:
    for name in ("whsec", "crm_token"):
        with open(os.path.join(dir, name), "w") as f:
            f.write("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    env["CREDENTIALS_DIRECTORY"] = dir
    os.chmod(dir, 0o700)
    if "enrich.entity" not in run("plugins").stdout:
        print("skipped: enrich.entity was not built")
        sys.exit(77)
    examples = re.findall(r"^ *(\{ plugin = \"webhook\.out\";.*?\})(?=\n(?:\);|\.Ed))", manual, re.M | re.S)
    assert len(examples) == 4, examples
    for example in examples:
        conf = os.path.join(dir, "conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("""state_dir = "%s/state"; http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
                sources = ( { name = "s"; plugin = "source.list"; events = ( { type = "a"; } ); } );
                pipelines = ( { name = "p"; sources = ( { source = "s"; match = "*"; } );
                  steps = ( { plugin = "enrich.entity"; kind = "account"; key = "$event.payload.account_id"; },
                            { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
                  destinations = ( %s ); } );
                """ % (dir, example.replace("\\e", "\\")))
        got = run("check", "-c", conf)
        assert got.returncode == 0, example + "\n" + got.stdout
finally:
    shutil.rmtree(dir)
sys.exit(0)

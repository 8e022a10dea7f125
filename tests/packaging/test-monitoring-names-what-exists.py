#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each metric, label and value that an alert or the dashboard asks for is one
that the daemon exports; promtool, where it is, finds nothing wrong either."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import servers

SRC = os.environ["IL_SRCDIR"]
ALERTS = os.path.join(SRC, "conf/monitoring/alerts.yml")
DASHBOARD = os.path.join(SRC, "conf/monitoring/dashboard.json")
# What Prometheus itself makes or puts on every series.
PROMETHEUS_LABELS = {"job", "instance"}

CONF = """
state_dir = "%(dir)s/state";
http = { listen = "%(gate)s"; tls = { certificate = "%(dir)s/cert.pem"; key = "%(dir)s/key.pem"; }; };
admin = { listen = "%(admin)s"; };
sources = ( { name = "s"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "p"; sources = ( { source = "s"; } );
    steps = ( { plugin = "filter.match"; where = "a == 1"; } );
    destinations = ( { plugin = "destination.null"; },
                     { plugin = "destination.each"; out = "%(dir)s/out"; plan = "%(dir)s/plan"; },
                     { plugin = "webhook.out"; url = "http://127.0.0.1:9/"; } ); }
);
"""


def exported():
    """name -> label -> values"""
    with tempfile.TemporaryDirectory() as dir:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=localhost", "-days", "9", "-keyout", dir + "/key.pem",
                        "-out", dir + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
        conf = dir + "/a.conf"
        d = servers.Daemon(dir, conf, {"KEY": "of-the-test-0123456789abcdef0123"})
        with open(conf, "w") as f:
            f.write(CONF % {"dir": dir, "gate": d.env["GATE"], "admin": d.env["ADMIN"]})
        d.start()
        with urllib.request.urlopen("http://%s/metrics" % d.env["ADMIN"]) as r:
            text = r.read().decode()
        d.stop()
    found = {"up": {}}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.M):
        of = found.setdefault(name, {})
        for key, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
            of.setdefault(key, set()).add(value)
    return found


def asked():
    """(where, expression, labels its text shows)"""
    with open(ALERTS) as f:
        text = f.read()
    for part in text.split("- alert: ")[1:]:
        name = part.split()[0]
        expr = re.search(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", part)
        yield "alert " + name, expr.group(1) or expr.group(2), set(re.findall(r"\$labels\.(\w+)", part))
    with open(DASHBOARD) as f:
        board = json.load(f)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield ("panel " + panel["title"], target["expr"],
                   set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])))
    for variable in board["templating"]["list"]:
        if "definition" in variable:
            yield "variable " + variable["name"], variable["definition"], set()


def wrong(where, expr, shown, found):
    names = re.findall(r"\b((?:ingestlayer|process)_\w+|up)\b", re.sub(r'"[^"]*"', '""', expr))
    if not names:
        yield "%s: no metric in %s" % (where, expr)
    labels = set(PROMETHEUS_LABELS)
    for name in names:
        if name not in found:
            yield "%s: the daemon has no %s" % (where, name)
        labels |= set(found.get(name, {}))
    for name, selectors in re.findall(r"(\w+)\{([^}]*)\}", expr):
        for label, op, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selectors):
            if label in PROMETHEUS_LABELS:
                continue
            has = found.get(name, {}).get(label, set())
            for one in value.split("|"):
                if one not in has:
                    yield "%s: %s has no %s=\"%s\"" % (where, name, label, one)
    for by in re.findall(r"by \(([^)]*)\)", expr):
        shown = shown | {word.strip() for word in by.split(",")}
    for label in sorted(shown - labels):
        yield "%s: none of %s has the label %s" % (where, ", ".join(names), label)


def promtool():
    if not shutil.which("promtool"):
        print("promtool is not there: the rules were not tried")
        return 0
    with tempfile.TemporaryDirectory() as dir:
        test = os.path.join(dir, "test.yml")
        with open(os.path.join(SRC, "tests/packaging/alerts.test.yml")) as f:
            text = f.read().replace("RULES", ALERTS)
        with open(test, "w") as f:
            f.write(text)
        return (subprocess.run(["promtool", "check", "rules", ALERTS]).returncode
                or subprocess.run(["promtool", "test", "rules", test]).returncode)


def main():
    if not shutil.which("openssl"):
        return 77
    why = servers.without_plugin(servers.plugins_of(CONF))
    if why:
        print(why)
        return 77
    found, count, status = exported(), 0, 0
    for where, expr, shown in asked():
        count += 1
        for line in wrong(where, expr, shown, found):
            print(line)
            status = 1
    if count < 30:
        print("expected alerts and panels, found %d" % count)
        status = 1
    # Prometheus would rename these to exported_job and exported_instance.
    for name, labels in found.items():
        if name.startswith("ingestlayer_") and PROMETHEUS_LABELS & set(labels):
            print("%s has a label that Prometheus sets itself" % name)
            status = 1
    return status or (1 if promtool() else 0)


sys.exit(main())

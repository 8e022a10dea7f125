#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every option that a command's --help names is where the manual describes
that command, with the same letter, and every option there is in a --help."""
import os
import re
import subprocess
import sys

program = os.path.join(os.environ["IL_BUILDDIR"], "ingestlayer")
with open(os.path.join(os.environ["IL_SRCDIR"], "core", "ingestlayer.1"),
          encoding="utf-8") as f:
    lines = f.read().split("\n")


def ask(*words):
    return subprocess.run([program, *words], check=True, capture_output=True,
                          text=True).stdout


# What is described of a command: its items among the commands, however many,
# and the section that is its own.
SECTIONS = {"dead": "Dead letters", "lane": "Lanes", "tap": "Events as they pass", "why": "Where an event is"}
commands = re.findall(r"^  (\S+)  ", ask("--help"), re.M)
described = {c: "" for c in commands}
general = ""
where, depth = [], 0
section = ""
for line in lines:
    words = line.split()
    if line.startswith((".Sh", ".Ss")):
        section = line[4:].strip('"')
        where = [c for c in commands if SECTIONS.get(c) == section]
        depth = 0
    elif section == "DESCRIPTION":
        depth += line.startswith(".Bl") - line.startswith(".El")
        if line.startswith(".It Cm ") and depth == 1:
            where = [words[2]]
        elif depth == 0:
            where = []
            general += line + "\n"
    for c in where:
        described[c] = described.get(c, "") + line + "\n"

faults = []


def named(text):
    """{long: letter or None}"""
    found = {}
    for macro in re.findall(r"\bFl ((?:[\w-]+ )*?(?:, )?-?[\w-]+(?: , -[\w-]+)?)",
                            text):
        m = re.match(r"(?:(\w) , )?-([\w-]+)", macro)
        if m and (m.group(1) or m.group(2) not in found):
            found[m.group(2)] = m.group(1)
    return found


shared = named(general)
for command in commands:
    have = {**shared, **named(described[command])}
    options = dict((long, letter or None) for letter, long in re.findall(
        r"^  (?:-(\w), |    )--([\w-]+)", ask(command, "--help"), re.M))
    for long, letter in options.items():
        if long not in have:
            faults.append(f"{command}: the manual lacks --{long}")
        elif letter != have[long]:
            faults.append(f"{command}: --{long} is -{letter} by --help, "
                          f"-{have[long]} in the manual")
    for long in named(described[command]):
        if long not in options and long not in shared:
            faults.append(f"{command}: --help lacks --{long}")
if len(commands) < 10 or len(shared) < 2:
    faults.append(f"the manual is not understood: {commands}, {shared}")
print("\n".join(faults))
sys.exit(1 if faults else 0)

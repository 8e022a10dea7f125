#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`--install-deps` installs what `make deb` builds with: each Build-Depends of
debian/control, and the tools that build-aux/deb.sh calls, stand in
build-aux/packages."""
import os
import re
import sys

SRC = os.environ["IL_SRCDIR"]


def read(path):
    with open(os.path.join(SRC, path)) as f:
        return f.read()


rows = [line.split() for line in read("build-aux/packages").splitlines() if line and line[0] != "#"]
packages = {row[0] for row in rows}
commands = {row[1] for row in rows}

field = re.search(r"^Build-Depends:\n((?: .*\n)+)", read("debian/control"), re.M).group(1)
wanted = {re.match(r"[a-z0-9.+-]+", word.strip()).group(0) for word in field.split(",") if word.strip()}
# debhelper is asked for by its level and by what it provides.
wanted = {"debhelper" if re.match(r"debhelper-compat$|dh-sequence-", name) else name for name in wanted}
tools = set(re.search(r"^for tool in (.*); do", read("build-aux/deb.sh"), re.M).group(1).split())

missing = sorted(wanted - packages) + sorted(tools - commands)
for name in missing:
    print(f"build-aux/packages: {name} is missing, which `make deb` needs")
sys.exit(1 if missing else 0)

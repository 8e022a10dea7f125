# SPDX-License-Identifier: MIT
"""The rooms of core/, as CONTRIBUTING.md tells them."""
import os
import re

SRC = os.environ.get("IL_SRCDIR", ".")


def contributing():
    with open(os.path.join(SRC, "CONTRIBUTING.md"), encoding="utf-8") as f:
        return f.read()


def rooms():
    """Their names, from the one that needs nobody to the one that needs all."""
    return re.findall(r"^    [┌│▼] (\w+) ·+ \S", contributing(), re.M)


def words():
    """Word that globals begin with -> the room that it belongs to."""
    of = {room: room for room in rooms()}
    table = contributing().split("| room | words |", 1)[1]
    for room, line in re.findall(r"^\| (\w+) \| ([a-z0-9_ ]+) \|$", table, re.M):
        for word in line.split():
            assert word not in of, f"{word}: in two rows of the table"
            of[word] = room
    return of


def sources(folder="core"):
    """Paths below SRC of all C files of a folder, in order."""
    found = []
    for at, _, names in os.walk(os.path.join(SRC, folder)):
        found += [os.path.relpath(os.path.join(at, name), SRC)
                  for name in names if name.endswith((".c", ".h"))]
    return sorted(found)

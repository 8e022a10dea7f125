#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A room of core/ includes only rooms below it, and nobody's private headers;
a plugin includes nothing of core; each room's private.h opens with how the room
works."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rooms  # noqa: E402

ORDER = rooms.rooms()
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def wrong_in_core(path, text):
    room = path.split("/")[1]
    for name in INCLUDE.findall(text):
        if name.startswith(".."):
            yield f"{path}: includes \"{name}\", by its place and not its room"
        elif "/" in name:
            other = name.split("/")[0]
            if other not in ORDER:
                yield f"{path}: includes \"{name}\", which is in no room"
            elif other == room:
                yield f"{path}: names its own room in \"{name}\""
            elif ORDER.index(other) > ORDER.index(room):
                yield (f"{path}: includes \"{name}\", but {room} is below "
                       f"{other} in CONTRIBUTING.md")
            elif "private" in name:
                yield f"{path}: includes \"{name}\", which is private to {other}"


def wrong(path, text):
    parts = path.split("/")
    if parts[0] == "core" and path != "core/main.c":
        if len(parts) != 3 or parts[1] not in ORDER:
            yield f"{path}: stands in no room"
            return
        yield from wrong_in_core(path, text)
    elif parts[0] == "plugins" and "tests" not in parts:
        for name in INCLUDE.findall(text):
            if not os.path.exists(os.path.join(
                    rooms.SRC, os.path.dirname(path), name)):
                yield f"{path}: includes \"{name}\", which is not its own"


def cycles(texts):
    """Headers that include each other, in a circle."""
    graph = {}
    for path, text in texts.items():
        if path.startswith("core/") and path.endswith(".h"):
            here = os.path.dirname(path)
            graph[path] = [os.path.join("core" if "/" in name else here, name)
                           for name in INCLUDE.findall(text)]
    done, found = set(), []

    def walk(node, way):
        if node in way:
            found.append(" -> ".join(way[way.index(node):] + [node]))
            return
        if node in done:
            return
        for other in graph.get(node, []):
            walk(other, way + [node])
        done.add(node)
    for node in graph:
        walk(node, [])
    return found


def main():
    assert len(ORDER) >= 10, f"rooms in CONTRIBUTING.md: {ORDER}"
    texts = {}
    for path in rooms.sources("core") + rooms.sources("plugins"):
        with open(os.path.join(rooms.SRC, path), encoding="utf-8") as f:
            texts[path] = f.read()
    faults = [w for path, text in texts.items() for w in wrong(path, text)]
    faults += cycles(texts)
    folders = {p.split("/")[1] for p in texts if p.startswith("core/")
               and p.count("/") > 1}
    faults += [f"core/{r}: not in CONTRIBUTING.md" for r in folders - set(ORDER)]
    faults += [f"core/{r}/private.h: there is none" for r in ORDER
               if f"core/{r}/private.h" not in texts]
    for path, text in texts.items():
        if path.startswith("core/") and path.endswith("/private.h"):
            opening = re.match(r"/\* SPDX.*?\*/\n/\*(.*?)\*/", text, re.S)
            lines = opening.group(1).count("\n") + 1 if opening else 0
            if not 10 <= lines <= 40:
                faults.append(f"{path}: opens with {lines} lines of how the "
                              "room works; 10 to 30 are wanted")
    print("\n".join(faults))
    probe = list(wrong("core/base/text.c", '#include "gate/gate.h"\n'))
    assert probe, "an include that runs upward was not found"
    return 1 if faults else 0


sys.exit(main())

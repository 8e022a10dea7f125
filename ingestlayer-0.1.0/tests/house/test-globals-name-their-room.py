#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What crosses a file of core/ begins with its room, by nm over the objects of
the library: CONTRIBUTING.md says which words belong to which room."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rooms  # noqa: E402

BUILD = os.environ.get("IL_BUILDDIR", ".")


def room_of(symbol, words):
    """The room of the longest word that the symbol begins with."""
    fitting = [w for w in words if symbol == w or symbol.startswith(w + "_")]
    return words[max(fitting, key=len)] if fitting else None


def objects(room):
    folder = os.path.join(BUILD, "core", room)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.startswith("libcore_a-") and name.endswith(".o")]


def globals_of(path):
    out = subprocess.run(["nm", "-g", "--defined-only", path], text=True,
                         check=True, capture_output=True).stdout
    # Sanitizers and profilers put names of their own beside ours.
    return [s for s in re.findall(r"^\S+ [TDBRVW] (\w+)$", out, re.M)
            if not s.startswith("_")]


def main():
    words = rooms.words()
    faults, seen = [], 0
    for room in rooms.rooms():
        for path in objects(room):
            for symbol in globals_of(path):
                seen += 1
                other = room_of(symbol, words)
                if other != room:
                    faults.append(f"{os.path.relpath(path, BUILD)}: {symbol} "
                                  + (f"begins with a word of {other}" if other
                                     else "begins with no room's word"))
    print("\n".join(faults))
    assert seen > 500, f"only {seen} globals: were the objects found?"
    assert room_of("log_line", words) == "base"
    assert room_of("idem_log_add", words) == "idem"
    assert room_of("frame_pack", words) is None
    return 1 if faults else 0


sys.exit(main())

# SPDX-License-Identifier: MIT
"""RESULTS.md: each bench writes its own section, what people wrote stays."""
import os
import platform
import re
import subprocess

from servers import postgres_bindir


def machine():
    """What this is measured on."""
    version = subprocess.run([os.path.join(postgres_bindir(), "postgres"), "--version"],
                             stdout=subprocess.PIPE).stdout.decode().strip()
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) / (1 << 20)
    return "%s, %d cores, %s, %.0f GiB, %s" % (
        platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()), os.cpu_count(), platform.machine(),
        memory, version)


def replace_section(path, heading, text):
    """Put text under a heading; the section is there already or comes last."""
    with open(path) as f:
        parts = re.split(r"^(?=## )", f.read(), flags=re.M)
    section = heading + "\n" + text + "\n"
    for i, part in enumerate(parts):
        if part.startswith(heading + "\n"):
            parts[i] = section
            break
    else:
        parts.append(section)
    with open(path, "w") as f:
        f.write("".join(parts).rstrip() + "\n")

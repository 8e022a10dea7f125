# SPDX-License-Identifier: MIT
"""Every sentence of ingestlayer-guarantees(7) names the test that shows it;
those tests are there, with those cases."""
import glob
import os
import re
import sys

src = os.environ["IL_SRCDIR"]
with open(os.path.join(src, "core", "ingestlayer-guarantees.7")) as f:
    page = f.read().replace("\\\n", "")
missing, seen = [], 0
for line in re.findall(r"^\.Bq (.*)$", page, re.M):
    for name, case in re.findall(r"([\w./-]*test-[\w.-]+)(?::\s*(\w+))?", line):
        seen += 1
        name = name.rstrip(".")
        found = glob.glob(os.path.join(src, "tests", name)) or glob.glob(
            os.path.join(src, "plugins", "*", "tests", name))
        if not found:
            missing.append(name)
        elif case:
            with open(found[0]) as f:
                if not re.search(r"\((test_)?%s\)" % case, f.read()):
                    missing.append("%s: %s" % (name, case))
if missing or seen < 30:
    print("expected all of %d tests to exist; missing: %s" % (seen, missing))
    sys.exit(1)

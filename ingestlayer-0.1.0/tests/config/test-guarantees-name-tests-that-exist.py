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


def has_case(path, case):
    """A test of Check, or a scenario of the Python files beside its driver."""
    if not path.endswith(".py"):
        with open(path) as f:
            return re.search(r"\((test_)?%s\)" % case, f.read())
    pattern = r"^def %s\(" % case.replace("-", "_")
    for beside in glob.glob(os.path.join(os.path.dirname(path), "*.py")):
        with open(beside) as f:
            if re.search(pattern, f.read(), re.M):
                return True
    return False


for line in re.findall(r"^\.Bq (.*)$", page, re.M):
    for name, case in re.findall(r"([\w./-]*test-[\w.-]+)(?::\s*([\w-]+))?", line):
        seen += 1
        name = name.rstrip(".")
        found = glob.glob(os.path.join(src, "tests", name)) or glob.glob(
            os.path.join(src, "plugins", "*", "tests", name))
        if not found:
            missing.append(name)
        elif case and not has_case(found[0], case):
            missing.append("%s: %s" % (name, case))
if missing or seen < 30:
    print("expected all of %d tests to exist; missing: %s" % (seen, missing))
    sys.exit(1)

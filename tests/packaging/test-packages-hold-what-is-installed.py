#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each file that `make install` installs is in one of Debian's packages and in
one of RPM's, and neither asks for one that there is not.  No description in
debian/control has a line that is too long for what shows it."""
import fnmatch
import glob
import os
import re
import subprocess
import sys
import tempfile

SRC = os.environ["IL_SRCDIR"]
BUILD = os.environ["IL_BUILDDIR"]
WIDTH = 80


def read(path):
    with open(os.path.join(SRC, path)) as f:
        return f.read()


def installed(root, settings):
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "TESTS", "CHECK")}
    subprocess.run(["make", "-s", "install", "DESTDIR=" + root, "prefix=/usr", "sysconfdir=/etc"] + settings,
                   cwd=BUILD, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {"/" + os.path.relpath(os.path.join(dir, name), root)
            for dir, _, names in os.walk(root) for name in names}


def debian():
    """package -> patterns; what rules leaves out; what it tells make"""
    packages = {os.path.basename(path)[:-len(".install")]: ["/" + line for line in read(path).split()]
                for path in sorted(glob.glob(os.path.join(SRC, "debian/*.install")))}
    rules = read("debian/rules")
    out = {"/" + path for path in re.findall(r"rm debian/tmp/(\S+)", rules)}
    return packages, out, re.findall(r"\b\w+dir=\S+", rules) + ["libdir=/usr/lib/any"]


def rpm():
    text = read("conf/rpm/ingestlayer.spec")
    macros = {"name": "ingestlayer", "_bindir": "/usr/bin", "_datadir": "/usr/share", "_docdir": "/usr/share/doc",
              "_includedir": "/usr/include", "_libdir": "/usr/lib64", "_mandir": "/usr/share/man",
              "_prefix": "/usr", "_sysconfdir": "/etc", "buildroot": ""}
    macros.update(re.findall(r"%global (\w+) (\S+?)}$", text, re.M))

    def expand(word):
        while "%{" in word:
            word = re.sub(r"%\{(\w+)\}", lambda m: macros[m[1]], word)
        return word

    packages = {}
    for part in re.split(r"^%files", text.split("%changelog")[0], flags=re.M)[1:]:
        name, _, lines = part.partition("\n")
        packages["ingestlayer " + name.strip()] = [
            expand(line.split()[-1]) for line in lines.split("\n") if line and line.split()[0] not in ("%license", "%dir")]
    out = {expand(path) for path in re.findall(r"^rm (\S+)", text, re.M)}
    return packages, out, [expand(word) for word in re.findall(r"\bunitdir=\S+", text)] + ["libdir=/usr/lib64"]


def holds(pattern, file):
    parts = pattern.split("/")
    above = file.split("/")[:len(parts)]
    return len(above) == len(parts) and all(map(fnmatch.fnmatchcase, above, parts))


def wrong(what, packages, out, files):
    plugins = {os.path.basename(path)[:-len(".5")] for path in glob.glob(os.path.join(SRC, "plugins/*/*.5"))}
    built = {os.path.basename(f)[:-len(".so")] for f in files if f.endswith(".so")}
    for file in sorted(files - out):
        of = [p for p, patterns in packages.items() if any(holds(pattern, file) for pattern in patterns)]
        if len(of) != 1:
            yield "%s: %s is in %s" % (what, file, " and ".join(of) or "no package")
    for package, patterns in packages.items():
        for pattern in patterns:
            left_out = any(re.match(re.escape(p) + r"\.(so|5)\*?$", os.path.basename(pattern)) for p in plugins - built)
            if not left_out and not any(holds(pattern, file) for file in files):
                yield "%s: %s asks for %s, which nothing installs" % (what, package, pattern)


def main():
    found = []
    for what, (packages, out, settings) in (("debian", debian()), ("rpm", rpm())):
        with tempfile.TemporaryDirectory() as root:
            found += wrong(what, packages, out, installed(root, settings))
    text = read("debian/control")
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(" ") and len(line) > WIDTH:
            found.append("debian/control:%d: %d columns" % (number, len(line)))
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main())

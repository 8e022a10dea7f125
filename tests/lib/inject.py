# SPDX-License-Identifier: MIT
"""The driver's half of tests/faults/inject.c: tell the daemon under test which
call is to fail or to be its last, and make what a power cut would have left."""
import errno
import mmap
import os
import random
import shutil
import struct
import subprocess

from servers import BUILD

LIBRARY = os.path.join(BUILD, "tests", "faults", ".libs", "inject.so")
# As in inject.h.
OPS = {"write": 1, "sync": 2, "rename": 4, "unlink": 8, "truncate": 16, "open": 32, "mmap": 64,
       "read": 128, "malloc": 256, "mkdir": 512, "message": 1024}
WRITES = ("write", "sync", "rename", "unlink", "truncate", "mkdir")
COUNT, KILL, TORN, FAIL, SHORT = range(5)
FOR_EVER = (1 << 64) - 1


def usable():
    """None, or why not."""
    if not os.path.exists(LIBRARY):
        return "tests/faults/inject.so is not built"
    libraries = subprocess.run(["ldd", os.path.join(BUILD, "core", "ingestlayer")],
                               stdout=subprocess.PIPE).stdout
    if b"libasan" in libraries or b"libtsan" in libraries:
        return "a sanitizer's library does not go with LD_PRELOAD"
    if os.environ.get("IL_VALGRIND"):
        return "not under valgrind"
    return None


class Injection:
    """Of one process: give env() to it."""
    FORMAT = "=7Q"

    def __init__(self, path, below, ops, at=0, action=COUNT, param=0, hits=1, shadow=None, boot=None,
                 spare=(), only=""):
        self.below, self.shadow, self.boot, self.spare = below, shadow, boot, spare
        self.path = path
        with open(path, "wb") as f:
            f.write(b"\0" * 2048)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 2048)
        struct.pack_into(self.FORMAT, self.map, 0, self.mask(ops), 0, at, hits, action, param, 0)
        self.narrow(only)
        if shadow:
            for kind in ("i", "d"):
                os.makedirs(os.path.join(shadow, kind), exist_ok=True)

    def narrow(self, only):
        """Of all that is below the folder only what begins with one of these words."""
        struct.pack_into("256s", self.map, 1080, only.encode())

    @staticmethod
    def mask(ops):
        return sum(OPS[name] for name in ops)

    def env(self):
        env = {"LD_PRELOAD": LIBRARY, "IL_INJECT_CONTROL": self.path, "IL_INJECT_DIR": self.below}
        if self.shadow:
            env["IL_INJECT_SHADOW"] = self.shadow
        if self.boot:
            env["IL_INJECT_BOOT"] = self.boot
        if self.spare:
            env["IL_INJECT_SPARE"] = " %s " % " ".join(self.spare)
        return env

    def now(self, ops, action, param=0, hits=1, after=0):
        """From this moment on: the call of these classes that comes `after` others."""
        struct.pack_into("=Q", self.map, 16, 0)
        struct.pack_into("=Q", self.map, 0, self.mask(ops))
        struct.pack_into("=3Q", self.map, 24, hits, action, param)
        struct.pack_into("=Q", self.map, 16, self.count + 1 + after)

    def forget(self):
        """What has fired so far."""
        self.map[48:1080] = bytes(1032)

    def off(self):
        struct.pack_into("=Q", self.map, 16, 0)

    @property
    def count(self):
        return struct.unpack_from("=Q", self.map, 8)[0]

    @property
    def fired(self):
        return struct.unpack_from("=Q", self.map, 48)[0]

    @property
    def what(self):
        return self.map[56:1080].split(b"\0")[0].decode(errors="replace")

    def close(self):
        self.map.close()


# --- power cuts ------------------------------------------------------------

def key_of(path):
    out = subprocess.run(["stat", "-c", "%i %W %w", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    inode, seconds, text = out.strip().split(" ", 2)
    nanos = text.split(".")[1].split(" ")[0] if "." in text else "0"
    return "%s-%s.%d" % (inode, seconds, int(nanos))


def blend(rnd, synced, current):
    """Each page or sector as it was synced or as it was written last: a disk
    writes what it likes before it is told to.  So a file that is overwritten has
    in places what it had before."""
    size = rnd.choice([len(synced), len(current)])
    page = rnd.choice([512, 4096])
    out = bytearray()
    for at in range(0, size, page):
        old, new = synced[at:at + page], current[at:at + page]
        out += (rnd.choice([old, new]) or b"").ljust(min(page, size - at), b"\0")[:page]
    return bytes(out[:size])


def cut_power(folder, shadow, seed=None):
    """Make folder what it would be after a power cut.  Without a seed nothing
    that was not synced is there: neither bytes nor names; with one each page of
    a file, and each folder's names, may have got to the disk or not."""
    rnd = random.Random(seed) if seed is not None else None
    was = folder + ".was"
    os.rename(folder, was)
    restore(was, folder, shadow, rnd, contents_by_key(was))
    shutil.rmtree(was)


def prime(folder, shadow):
    """All that is there now is on the disk."""
    for kind in ("i", "d"):
        os.makedirs(os.path.join(shadow, kind), exist_ok=True)
    for at, _, names in os.walk(folder):
        with open(os.path.join(shadow, "d", key_of(at)), "w") as f:
            f.writelines("%s %s %s\n" % (key, "d" if is_dir else "f", name) for key, is_dir, name in entries_now(at))
        for name in names:
            path = os.path.join(at, name)
            if os.path.isfile(path) and not os.path.islink(path):
                shutil.copyfile(path, os.path.join(shadow, "i", key_of(path)))


def contents_by_key(folder):
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[key_of(path)] = path
    return found


def entries_now(folder):
    return [(key_of(os.path.join(folder, name)), os.path.isdir(os.path.join(folder, name)), name)
            for name in os.listdir(folder) if not os.path.islink(os.path.join(folder, name))]


def restore(was, to, shadow, rnd, current):
    os.mkdir(to, 0o700)
    listed = os.path.join(shadow, "d", key_of(was))
    entries = []
    if os.path.exists(listed):
        with open(listed) as f:
            for line in f:
                key, kind, name = line.rstrip("\n").split(" ", 2)
                entries.append((key, kind == "d", name))
    if rnd and rnd.random() < 0.5:
        entries = entries_now(was)
    for key, is_dir, name in entries:
        if is_dir:
            if os.path.isdir(os.path.join(was, name)):
                restore(os.path.join(was, name), os.path.join(to, name), shadow, rnd, current)
            else:
                os.mkdir(os.path.join(to, name), 0o700)
            continue
        synced = b""
        path = os.path.join(shadow, "i", key)
        if os.path.exists(path):
            with open(path, "rb") as f:
                synced = f.read()
        if rnd and key in current:
            with open(current[key], "rb") as f:
                synced = blend(rnd, synced, f.read())
        if len(synced) > (64 << 20):
            raise RuntimeError("too large: " + name)
        with open(os.path.join(to, name), "wb") as f:
            f.write(synced)


def errno_name(number):
    return errno.errorcode.get(number, str(number))

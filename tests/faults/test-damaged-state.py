# SPDX-License-Identifier: MIT
"""Damage to a state_dir that holds what nobody has delivered yet: the start is
never blocked, all that can be delivered is, once, what cannot is named, and new
events pass.  A lane of which nothing is left looks like a new one: it asks where to
begin, and then delivers.  A third of the cases, or with --all every one; SEED=n repeats a
run."""
import glob
import os
import random
import shutil
import struct
import sys
import time

from system import PLAIN, Failed, System, contains, equal, event, eventually

CONF = 'spool = { segment = "1MiB"; min_free = "0B"; };\n' + PLAIN
NO_CURSORS = "the cursors are missing"
EVENTS = 380
seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 30))
rnd = random.Random(seed)
print("SEED=%d" % seed)


class Segment:
    """What lies where: frames as (offset, end, number of the event)."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        with open(path, "rb") as f:
            data = f.read()
        self.size, self.frames, at = len(data), [], 64
        while at + 24 <= len(data):
            length, _, position = struct.unpack_from("<IIQ", data, at)
            if not length:
                break
            end = at + (16 + length + 7) // 8 * 8
            self.frames.append((at, end, position - 1))
            at = end
        self.end = at

    def events(self, since=0):
        return {n for at, end, n in self.frames if end > since}


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ (1 << rnd.randrange(8))]))


def trash(path):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.write(bytes(rnd.randrange(256) for _ in range(min(size, 4096))))


def cases(segments):
    """(what, damage(spool folder, state folder), events that may be missing)"""
    first, middle, last = segments[0], segments[1], segments[-1]
    for seg in (first, middle, last):
        for what, at in (("magic", 0), ("version", 8), ("checksum", 12), ("uuid", 16), ("first", 32),
                         ("prev_first", 40), ("prev_last", 48), ("prev_end", 56)):
            at += rnd.randrange(4)
            yield "header %s of %s" % (what, seg.name), lambda p, s, seg=seg, at=at: flip(p + seg.name, at), set()
        for what, low, high in (("length", 0, 4), ("checksum", 4, 8), ("position", 8, 16), ("body", 16, None)):
            start, end, n = rnd.choice(seg.frames)
            at = start + rnd.randrange(low, high or end - start)
            yield "%s of frame %d in %s" % (what, n, seg.name), \
                lambda p, s, seg=seg, at=at: flip(p + seg.name, at), {n}
        yield "%s is missing" % seg.name, lambda p, s, seg=seg: os.unlink(p + seg.name), seg.events()
        cut = rnd.randrange(seg.end)
        yield "%s ends at %d" % (seg.name, cut), lambda p, s, seg=seg, cut=cut: os.truncate(p + seg.name, cut), \
            seg.events(cut)
        yield "%s is empty" % seg.name, lambda p, s, seg=seg: os.truncate(p + seg.name, 0), seg.events()
        block = rnd.randrange(64, seg.end - 4096)

        def zero(p, s, seg=seg, block=block):
            with open(p + seg.name, "r+b") as f:
                f.seek(block)
                f.write(bytes(4096))
        yield "4 KiB of zeros at %d in %s" % (block, seg.name), zero, \
            {n for at, end, n in seg.frames if at < block + 4096 and end > block}

    def swap(p, s):
        os.rename(p + first.name, p + "x")
        os.rename(p + middle.name, p + first.name)
        os.rename(p + "x", p + middle.name)
    yield "two segments have changed names", swap, set()
    yield "ID is missing", lambda p, s: os.unlink(p + "ID"), set()
    yield "ID is garbage", lambda p, s: trash(p + "ID"), set()
    yield "LAST is missing", lambda p, s: os.unlink(p + "LAST"), set()
    yield "LAST is garbage", lambda p, s: trash(p + "LAST"), set()
    yield NO_CURSORS, lambda p, s: shutil.rmtree(s + "/lanes"), set()
    yield "a cursor is garbage", lambda p, s: trash(s + "/lanes/all/warehouse.pg.cursor"), set()
    yield "the index is missing", lambda p, s: shutil.rmtree(s + "/idem"), set()
    for path in ("*.run", "RUNS"):
        def spoil(p, s, path=path):
            for name in glob.glob(s + "/idem/" + path):
                trash(name)
        yield "the index' %s is garbage" % path, spoil, set()

        def shorten(p, s, path=path):
            for name in glob.glob(s + "/idem/" + path):
                os.truncate(name, os.path.getsize(name) // 2)
        yield "the index' %s is cut" % path, shorten, set()

        def lose(p, s, path=path):
            for name in glob.glob(s + "/idem/" + path):
                os.unlink(name)
        yield "the index' %s is missing" % path, lose, set()

        def flip_each(p, s, path=path):
            for name in glob.glob(s + "/idem/" + path):
                for part in range(8):
                    size = os.path.getsize(name)
                    flip(name, min(size - 1, size * part // 8 + rnd.randrange(16)))
        yield "the index' %s has wrong bits" % path, flip_each, set()
    yield "the index' secret is missing", lambda p, s: os.unlink(s + "/idem/SECRET"), set()
    yield "the index' secret is garbage", lambda p, s: trash(s + "/idem/SECRET"), set()
    yield "the dead letters are missing", lambda p, s: shutil.rmtree(s + "/dead"), set()
    yield "the entities are missing", lambda p, s: shutil.rmtree(s + "/entities"), set()
    for store in ("dead", "entities"):
        def spoil_store(p, s, store=store):
            trash("%s/%s/data.mdb" % (s, store))
        yield "the file of %s is garbage" % store, spoil_store, set()

        def cut_store(p, s, store=store):
            name = "%s/%s/data.mdb" % (s, store)
            os.truncate(name, os.path.getsize(name) - 1)
        yield "the file of %s is cut" % store, cut_store, set()


def say_begin(s):
    """The lane waits until the config tells where to begin."""
    eventually(lambda: s.lane()["state"] == "paused", "the lane is paused")
    contains(s.lane()["last_error"], "needs begin", "its error")
    s.daemon.kill()
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:
        f.write(text.replace('table = "t.rows";', 'table = "t.rows"; begin = "oldest";'))
    s.daemon.start(limit=20)
    with open(s.conf, "w") as f:
        f.write(text)


def try_one(s, what, damage, may_miss):
    state = s.base + "/state"
    shutil.rmtree(state)
    shutil.copytree(s.base + "/whole", state)
    s.pg.sql("truncate t.rows; do $$ begin delete from ingestlayer.lanes; exception when undefined_table "
             "then null; when invalid_schema_name then null; end $$")
    damage(state + "/spool/", state)
    open(s.daemon.log, "w").close()
    s.daemon.start(limit=20)
    s.post([event(n, text="new") for n in range(1000, 1010)])
    if what == NO_CURSORS:
        say_begin(s)
    s.delivered()
    rows = {}
    for line in s.pg.lines("select n from t.rows"):
        rows[int(line)] = rows.get(int(line), 0) + 1
    missing = set(range(EVENTS)) - set(rows)
    if missing - may_miss:
        raise Failed("%d events are missing that were not damaged: %s" % (
            len(missing - may_miss), sorted(missing - may_miss)[:9]))
    equal({n for n, count in rows.items() if count != 1}, set(), "events that came twice")
    equal(set(range(1000, 1010)) - set(rows), set(), "new events that did not come")
    # What was there and can be read is known when it comes again.
    whole = sorted(set(range(EVENTS)) - may_miss)[:20]
    answer = s.post([event(n) for n in whole])
    equal(answer["data"]["duplicates"], len(whole), "duplicates")
    if missing:
        with open(s.daemon.log) as f:
            log = f.read()
        named = [word for word in ("damage", "missing", "no longer in the spool") if word in log]
        equal(named != [], True, "the log names it")
    equal(s.daemon.stop(), 0, "exit code")
    s.daemon.start()
    s.delivered()
    equal(s.pg.sql("select count(*) from t.rows"), str(len(rows)), "rows after another start")
    s.daemon.kill()
    return len(missing)


with System(CONF, start_postgres=False) as s:
    for i in range(0, EVENTS, 20):
        if i + 20 >= EVENTS:  # a clean end: the keys so far are in a file of the index
            equal(s.daemon.stop(), 0, "exit code")
            s.daemon.start()
        s.post([event(n, text="x" * 8000) for n in range(i, i + 20)])
    time.sleep(0.3)  # LAST is written a tenth of a second later
    s.daemon.kill()
    shutil.copytree(s.base + "/state", s.base + "/whole", ignore=shutil.ignore_patterns("control"))
    s.pg.start()
    equal(len(glob.glob(s.base + "/whole/idem/*.run")) > 0, True, "there is a file of the index")
    segments = [Segment(path) for path in sorted(glob.glob(s.base + "/whole/spool/*.seg"))]
    equal(len(segments) > 2, True, "there are several segments")
    equal(sorted(set().union(*(seg.events() for seg in segments))), list(range(EVENTS)), "events in the spool")
    done = failed = 0
    chosen = list(cases(segments))
    for what, damage, may_miss in chosen if "--all" in sys.argv else chosen[rnd.randrange(3)::3]:
        try:
            lost = try_one(s, what, damage, may_miss)
            print("%s: %d lost" % (what, lost), flush=True)
        except (Failed, RuntimeError) as e:
            failed += 1
            print("%s FAILED: %s" % (what, e), flush=True)
            with open(s.daemon.log) as f:
                print("    " + "    ".join(f.readlines()[-12:]))
            if s.daemon.proc.poll() is None:
                s.daemon.kill()
        done += 1
    print("%d kinds of damage, %d failed" % (done, failed))
sys.exit(1 if failed else 0)

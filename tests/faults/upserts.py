# SPDX-License-Identifier: MIT
"""campaign.py --upsert: lanes with on_conflict, beside a model of their table.

What a table has in the end depends on the order of the events of each key, so
each sender has keys of its own and sends its requests in order; with `newer`
all senders share all keys, and the order is that of the column."""
import json

CONF = """
state_dir = "%(base)s/state%(node)d";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "load"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "load";
    sources = ( { source = "load"; match = "load.*"; } );
    steps = ( { plugin = "filter.match"; where = "not (kind == drop)"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "load.rows";
                       connections = %(connections)d;
                       on_conflict = "%(on)s"; conflict = ( "k" ); %(how)s
                       columns = ( { name = "k"; value = "$event.payload.k"; },
                                   { name = "n"; value = "$event.payload.n"; },
                                   { name = "a"; value = "$event.payload.a"; },
                                   { name = "b"; value = "$event.payload.b"; },
                                   { name = "c"; value = "$event.payload.c"; } ); } ); }
);
"""
FIELDS = ("n", "a", "b", "c")
# on_conflict, its options, keys that all senders share
WAYS = {
    "update": ("update", "", False),
    "null": ("update", 'missing = "null";', False),
    "some": ("update", 'update = ( "n", "a" );', False),
    "newer": ("update", 'newer = "n"; missing = "null";', True),
    "ignore": ("ignore", "", False),
}
# Plain; a value that only Postgres refuses; a row that depends on others.
TABLES = {
    "plain": "a int, b text, c text default 'none'",
    "check": "a int check (a <> 13), b text, c text default 'none'",
    "unique": "a int, b text unique, c text default 'none'",
}


class Upserts:
    def __init__(self, rnd, way, senders):
        self.way = rnd.choice(sorted(WAYS)) if way == "any" else way
        self.on, self.how, self.shared = WAYS[self.way]
        # Which of two events with the same unique value comes first is known of
        # one sender only.
        self.table = rnd.choice(["plain", "check"] if self.shared or senders > 1
                                else sorted(TABLES))
        self.keys = rnd.choice([7, 60, 1500])

    def describe(self):
        return "%s, %s, %d keys" % (self.way, self.table, self.keys)

    def conf(self, **values):
        return CONF % dict(values, on=self.on, how=self.how)

    def schema(self):
        return ("create schema load; create table load.rows (k text primary key, n bigint, %s)"
                % TABLES[self.table])

    def event(self, rnd, trial, i, sender):
        roll = rnd.random()
        kind = "drop" if roll < 0.05 else "bad" if roll < 0.051 else "row"
        payload = {"kind": kind, "n": "no number" if kind == "bad" else i,
                   "k": "%s-%d" % ("all" if self.shared else sender, rnd.randrange(self.keys))}
        if rnd.random() < 0.6:
            payload["a"] = rnd.choice([None, 1, 2, 3, 4])
        if rnd.random() < 0.6:
            payload["b"] = (rnd.choice([None, "x", "y"]) if self.table != "unique"
                            else "%s-%d" % (sender, rnd.randrange(3 * self.keys)))
        if rnd.random() < 0.3:
            payload["c"] = rnd.choice([None, "u", "v"])
        if kind == "row" and self.table == "check" and rnd.random() < 0.001:
            payload["a"] = 13
        return {"id": "t%d-%07d" % (trial, i), "type": "load.test", "payload": payload}

    def account(self, streams):
        """The table, and the ids of the letters, that these events leave; streams
        has the events of each sender, in their order."""
        rows, letters, owners = {}, set(), {}
        for stream in streams:
            for e in stream:
                p = e["payload"]
                if p["kind"] == "drop":
                    continue
                if p["kind"] == "bad" or (p.get("a") == 13 and self.table == "check"):
                    letters.add(e["id"])
                elif not self.apply(rows, owners, p):
                    letters.add(e["id"])
        return rows, letters

    def apply(self, rows, owners, p):
        """False: the table refuses it."""
        row = rows.get(p["k"])
        new = {f: p.get(f) for f in FIELDS}
        if "c" not in p:
            new["c"] = "none"
        changes = dict(new)
        if row is not None:
            changes = {f: new[f] for f in FIELDS if f in p or self.way in ("null", "newer")}
            if self.way == "some":
                changes = {f: v for f, v in changes.items() if f in ("n", "a")}
            if self.way == "ignore" or (self.way == "newer" and p["n"] < row["n"]):
                changes = {}
        if self.table == "unique":
            # The row to be inserted is judged by other rows only where none of its key is
            # there.
            b = changes.get("b")
            if b is not None and owners.get(b, p["k"]) != p["k"]:
                return False
            if row is not None and "b" in changes and row["b"] is not None:
                owners.pop(row["b"], None)
            if b is not None:
                owners[b] = p["k"]
        rows.setdefault(p["k"], {}).update(changes)
        return True

    def compare(self, pg, streams, dead):
        """What is wrong, for a person; dead: how often each event is a letter."""
        errors = []
        rows, letters = self.account(streams)
        there = {}
        for line in pg.lines("select row_to_json(r) from load.rows r"):
            r = json.loads(line)
            there[r.pop("k")] = r
        wrong = [k for k in set(rows) | set(there) if rows.get(k) != there.get(k)]
        if wrong:
            k = min(wrong)
            errors.append("%d of %d rows are not those of the model, of key %s %s instead of %s" % (
                len(wrong), len(rows), k, there.get(k), rows.get(k)))
        odd = {e for e in set(dead) | letters if dead.get(e, 0) != int(e in letters)}
        if odd:
            errors.append("%d letters are missing, twice there or too many: %s ..." % (
                len(odd), ", ".join(sorted(odd)[:5])))
        return errors, len(there)

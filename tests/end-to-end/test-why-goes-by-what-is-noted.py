# SPDX-License-Identifier: MIT
"""`ingestlayer why` goes by what was noted when a lane ran: under the name that
the lane has now, without its secrets, which are written down nowhere; and it
says what it cannot know once the spool has let go of events."""
import os

from asked import Why
from each import DESTINATION, HEAD, HTTP, Each
from gate import contains, equal, eventually

SECRET = "a-secret-of-32-bytes-or-so-12345"
BUILD = os.path.abspath(os.environ.get("IL_BUILDDIR", "."))
CONF = HEAD + HTTP + """
plugin_dir = ( "BUILD/tests" );
spool = { segment = "1MiB"; retain = "0s"; };
pipelines = (
  { name = "hooks"; sources = ( { source = "app"; } );
    destinations = ( { DESTINATION } ); },
  { name = "OWN"; sources = ( { source = "app"; } );
    steps = (
      { plugin = "redact.pii"; fields = ( { path = "mail"; how = "hash"; } ); key = "SECRET"; },
      { plugin = "filter.match"; name = "rule"; where = "RULE"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; WAS } ); },
  { name = "once"; sources = ( { source = "app"; } );
    steps = ( { plugin = "dedupe"; key = "$event.payload.k"; } );
    destinations = ( { name = "d"; plugin = "destination.null"; } ); }
);
""".replace("BUILD", BUILD).replace("DESTINATION", DESTINATION)


def conf(name, rule, secret=SECRET, was=""):
    return CONF.replace("OWN", name).replace("RULE", rule).replace("SECRET", secret).replace("WAS", was)


with Each(conf("old", "k != b"), start=False) as s:
    why = Why(s)
    s.plan("dead die 1 0 404")
    s.daemon.start()
    s.post("a", k="a", mail="ada@acme.com")
    s.post("b", k="b", mail="bob@acme.com")
    s.post("dead", k="a")
    for name in ("hooks/each", "old/d", "once/d"):
        s.settled(name)
    equal(why.fates("b")["old/d"], "dropped rule", "with a secret")
    equal(why.fates("dead")["once/d"], "dropped 1", "a duplicate")
    history = open(s.path("state/lanes/old/d.history")).read()
    equal(SECRET in history, False, "the secret is noted")
    contains(history, "(hidden)", "in its place")
    equal(len(history.splitlines()), 1, "notes")

    # --- the lane has another name, and another rule ---
    s.daemon.stop()
    s.daemon.start()
    s.settled("old/d")
    equal(open(s.path("state/lanes/old/d.history")).read(), history, "a start that changes nothing")
    s.daemon.stop()
    s.configure(conf("new", "k == b", was='was = "old/d";'))
    s.daemon.start()
    s.post("c", k="a")
    s.settled("new/d")
    equal(os.path.exists(s.path("state/lanes/old/d.history")), False, "under the old name")
    equal(len(open(s.path("state/lanes/new/d.history")).read().splitlines()), 2, "notes under the new name")
    equal(why.fates("c")["new/d"], "dropped rule", "by the new rule")
    got = why.lanes("b")["new/d"]
    # its secret is gone with the config that had it
    equal((got["fate"], got["known"]), ("undecided", "cannot be known"), "by a config whose secret is gone")
    contains(got["says"], "step 1 cannot be opened", "why")
    equal("old/d" in why.lanes("b"), False, "the old name")

    # --- a secret that is named is taken from where it is ---
    s.daemon.stop()
    s.daemon.env["PII"] = SECRET
    s.configure(conf("new", "k == z", secret="env:PII"))
    s.daemon.start()
    s.post("e", k="b")
    s.settled("new/d")
    s.daemon.stop()
    s.configure(conf("new", "k == b", secret="env:PII"))
    s.daemon.start()
    s.post("f", k="b")
    s.settled("new/d")
    equal([why.fates(i)["new/d"] for i in "ef"], ["dropped rule", "passed"], "each by its rule")
    s.daemon.env["PII"] = ""
    equal(why.lanes("e")["new/d"]["fate"], "undecided", "without it")
    s.daemon.env["PII"] = SECRET

    # --- the spool lets go of events ---
    first = s.path("state/spool/%020d.seg" % 1)
    for n in range(60):
        s.post("fill-%d" % n, k="f%d" % n, filler="x" * 100000)
    s.post("again", k="f59")
    for name in ("hooks/each", "new/d", "once/d"):
        s.settled(name)
    eventually(lambda: not os.path.exists(first), "the first segment goes")
    contains(why.run("a", code=1)[1], "nothing is known of", "an event that is gone")
    lanes = why.lanes("dead")
    equal(lanes["hooks/each"]["fate"], "letter", "its letter is still there")
    equal((lanes["new/d"]["fate"], lanes["new/d"]["known"]), ("undecided", "cannot be known"), "elsewhere")
    contains(lanes["new/d"]["says"], "let go of it", "why")
    again = why.lanes("again")["once/d"]
    equal((again["fate"], again["known"]), ("dropped", "cannot be known"), "what a step remembers")
    contains(" ".join(l["text"] for l in again["lines"]), "behind what the spool still has", "why")

    # --- a lane that is not in the config any more, and one that is forgotten ---
    s.daemon.stop()
    s.configure(CONF[:CONF.index("  { name = \"OWN\"")].rstrip(",\n") + ");")
    equal(why.fates("again")["once/d"], "dropped 1", "of a lane that is not in the config")
    r = s.daemon.command("lane", "forget", "-c", s.conf, "once/d")
    equal((r.returncode, r.stderr), (0, b""), "lane forget")
    equal(os.path.exists(s.path("state/lanes/once/d.history")), False, "the notes of a lane that is forgotten")
    equal("once/d" in why.lanes("again"), False, "a lane that is forgotten")

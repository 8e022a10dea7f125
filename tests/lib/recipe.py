# SPDX-License-Identifier: MIT
"""A recipe of conf/recipes as an operator runs it: the file as it stands but
for its folder and ports, a Postgres, and the TypeScript SDK as the sender.

    with Recipe("alerts", ALERT_URL=r.url + "/alerts", ALERT_SECRET=SECRET) as s:
        s.entities("user", {"u_1": {"plan": "free"}})
        s.send(("feature.used", {...}), ...)
        s.delivered()
        s.jump(60)              # the daemon's clock goes on by so many seconds"""
import json
import os
import re
import subprocess
import sys

from ports import free_port
from servers import BUILD
from system import KEY, System, equal

SOURCE = os.environ.get("IL_SRCDIR", os.getcwd())
RECIPES = os.path.join(SOURCE, "conf", "recipes")
SDK = os.path.join(BUILD, "sdk", "typescript", "dist", "esm", "index.js")
SENDER = """
const { ingest } = await import(process.argv[1]);
const ids = [];
for (const [type, payload] of JSON.parse(process.argv[2])) ids.push((await ingest(type, payload)).id);
console.log(JSON.stringify(ids));
"""


class Recipe(System):
    def __init__(self, name, **variables):
        if not os.path.exists(SDK):
            print("skipped: the SDK is not built")
            sys.exit(77)
        with open(os.path.join(RECIPES, name + ".conf")) as f:
            conf = f.read().replace("%", "%%")
        gate, admin = free_port(), free_port()
        for pattern, text in ((r'^state_dir = .*;', 'state_dir = "%(base)s/state"; entities = { map_size = "64MiB"; };'),
                              ("127.0.0.1:8080", "127.0.0.1:%d" % gate), ("127.0.0.1:9600", "127.0.0.1:%d" % admin)):
            conf, found = re.subn(pattern, text, conf, flags=re.M)
            equal(found, 1, "how often the recipe has " + pattern)
        super().__init__(conf, start=False, table=None, env=dict(variables, INGESTLAYER_KEY=KEY))
        try:
            self.daemon.gate, self.daemon.admin = gate, admin
            self.daemon.env["DATABASE_URL"] = self.pg.dsn
            self.offset = 0
            self.daemon.env["INGESTLAYER_CLOCK_FILE"] = os.path.join(self.base, "clock")
            self.jump(0)
            r = self.daemon.command("check", "-c", self.conf)
            equal((r.returncode, r.stderr.decode()), (0, ""), "check, and what it has against the recipe")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __enter__(self):
        self.daemon.start()
        return self

    def jump(self, seconds):
        self.offset += seconds
        path = self.daemon.env["INGESTLAYER_CLOCK_FILE"]
        with open(path + ".new", "w") as f:
            f.write("%d\n" % (self.offset * 1000000))
        os.rename(path + ".new", path)

    def entities(self, kind, traits):
        """{external id: traits}"""
        status, answer, _ = self.http("POST", "/v1/entities", [
            {"kind": kind, "external_id": one, "traits": what} for one, what in traits.items()])
        equal(status in (200, 201), True, "POST /v1/entities: %s" % answer)

    def send(self, *events):
        """(type, payload) of each, one after the other; their ids."""
        env = dict(os.environ, INGESTLAYER_URL="http://127.0.0.1:%d" % self.daemon.gate, INGESTLAYER_KEY=KEY)
        r = subprocess.run(["node", "--input-type=module", "-e", SENDER, SDK, json.dumps(events)], env=env,
                           timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        equal(r.returncode, 0, "the sender: " + r.stderr.decode())
        return json.loads(r.stdout)


def used(user_id, feature, count=1, **more):
    return "feature.used", dict({"user_id": user_id, "feature": feature, "count": count}, **more)

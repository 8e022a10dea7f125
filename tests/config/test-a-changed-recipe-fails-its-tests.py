# SPDX-License-Identifier: MIT
"""The tests beside a recipe see what it does: with any one of its rules changed,
they fail, and name the line of what no longer holds."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

RECIPES = os.path.join(os.environ["IL_SRCDIR"], "conf", "recipes")
PROGRAM = os.path.join(os.environ["IL_BUILDDIR"], "ingestlayer")

# recipe, what stands there, what stands there instead
CHANGES = [
    ("alerts", "count >= 100", "count > 100"),
    ("alerts", "feature in {export, *.export} and", "feature like '*export' and"),
    ("alerts", 'when = "feature in {export, *.export} and count >= 100";', ""),
    ("alerts", '"$entity.user.account"; },\n                    { name = "plan"', '"$entity.user.email"; },\n                    { name = "plan"'),
    ("alerts", '{ name = "user_id"; type = "string"; required = true; }', '{ name = "user_id"; type = "string"; }'),
    ("alerts", 'value = "large export"', 'value = "an export"'),
    ("feature-usage", "{export, *.export, api,", "{*.export, api,"),
    ("feature-usage", "webhook, webhook.*}", "webhook*}"),
    ("feature-usage", "api, api.*,", "api*,"),
    ("feature-usage", '{ plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; }',
     '{ plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; unknown = "drop"; }'),
    ("feature-usage", '"$event.payload.plan"', '"$entity.user.plan"'),
    ("feature-usage", 'name = "count";   type = "number"', 'name = "count";   type = "integer"'),
    ("feature-usage", 'payload_column = "payload";', 'payload_column = "body";'),
    ("free-users", "$entity.user.plan == free", "$entity.user.plan != pro"),
    ("free-users", "api.call, sso.login", "sso.login"),
    ("free-users", "{csv.export,", "{*.export, search,"),
    ("free-users", "free plan) used", "free) used"),
    ("masked-chat", "rating <= 2", "rating < 2"),
    ("masked-chat", "and exists(message)", ""),
    ("masked-chat", '"email", "phone"', '"phone"'),
    ("masked-chat", '"card", "iban"', '"card"'),
    ("masked-chat", '"ip", "card"', '"card"'),
    ("noisy-errors", 'window = "1h"; },\n', 'window = "30m"; },\n'),
    ("noisy-errors", 'key = "{{ service }}: {{ error }}"', 'key = "{{ service }}"'),
    ("noisy-errors", 'key = "{{ service }}: {{ error }}"', 'key = "{{ error }}"'),
    ("noisy-errors", "max = 20", "max = 21"),
    ("noisy-errors", "max = 20", "max = 19"),
    ("noisy-errors", 'max = 20; window = "1h"', 'max = 20; window = "2h"'),
    ("plan-changes", '{ name = "plan";       value = "$event.payload.plan"; },', ''),
    ("plan-changes", '{ name = "plan_since"; value = "$event.received_at"; }', '{ name = "since"; value = "$event.received_at"; }'),
    ("plan-changes", 'kind = "user"; id = "$event.payload.user_id"', 'kind = "account"; id = "$event.payload.user_id"'),
    ("plan-changes", '"$entity.user.plan"', '"$event.payload.plan"'),
    ("plan-changes", 'match = "feature.used"', 'match = "*"'),
    ("third-export", "nth == 3", "nth >= 3"),
    ("third-export", "nth == 3", "nth == 4"),
    ("third-export", 'name = "exports"; key = "$event.payload.user_id"', 'name = "exports"; key = "$event.payload.feature"'),
    ("third-export", "$entity.user.plan == free", "$entity.user.plan != pro"),
    ("third-export", '"$step.exports.count"', '"$step.exports.nth"'),
    ("usage-by-account", '"$entity.account.plan"', '"$entity.user.plan"'),
    ("usage-by-account", 'kind = "account"; key = "$entity.user.account_id"', 'kind = "account"; key = "$event.payload.user_id"'),
    ("usage-by-account", "min = 1; ", ""),
    ("usage-by-account", 'type = "integer"', 'type = "number"'),
    ("users-latest", '"$event.payload.seats"', '"$event.payload.plan"'),
    ("users-latest", '"$event.payload.feature"', '"$event.type"'),
    ("users-latest", '"$event.received_at"', '"$event.timestamp"'),
]


def run(*files):
    return subprocess.run([PROGRAM, "test", *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)


for plugin in ("warehouse.pg", "webhook.out", "slack", "filter.match", "enrich.entity", "upsert.entity", "dedupe", "throttle",
               "count", "redact.pii", "transform"):
    if subprocess.run([PROGRAM, "plugins", plugin], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        print("skipped: %s is not built" % plugin)
        sys.exit(77)
faults = []
for recipe in sorted({c[0] for c in CHANGES}):
    with open(os.path.join(RECIPES, recipe + ".conf")) as f:
        conf = f.read()
    with tempfile.TemporaryDirectory() as dir:
        tests = os.path.join(dir, recipe + ".tests.conf")
        shutil.copy(os.path.join(RECIPES, recipe + ".tests.conf"), tests)
        for _, old, new in [c for c in CHANGES if c[0] == recipe]:
            if old not in conf:
                faults.append("%s: there is no %r" % (recipe, old))
                continue
            with open(os.path.join(dir, recipe + ".conf"), "w") as f:
                f.write(new.join(conf.rsplit(old, 1)))  # comments come first
            r = run(tests)
            if r.returncode != 1 or not re.search(r"^FAILED  .*\n  %s:\d+: " % re.escape(tests), r.stdout, re.M):
                faults.append("%s: %r in the place of %r is not seen; exit code %d\n%s"
                              % (recipe, new, old, r.returncode, r.stdout))
print("\n".join(faults))
sys.exit(bool(faults))

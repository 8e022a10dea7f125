#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What webhook.out signs, standardwebhooks and svix verify with each of its
secrets; and nothing that was changed on the way."""
import json
import os
import shutil
import subprocess
import sys
import time

here = os.path.join(os.environ["IL_SRCDIR"], "tests", "webhooks")
tool = os.path.join(os.environ["IL_BUILDDIR"], "plugins", "webhook.out", "tests", "sign")
if not shutil.which("node") or not all(os.path.isdir(os.path.join(here, "node_modules", name))
                                       for name in ("standardwebhooks", "svix")):
    print("skipped: node or the libraries are missing (npm ci in tests/webhooks)")
    sys.exit(77)

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER = "whsec_dGhpcyBpcyBhbm90aGVyIHNlY3JldA=="
# RFC 8032, 7.1, TEST 1
PRIVATE, PUBLIC = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
BODY = json.dumps({"id": "o-1", "type": "order.created", "payload": {"name": "Grüße 🎉"}}, ensure_ascii=False)
now = int(time.time())


def sign(kind, secrets, body, at=now):
    out = subprocess.run([tool, kind, "il_abc", str(at), *secrets], input=body.encode(), check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return dict(line.split(": ", 1) for line in out.splitlines())


both = sign("standard", [NEW, OLD], BODY)
private = sign("ed25519", [PRIVATE], BODY)
CASES = [
    ({"secret": NEW, "headers": both, "body": BODY}, True),
    ({"secret": OLD, "headers": both, "body": BODY}, True),
    ({"secret": OTHER, "headers": both, "body": BODY}, False),
    ({"secret": NEW, "headers": both, "body": BODY.replace("o-1", "o-2")}, False),
    ({"secret": NEW, "headers": {**both, "webhook-id": "il_abd"}, "body": BODY}, False),
    ({"secret": NEW, "headers": {**both, "webhook-timestamp": str(now - 1)}, "body": BODY}, False),
    ({"secret": NEW, "headers": sign("standard", [NEW], BODY, now - 3600), "body": BODY}, False),
    ({"public": PUBLIC, "headers": private, "body": BODY}, True),
    ({"public": PUBLIC, "headers": private, "body": BODY + " "}, False),
]
got = subprocess.run(["node", os.path.join(here, "verify.mjs")], cwd=here, check=True, stdout=subprocess.PIPE,
                     input="".join(json.dumps(one) + "\n" for one, _ in CASES).encode()).stdout.decode().splitlines()
expected = [(name, good) for one, good in CASES
            for name in (["node"] if "public" in one else ["standardwebhooks", "svix"])]
assert len(got) == len(expected), got
for line, (name, good) in zip(got, expected):
    assert line.startswith(name + " "), line
    assert (line == name + " ok") == good, f"expected {'ok' if good else 'a refusal'}, got: {line}"

# SPDX-License-Identifier: MIT
"""`ingestlayer reload` of a daemon under test."""
import json

from system import equal


def write(s, conf):
    with open(s.conf, "w") as f:
        f.write(conf % {"base": s.base})


def reload(s, *options, want="taken"):
    """The answer, once its result and the exit code are as wanted."""
    r = s.daemon.command("reload", "-c", s.conf, "--json", *options)
    equal(r.returncode, 0 if want == "taken" else 1, "exit code of reload (%s %s)" % (r.stdout, r.stderr))
    answer = json.loads(r.stdout)
    equal(answer["result"], want, "reload: %s" % answer)
    return answer


def take(s, conf, *options, want="taken"):
    write(s, conf)
    return reload(s, *options, want=want)


def changes(answer, of="lanes"):
    """{name: change}, with the verdict behind it where there is one."""
    return {one["name"]: " ".join(filter(None, (one["change"], one.get("verdict")))) for one in answer[of]}

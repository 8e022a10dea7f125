# SPDX-License-Identifier: MIT
"""What the gate refuses after authentication is a dead letter with its reason;
what comes with a wrong key is not kept."""
from system import HEAD, System, contains, equal, eventually

CONF = HEAD + """
events = ( { type = "test.event"; fields = ( { name = "n"; type = "integer"; required = true; } ); } );
pipelines = ();
"""
with System(CONF) as s:
    answer = s.post({"type": "test.event", "payload": {"n": "x"}}, 422)
    contains(str(answer["error"]), "payload.n", "the path of the problem")
    answer = s.post({"type": "test.evnt", "payload": {"n": 1}}, 422)
    contains(str(answer["error"]), "test.event", "the nearest type")
    s.post(b"{nonsense", 400)
    s.post({"type": "test.event", "payload": {"n": 1}}, 401, key="wrong")
    mixed = s.post([{"type": "test.event", "payload": {"n": 1}}, {"type": "test.event", "payload": {}}])
    equal((mixed["data"]["accepted"], mixed["data"]["events"][1]["status"]), (1, "rejected"), "a mixed batch")
    eventually(lambda: len(s.dead()) == 4, "four dead letters")
    equal({d["lane"] for d in s.dead()}, {"gate/app"}, "their lane")

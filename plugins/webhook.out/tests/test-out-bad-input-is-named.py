#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An address that nobody answers at, a certificate of somebody else, a name that
leads into the own network, templates that render nonsense, secrets of a wrong
form: each is told for what it is."""
import shutil
import sys
import tempfile

from driven import NO_ATTEMPT, Driven, contains, equal, event
from ports import free_port
from receiver import Answer, Receiver, make_ca
from servers import PATIENCE


def one(options, state, code, message, e=None, again=None):
    with Driven(options) as d:
        got = d.one(e, again)
        equal(options, (got.state, got.code), (state, code))
        contains(options, got.message, message)


one('url = "http://127.0.0.1:%d/in";' % free_port(), "deferred", "connect", "no connection")
one('url = "http://no-such-name.invalid/";', "deferred", "no_address", "no address")
# a proxy that fails costs no attempt, and holds the lane off
with Driven('url = "http://hooks.example.com/in"; proxy = "http://127.0.0.1:%d"; concurrency = 1;' % free_port()) as d:
    ends = d.write([event(n) for n in range(5)], again=(4, 60))
    equal("the proxy", [(e.state, e.flags & NO_ATTEMPT) for e in ends], [("deferred", NO_ATTEMPT)] * 5)
    equal("the proxy", (ends[0].code, d.held()), ("proxy", 30))
    d.advance(30)
    d.write([event(n) for n in range(5)], again=(4, 60))
    equal("longer", d.held(), 60)
with Receiver() as r:
    port = r.port
    # a name, and it is that of the machine itself
    template = 'url = "http://{{ $event.payload.host }}:%d/in"; hosts = ( "*" );' % port
    one(template, "deferred", "address", "is not allowed: ", event(host="localhost"))
    one(template, "rejected", "address", "is not allowed: ", event(host="localhost"), again=(4, 9))
    one('url = "http://localhost:%d/in"; private = "refuse";' % port, "deferred", "address", "not allowed")
    one('url = "http://169.254.169.254/latest"; timeout = "2s";', "deferred", "address", "169.254.169.254")
    equal("requests", len(r.requests), 0)

    # templates
    for host in ("", "a b", "x:y@127.0.0.1", "127.0.0.1:99999", "\n", "a" * 300):
        one(template, "rejected", "template", "", event(host=host))
    one(template, "rejected", "template", "", event())
    one('url = "http://{{ $event.payload.host }}:%d/in"; hosts = ( "*.example.com" );' % port, "rejected", "template",
        "the host 127.0.0.1 is none of hosts", event(host="127.0.0.1"))
    header = 'url = "%s"; headers = ( { name = "X-Name"; value = "$event.payload.name"; } );' % r.url
    one(header, "rejected", "template", "the header X-Name", event(name="a\r\nX-Evil: 1"))
    one(header, "done", "", "", event(name="a"))
    equal("header", r.requests[-1].headers["x-name"], "a")

    # what is found before anything runs
    for options, finding in (('signing = "standard"; secrets = ( "whsec_short" );', "secrets"),
                             ('secrets = ( "not base64 at all!" );', "secrets"),
                             ('signing = "ed25519"; secrets = ( "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" );', "secrets"),
                             ('basic = "no-colon";', "basic"),
                             ('order = "key";', "order_key"),
                             ('rate = "10";', "rate")):
        with Driven('url = "%s"; ' % r.url + options, refused=True) as d:
            contains(options, d.findings, finding)
            if "whsec_short" in d.findings or "MfKQ9" in d.findings:
                raise AssertionError("a secret is shown: " + d.findings)

    # check --online
    with Driven('url = "%s/a-token";' % r.url) as d:
        contains("probe", d.text("probe"), "can be reached; nothing was sent")
    with Driven('url = "http://127.0.0.1:%d/a-token";' % free_port()) as d:
        equal("probe", d.text("probe"), "-111")
    equal("requests", len(r.requests), 1)

    # dead show --render
    with Driven('url = "%s/a-token/{{ n }}"; bearer = "a-bearer-token"; secrets = ( "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" ); '
                'headers = ( { name = "X-Api-Key"; value = "a-key-of-mine"; }, { name = "X-N"; value = "$event.payload.n"; } );'
                % r.url) as d:
        d.write([event(7)])
        text = d.text("render", 0)
        contains("render", text, "POST http://127.0.0.1:%d/***\n" % port)
        contains("render", text, "Authorization: ***\n")
        contains("render", text, "X-Api-Key: ***\nX-N: 7\nwebhook-id: ")
        contains("render", text, '"payload":{"n":7}}')
        for secret in ("a-token", "a-bearer", "a-key-of", "whsec"):
            if secret in text:
                raise AssertionError("%s is shown" % secret)

if not shutil.which("openssl"):
    sys.exit(0)
folder = tempfile.mkdtemp(prefix="il-test-")
try:
    files = make_ca(folder)
    with Receiver(tls=(files["server.pem"], files["server.key"])) as r:
        one('url = "%s/in";' % r.url, "deferred", "tls", "no secure connection")
        one('url = "https://127.0.0.1:%d/in"; ca_file = "%s";' % (r.port, files["ca.pem"]), "deferred", "tls",
            "no secure connection")
        one('url = "%s/in"; ca_file = "%s";' % (r.url, files["ca.pem"]), "done", "", "")
        one('url = "%s/in"; verify = false;' % r.url, "done", "", "")
        with Driven('url = "%s/in"; ca_file = "%s";' % (r.url, files["ca.pem"])) as d:
            contains("probe", d.text("probe"), "its certificate is good")
        with Driven('url = "%s/in";' % r.url) as d:
            equal("probe", d.text("probe"), "-111")
    with Receiver() as r:  # TLS to what does not speak it
        one('url = "https://127.0.0.1:%d/in"; timeout = "%ds";' % (r.port, 3 * PATIENCE), "deferred", "tls", "no secure connection")
finally:
    shutil.rmtree(folder)

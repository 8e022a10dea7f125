#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong in a file of tests is said with its file, line and what to do, before
# any of them runs; the exit code is 1, and 2 for a wrong command line.
. "$(dirname "$0")/lib.sh"
needs sdk.event webhook.out
KEY=a-key-of-tests
export KEY
cat >c.conf <<'E2'
state_dir = "state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); },
            { name = "web"; plugin = "sdk.event"; keys = ( "another-key-of-tests" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "*"; } );
  destinations = ( { plugin = "webhook.out"; name = "hook"; url = "https://h.example/x";
                     signing = "none"; } ); } );
E2

# one EXPECTED-LINE...: t.conf, read from standard input, is refused with these
one() {
    cat >t.conf
    printf '%s\n' "$@" >expected.txt
    says expected.txt "$il" test t.conf
    [ "$code" = 1 ] || { echo "exit code $code"; status=1; }
    [ ! -s out.txt ] || { cat out.txt; status=1; }
}

one 't.conf:2: tests #1.nmae: no such option; did you mean "name"?' \
    't.conf:3: tests #1.expect #1.rwos: no such option; did you mean "rows"?' \
    't.conf:3: tests #1.expect #1: expects nothing: give one of rows, requests, request, drop, dead, gate and entity' <<'E2'
config = "c.conf"; tests = (
  { nmae = "x"; name = "y"; given = ( { source = "app"; type = "a"; } );
    expect = ( { lane = "p/hook"; rwos = 1; } ); } );
E2
one 't.conf:2: tests #1.entities #1.traits: is no JSON: expected a key in double quotes, found '"'b'" \
    't.conf:3: tests #1.given #1.payload: expected a group { } or JSON in a text in double quotes' \
    't.conf:3: tests #1.given #1.source: there is no source "ap" in the config; did you mean "app"?' \
    't.conf:4: tests #1.given #2: says no source, and the config has 2: write source = "NAME"' \
    't.conf:5: tests #1.given #3: has no type: an event needs one, and where none comes `after` says how much time passes' \
    't.conf:6: tests #1.expect #1.lane: there is no lane "p/hok" in the config; did you mean "p/hook"?' \
    't.conf:7: tests #1.expect #2: expects several things: give one of rows, requests, request, drop, dead, gate and entity' \
    't.conf:8: tests #1.expect #3.requests: of which lane? write lane = "PIPELINE/DESTINATION"' \
    't.conf:9: tests #1.expect #4.event: there is no event 9; `given` has 3, counted from 0' \
    't.conf:10: tests #1.expect #5.event: none of `given` has the id "no"' \
    't.conf:11: tests #1.expect #6.drop: of which event? write event = N, its number in `given` from 0 on, or its id' \
    't.conf:12: request.bdy: no such option; did you mean "body"?' \
    't.conf:13: tests #1.expect #8.requests: expected a number, or a list of groups, ( { ... } )' \
    't.conf:14: tests #1.expect #9.gate: expected 200 to 599, found 99' \
    't.conf:15: tests #1.expect #10.entity: expected its kind and id, as in "user/u_1"' \
    't.conf:16: tests #1.expect #11.traits: goes with `entity`' <<'E2'
config = "c.conf"; tests = ( { name = "y";
  entities = ( { kind = "user"; id = "1"; traits = "{broken"; } );
  given = ( { source = "ap"; type = "a"; payload = 5; },
            { type = "a"; },
            { source = "app"; payload = { a = 1; }; } );
  expect = ( { lane = "p/hok"; requests = 1; },
             { lane = "p/hook"; rows = 1; drop = "x"; },
             { requests = 1; },
             { event = 9; gate = 202; },
             { event = "no"; drop = "x"; },
             { drop = "x"; },
             { lane = "p/hook"; request = { bdy = "x"; }; },
             { lane = "p/hook"; requests = "x"; },
             { event = 0; gate = 99; },
             { entity = "user"; },
             { event = 0; gate = 202; traits = { a = 1; }; } ); } );
E2
one 't.conf:1: tests #1.at: expected a time after 1970, as in "2026-11-28T10:00:00Z", found "yesterday"' \
    't.conf:2: tests #1.given #1.after: expected a duration with its unit (ms, s, m, h, d, w), like "30s", found "5"' <<'E2'
config = "c.conf"; tests = ( { name = "y"; at = "yesterday";
  given = ( { source = "app"; type = "a"; after = "5"; } ); expect = ( { gate = 202; } ); } );
E2
one 't.conf:1: config: cannot read none.conf: No such file or directory' <<'E2'
config = "none.conf"; tests = ( { name = "y"; given = ( { type = "a"; } ); expect = ( { gate = 202; } ); } );
E2
one 't.conf: config: which config are the tests about? write config = "FILE", or give -c FILE' <<'E2'
tests = ( { name = "y"; given = ( { type = "a"; } ); expect = ( { gate = 202; } ); } );
E2
one 't.conf: tests: is required and missing: What is tried: a list of tests.' <<'E2'
config = "c.conf";
E2
one 't.conf:1: env: expected a group { } with a text for each name' <<'E2'
config = "c.conf"; env = "KEY"; tests = ( { name = "y"; given = ( { source = "app"; type = "a"; } ); expect = ( { gate = 202; } ); } );
E2
one 't.conf:2: "name" has no value' <<'E2'
config = "c.conf"; tests = (
  { name = ; } );
E2
cp t.conf d.conf
sed 's/match = "\*"/mach = "*"/' c.conf >wrong.conf
one 'wrong.conf:6: pipeline "p": sources #1.mach: no such option; did you mean "match"?' <<'E2'
config = "wrong.conf"; tests = ( { name = "y"; given = ( { source = "app"; type = "a"; } ); expect = ( { gate = 202; } ); } );
E2
# A config that has tests is checked with them, and the daemon would pass over them.
{ cat c.conf; echo 'tests = ( { name = "y"; given = ( { source = "app"; type = "a"; payload = { }; } );'
  echo '  expect = ( { lane = "p/x"; requests = 1; } ); } );'; } >own.conf
echo 'own.conf:10: tests #1.expect #1.lane: there is no lane "p/x" in the config; there are: p/hook' >expected.txt
checks expected.txt own.conf

# Files beside it, and the command line.
sed 's|p/x|p/hook|' own.conf >fine.conf
says /dev/null "$il" test fine.conf
[ "$code" = 0 ] && grep -qx 'fine.conf: 1 of 1 test passed' out.txt ||
    { echo "fine.conf: exit code $code"; cat out.txt; status=1; }
echo 'c.conf: there are no tests in it' >expected.txt
says expected.txt "$il" test c.conf
printf '{\n"p/hook": {,\n}' >tables.json
echo "ingestlayer test: tables.json:2: expected a key in double quotes, found ','; expected what \`ingestlayer ddl --save\` or \`plan --save\` writes" >expected.txt
says expected.txt "$il" test --catalog tables.json fine.conf
echo 'ingestlayer test: no test has a name like "z*"' >expected.txt
says expected.txt "$il" test --filter 'z*' fine.conf
echo 'ingestlayer test: cannot write none/r.xml: No such file or directory' >expected.txt
says expected.txt "$il" test --junit none/r.xml fine.conf
for wrong in '' '--nope fine.conf' '--record evt_1 fine.conf'; do
    # shellcheck disable=SC2086
    "$il" test $wrong >out.txt 2>err.txt
    code=$?
    [ $code = 2 ] && [ -s err.txt ] || { echo "test $wrong: exit code $code"; status=1; }
done
# One file that is wrong takes nothing from the others, and is in the report.
"$il" test --junit r.xml d.conf fine.conf >out.txt 2>err.txt
[ $? = 1 ] && grep -q 'fine.conf: 1 of 1 test passed' out.txt ||
    { cat out.txt; status=1; }
grep -q '<testsuites tests="2" failures="0" errors="1">' r.xml ||
    { cat r.xml; status=1; }
exit $status

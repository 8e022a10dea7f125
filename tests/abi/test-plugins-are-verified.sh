#!/bin/sh
# SPDX-License-Identifier: MIT
# `ingestlayer plugins --verify` names what a plugin breaks, and finds nothing
# in ours.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fakes=$IL_BUILDDIR/tests/.libs
cd "$dir" || exit 1

# verify N FILE OPTIONS: in the background, since much of it is waiting
verify() {
    ("$IL_BUILDDIR/ingestlayer" plugins --verify "$2" "$3" >"$1.out" 2>&1
     echo $? >"$1.code") &
}

# finds KIND FAULT CODE TEXT: what comes of one of the naughty plugins
cases=0
finds() {
    cases=$((cases + 1))
    verify $cases "$fakes/$1.naughty.so" "fault = \"$2\";"
    printf '%s %s\n' "$1" "$2" >$cases.what
    echo "$3" >$cases.expected-code
    echo "$4" >$cases.expected
    [ $((cases % 6)) = 0 ] && wait
}

# passes FILE OPTIONS: a plugin that does nothing wrong; those that were left out
# at configure are not there
passes() {
    [ -f "$1" ] || return
    cases=$((cases + 1))
    verify $cases "$1" "$2"
    echo "$1" >$cases.what
    echo 0 >$cases.expected-code
    echo "${1##*/}: nothing found" >$cases.expected
    [ $((cases % 6)) = 0 ] && wait
}

finds step none 0 'step.naughty.so: nothing found'
finds step hang-start 1 'step.naughty.so: start(): does not come back'
finds step exit-open 1 'step.naughty.so: open(): calls exit()'
finds step exit 1 'step.naughty.so: process(): calls exit()'
finds step exit-thread 1 'step.naughty.so: a thread of its own: calls exit()'
finds step leak 1 'step.naughty.so: 1 text is not given back'
finds step half-open 1 'step.naughty.so: 1 text is not given back, open() without memory'
finds step thread-in-open 1 'step.naughty.so: open(): the thread "'
finds step thread-after-stop 1 'step.naughty.so: stop(): the thread "'
finds step index 1 'step.naughty.so: process(): il_drop() of event 9 in a batch of 9'
finds step edits-differ 1 'step.naughty.so: process(): makes something else of the same events'
finds destination none 0 'destination.naughty.so: nothing found'
finds destination hang 1 'destination.naughty.so: write(): does not come back'
finds destination index 1 'destination.naughty.so: write(): il_reject() of event 4294967295 in a batch of 9'
finds destination late 1 'destination.naughty.so: write(): il_drop() outside of process()'
finds destination double-settle 1 'destination.naughty.so: write(): settles a batch twice'
finds destination settle-and-error 1 'destination.naughty.so: write(): settled a batch and then returned an error'
finds destination never-settle 1 'destination.naughty.so: stop(): 1 batch is not settled'
finds destination odd-outcome 1 'destination.naughty.so: write(): settles a batch with an outcome that there is not'
finds destination no-memory-is-final 1 'destination.naughty.so: write(): makes dead letters of good events where there is no memory'
finds destination prepare-is-nothing 1 'destination.naughty.so: write(): settles IL_OK though il_prepare() has failed'
finds source none 0 'source.naughty.so: nothing found'
finds source answer-twice 1 'source.naughty.so: handle(): answers a request twice'
finds source no-answer 1 'source.naughty.so: handle(): left a request without an answer'
finds source emit-early 1 'source.naughty.so: open(): il_emit() before start()'
finds source bad-emission 1 'source.naughty.so: start(): il_emit() of an emission without struct_size'
finds source no-end 1 'source.naughty.so: stop(): does not come back'
# Under sanitizers it is they who say what a crash was.
if ! grep -q '^#define IL_SANITIZED' "$IL_BUILDDIR/config.h"; then
    finds step segv 1 'step.naughty.so: process(): dies of SIGSEGV'
    finds step overflow 1 'step.naughty.so: process(): dies of SIGSEGV'
fi

plugins=$IL_BUILDDIR/plugins
passes "$fakes/destination.null.so" ''
passes "$fakes/source.list.so" 'events = ( { type = "a"; } ); repeat = 1000000000;'
passes "$plugins/filter.match/.libs/filter.match.so" 'where = "n > 1";'
passes "$plugins/enrich.entity/.libs/enrich.entity.so" \
    'kind = "user"; key = "$event.payload.user_id";'
passes "$plugins/dedupe/.libs/dedupe.so" \
    'key = "{{ $event.type }}: {{ user_id }}"; mark = true;'
passes "$plugins/throttle/.libs/throttle.so" 'max = 2; window = "1h";'
passes "$plugins/count/.libs/count.so" \
    'value = "$event.payload.n"; distinct = "$event.id";'
passes "$plugins/transform/.libs/transform.so" \
    'set = ( { name = "a.b"; value = "{{ n }}"; } ); keep = ( "a", "n" );'
passes "$plugins/redact.pii/.libs/redact.pii.so" \
    'fields = ( "user_id" ); detect = ( "email", "ip" ); how = "hash";
     key = "0123456789abcdef";'
passes "$plugins/sdk.event/.libs/sdk.event.so" 'keys = ( "a" );'
passes "$plugins/webhook.in/.libs/webhook.in.so" \
    'token = "abcdefghijklmnop"; type = "t"; secrets = ( "s" );'
passes "$plugins/warehouse.pg/.libs/warehouse.pg.so" \
    'connection = "host=127.0.0.1 port=1 connect_timeout=1"; table = "t.rows";
     columns = ( { name = "id"; value = "$event.id"; } );'
passes "$plugins/webhook.out/.libs/webhook.out.so" \
    'url = "http://127.0.0.1:1/in"; order = "key";
     order_key = "$event.payload.user_id"; rate = "100/s";
     secrets = ( "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" );'
passes "$plugins/slack/.libs/slack.so" \
    'token = "xoxb-1"; channel = "C1"; api = "http://127.0.0.1:1/api";
     text = "{{ $event.type }}: {{ n }}"; rate = "1000/s";'
passes "$plugins/discord/.libs/discord.so" 'url = "http://127.0.0.1:1/api/x";'
passes "$plugins/discord/.libs/discord.so" \
    'url = "http://127.0.0.1:1/api/x"; rate = "1000/s"; concurrency = 16;'
passes "$plugins/telegram/.libs/telegram.so" \
    'token = "1:a"; chat_id = "-1"; api = "http://127.0.0.1:1";
     rate = "1000/s";'
passes "$plugins/email.out/.libs/email.out.so" \
    'url = "smtp://127.0.0.1:1"; from = "a@example.com"; concurrency = 4;
     to = ( "Ops <b@example.com>", "$event.payload.user_id" );
     recipients = ( "*@example.com" ); username = "a"; password = "b";
     rate = "1000/s";'
passes "$plugins/email.out/.libs/email.out.so" \
    'url = "smtp://127.0.0.1:1"; from = "a@example.com"; starttls = "none";
     to = ( "b@example.com" ); rate = "1000/s";'
wait

status=0 n=1
while [ $n -le $cases ]; do
    read -r expected <$n.expected
    read -r code <$n.expected-code
    if ! grep -qF "$expected" $n.out || [ "$(cat $n.code)" != "$code" ]; then
        echo "$(cat $n.what): expected, with $code: $expected"
        echo "$(cat $n.what): actual, with $(cat $n.code):"
        cat $n.out
        status=1
    fi
    n=$((n + 1))
done

out=$("$IL_BUILDDIR/ingestlayer" plugins --verify "$fakes/step.naughty.so" 2>&1) && {
    echo "without the options that it needs: verified"
    status=1
}
case $out in
*'fault: is required and missing'*) ;;
*) echo "without the options that it needs: $out"; status=1 ;;
esac
exit $status

#!/bin/sh
# SPDX-License-Identifier: MIT
# Commands that root runs go on as the owner of state_dir: what they make is the
# daemon's, and links in it lead nowhere that its owner may not go.
[ "$(id -u)" = 0 ] || exit 77
owner=nobody
id $owner >/dev/null 2>&1 || exit 77
il=$IL_BUILDDIR/ingestlayer
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
chmod 755 "$T"
fail() { echo "$*" >&2; exit 1; }
printf 'user_id,plan\nu1,free\n' >"$T/users.csv"
chmod 600 "$T/users.csv"
owned() { # FOLDER
    find "$1" ! -user $owner | grep . && fail "not its owner's: see above"
}
conf() { # STATE_DIR [MORE]
    printf 'state_dir = "%s"; entities = { map_size = "64MiB"; }; %s\n' "$1" "${2-}" >"$T/conf"
}

# an empty folder of the daemon's
mkdir "$T/a"
chown $owner "$T/a"
conf "$T/a"
"$il" entity import "$T/users.csv" -c "$T/conf" >"$T/out" || fail "import"
owned "$T/a"
"$il" entity get user u1 -c "$T/conf" | grep -q free || fail "get"
"$il" entity import "$T/users.csv" -s "$T/a" >"$T/out" || fail "import -s"
owned "$T/a"
"$il" dead list -c "$T/conf" >"$T/out" || fail "dead list"
owned "$T/a"

"$il" lane pause p/d -s "$T/a" >"$T/out" 2>&1 && fail "lane pause of none"
owned "$T/a"

# no folder yet: the config names the user
conf "$T/b" "user = \"$owner\";"
"$il" entity import "$T/users.csv" -c "$T/conf" >"$T/out" || fail "first import"
owned "$T/b"
# ... or a folder in one of the daemon's
mkdir "$T/home"
chown $owner "$T/home"
"$il" entity import "$T/users.csv" -s "$T/home/c" >"$T/out" || fail "import in its home"
owned "$T/home"

# links to what only root may touch
mkdir "$T/secret" "$T/d"
chmod 700 "$T/secret"
chown $owner "$T/d"
ln -s "$T/secret" "$T/d/entities"
ln -s "$T/secret" "$T/d/dead"
conf "$T/d"
"$il" entity import "$T/users.csv" -c "$T/conf" >"$T/out" 2>&1 && fail "it followed the link"
"$il" dead list -c "$T/conf" >"$T/out" 2>&1 # whatever it says
[ -z "$(ls "$T/secret")" ] || fail "root followed a link: $(ls "$T/secret")"

# What the daemon may not read is found, though root may.
printf '0123456789abcdef' >"$T/key"
chmod 600 "$T/key"
listen='http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };'
conf "$T/a" "$listen sources = ( { name = \"a\"; plugin = \"sdk.event\"; keys = ( \"file:$T/key\" ); } );"
if "$il" plugins sdk.event >/dev/null 2>&1; then
    "$il" check -c "$T/conf" >"$T/out" 2>&1 && fail "check reads what the daemon may not"
    grep -q "cannot read the file $T/key: Permission denied" "$T/out" || fail "$(cat "$T/out")"
    grep -q "checked as the user $owner, who owns state_dir" "$T/out" || fail "$(cat "$T/out")"
    chown $owner "$T/key"
    "$il" check -c "$T/conf" >"$T/out" 2>&1 || fail "check: $(cat "$T/out")"
    # A draft of root's own.
    chown root "$T/key"
    chmod 600 "$T/conf"
    "$il" check -c "$T/conf" >"$T/out" 2>&1 || fail "check of a draft: $(cat "$T/out")"
    grep -q "warning: the user $owner, who owns state_dir, may not read this file; it is checked as root" "$T/out" ||
        fail "$(cat "$T/out")"
    chmod 644 "$T/conf"
    # A daemon that root starts reads before it becomes somebody else.
    chown root "$T/key"
    conf "$T/a" "user = \"$owner\"; $listen sources = ( { name = \"a\"; plugin = \"sdk.event\"; keys = ( \"file:$T/key\" ); } );"
    "$il" check -c "$T/conf" >"$T/out" 2>&1 || fail "check with user: $(cat "$T/out")"
fi

# Somebody else is told who may, and nothing that is not known.
stranger() { setpriv --reuid 65533 --regid 65533 --clear-groups "$il" "$@"; }
stranger --version >/dev/null 2>&1 || exit 0
chmod 700 "$T/a"
for command in status 'dead list' 'dead show p/d 1' 'entity list' 'lane pause p/d'; do
    # shellcheck disable=SC2086
    stranger $command -s "$T/a" >"$T/out" 2>&1 && fail "$command: allowed"
    grep -q 'ermission denied: this is for root and the user that runs the daemon' "$T/out" ||
        fail "$command: $(cat "$T/out")"
    grep 'no dead letter' "$T/out" && fail "$command: said what it cannot know"
done
exit 0

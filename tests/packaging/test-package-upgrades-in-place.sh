#!/bin/sh
# SPDX-License-Identifier: MIT
# Where the daemon runs, an upgrade of Debian's package has it give its place to the
# new version, and whatever comes of that the package is installed.
[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || exit 77
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
mkdir "$T/bin"
sed 's/^#DEBHELPER#$/echo debhelper >>"$T\/calls"/' "$IL_SRCDIR/debian/ingestlayer.postinst" >"$T/postinst"
printf '#!/bin/sh\necho "$*" >>"$T/calls"\n[ $1 = status ] && exit $ABSENT\nexit $FAILS\n' >"$T/bin/ingestlayer"
chmod +x "$T/bin/ingestlayer"
export T ABSENT FAILS PATH="$T/bin:$PATH"

# calls EXPECTED ARGUMENT...: what the script calls, in a word each
calls() {
    want=$1
    shift
    : >"$T/calls"
    unshare -m --propagation private sh -ec 'mount -t tmpfs none /run
        [ -z "$SYSTEMD" ] || mkdir -p /run/systemd/system
        exec sh "$T/postinst" "$@"' sh "$@" 2>"$T/said" || { echo "$*: exit code $?"; exit 1; }
    got=$(tr '\n' , <"$T/calls")
    [ "$got" = "$want" ] || { echo "$*: expected $want, got $got"; exit 1; }
}
export SYSTEMD=1
ABSENT=0 FAILS=0
calls "debhelper,status,upgrade," configure 0.1.0
FAILS=1
calls "debhelper,status,upgrade," configure 0.1.0
grep -q "the version before runs on" "$T/said" || { echo "it says nothing"; exit 1; }
ABSENT=1
calls "debhelper,status," configure 0.1.0
calls "debhelper," configure ""
calls "debhelper," abort-upgrade 0.1.0
SYSTEMD=
calls "debhelper," configure 0.1.0

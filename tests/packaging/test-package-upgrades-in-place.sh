#!/bin/sh
# SPDX-License-Identifier: MIT
# Where the daemon runs, an upgrade of Debian's package has it give its place to the
# new version, and whatever comes of that the package is installed.
[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || exit 77
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
mkdir "$T/bin"
sed 's/^#DEBHELPER#$/echo debhelper >>"$T\/calls"/' "$IL_SRCDIR/debian/ingestlayer.postinst" >"$T/postinst"
printf '#!/bin/sh\necho "systemctl $*" >>"$T/calls"\nexit $INACTIVE\n' >"$T/bin/systemctl"
printf '#!/bin/sh\necho "ingestlayer $*" >>"$T/calls"\nexit $FAILS\n' >"$T/bin/ingestlayer"
chmod +x "$T"/bin/*
export T INACTIVE FAILS PATH="$T/bin:$PATH"

# calls EXPECTED ARGUMENT...: what the script calls, in a word each
calls() {
    want=$1
    shift
    : >"$T/calls"
    unshare -m --propagation private sh -ec 'mount -t tmpfs none /run
        [ -z "$SYSTEMD" ] || mkdir -p /run/systemd/system
        exec sh "$T/postinst" "$@"' sh "$@" 2>"$T/said" || { echo "$*: exit code $?"; exit 1; }
    got=$(sed 's/ --quiet//; s/ \(is-active\).*/ \1/' "$T/calls" | tr '\n' ,)
    [ "$got" = "$want" ] || { echo "$*: expected $want, got $got"; exit 1; }
}
export SYSTEMD=1
INACTIVE=0 FAILS=0
calls "debhelper,systemctl is-active,ingestlayer upgrade," configure 0.1.0
FAILS=1
calls "debhelper,systemctl is-active,ingestlayer upgrade," configure 0.1.0
grep -q "the version before runs on" "$T/said" || { echo "it says nothing"; exit 1; }
INACTIVE=3
calls "debhelper,systemctl is-active," configure 0.1.0
calls "debhelper," configure ""
calls "debhelper," abort-upgrade 0.1.0
SYSTEMD=
calls "debhelper," configure 0.1.0

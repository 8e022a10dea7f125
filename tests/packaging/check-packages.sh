#!/bin/sh
# SPDX-License-Identifier: MIT
# check-packages.sh DIR: the packages in DIR, in a fresh Debian 12: installed,
# fed, upgraded while the daemon runs, removed, purged.
#
# ROOT=PATH uses (and changes) a root that debootstrap made before.
set -eu
debs=$(cd "$1" && pwd)
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "check-packages: needs root and debootstrap"
    exit 77
fi
. "$IL_SRCDIR/tests/lib/daemon.sh"
work=$(mktemp -d)
root=${ROOT-$work/root}
pid='' step=''
finish() {
    status=$?
    [ -z "$pid" ] || kill "$pid" || true
    [ $status = 0 ] || {
        echo "FAILED: $step"
        tail -n 20 "$work"/*.out 2>/dev/null || true
    }
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    rm -rf --one-file-system "$work"
}
trap finish EXIT

step() {
    step=$*
    echo "--- $step"
}
# expect WANT COMMAND...: what it prints
expect() {
    want=$1
    shift
    got=$("$@" 2>&1) || true
    [ "$got" = "$want" ] || {
        echo "$*: expected \"$want\", got \"$got\""
        exit 1
    }
}
inside() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}
# A shell inside, as names with * are meant there.
apt() {
    inside sh -c "exec apt-get -qq -y -o Dpkg::Use-Pty=0 $*" \
        >> "$work/apt.out" 2>&1
}

start() {
    chroot "$root" setpriv --reuid ingestlayer --regid ingestlayer \
        --clear-groups ingestlayer run > "$work/daemon.out" 2>&1 &
    pid=$!
    tries=0
    until curl -fs -o /dev/null "http://127.0.0.1:$admin/readyz"; do
        tries=$((tries + 1))
        kill -0 $pid && [ $tries -lt 200 ]
        sleep 0.1
    done
}
stop() {
    kill "$pid"
    wait "$pid"
    pid=
}
# send ID: prints its status
send() {
    curl -fsS -H "Authorization: Bearer $key" \
        -H 'Content-Type: application/json' \
        -d "{\"id\":\"$1\",\"type\":\"a\",\"payload\":{}}" \
        "http://127.0.0.1:$gate/v1/ingest" |
        sed 's/.*"status":"\([a-z]*\)".*/\1/'
}
# The packages once more, as the version after: new only in their names and in
# what they ask of each other.
next_version() {
    for deb in "$debs"/ingestlayer*_*.deb; do
        case $deb in *-dbgsym_*) continue ;; esac
        rm -rf "$work/unpacked"
        dpkg-deb -R "$deb" "$work/unpacked"
        old=$(sed -n 's/^Version: //p' "$work/unpacked/DEBIAN/control")
        sed -i "s/^Version: .*/&.1/; s/(= $old)/(= $old.1)/g" \
            "$work/unpacked/DEBIAN/control"
        dpkg-deb --root-owner-group -b "$work/unpacked" "$root/next/" > /dev/null
    done
}

step "a fresh root"
[ -d "$root/usr" ] || debootstrap --variant=minbase bookworm "$root" \
    > "$work/debootstrap.out" 2>&1
mount -t proc proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
# What an earlier run left.
inside dpkg --purge ingestlayer-plugin-warehouse-pg \
    ingestlayer-plugin-webhook-out ingestlayer-plugin-stream-nats \
    ingestlayer-dev ingestlayer \
    > "$work/purge.out" 2>&1 || true
rm -rf "$root/debs" "$root/next" "$root/tests" "$root/var/lib/ingestlayer" \
    "$root/etc/ingestlayer"
mkdir "$root/debs" "$root/next"
cp "$debs"/*.deb "$root/debs/"
rm -f "$root"/debs/*-dbgsym_*
next_version

step "installed: libpq only with warehouse.pg, libcurl only with webhook.out"
apt update
apt install --no-install-recommends /debs/ingestlayer_*.deb
expect "" inside sh -c 'dpkg-deb -f /debs/ingestlayer_*.deb Depends |
    grep -E "libpq|libcurl|libnats"'
expect "ingestlayer:ingestlayer 750" inside stat -c '%U:%G %a' /var/lib/ingestlayer
inside test -f /lib/systemd/system/ingestlayer.service
inside ingestlayer check > "$work/check.out" 2>&1
apt install /debs/*.deb
inside ingestlayer plugins | grep -q ^warehouse.pg
inside ingestlayer plugins | grep -q ^webhook.out

step "configured: a key for the group alone"
gate=$(free_port) admin=$(free_port) key=of-the-test-0123456789abcdef
inside install -m 0640 -g ingestlayer /dev/null /etc/ingestlayer/key
echo $key > "$root/etc/ingestlayer/key"
cat > "$root/etc/ingestlayer/ingestlayer.conf" <<END
# changed by the administrator
state_dir = "/var/lib/ingestlayer";
http  = { listen = "127.0.0.1:$gate"; };
admin = { listen = "127.0.0.1:$admin"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "file:key" ); } );
END
start
expect accepted send one
expect duplicate send one

step "upgraded while it runs: it goes on, and what it knows with it"
apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install /next/*.deb
inside dpkg-query -W -f '${Version}\n' ingestlayer | grep -q '\.1$'
kill -0 $pid
expect accepted send two
stop
start
expect duplicate send one
expect duplicate send two
expect accepted send three
stop
head -n 1 "$root/etc/ingestlayer/ingestlayer.conf" | grep -q administrator
inside setpriv --reuid ingestlayer --regid ingestlayer --clear-groups \
    ingestlayer spool verify | grep -q '^3 events, .* 0 damaged'

step "the autopkgtests"
apt install --no-install-recommends curl postgresql gcc libc6-dev make pkg-config
mkdir -p "$root/tests" "$root/tests/tmp"
cp "$IL_SRCDIR"/debian/tests/* "$root/tests/"
inside env AUTOPKGTEST_TMP=/tests/tmp /tests/plugin-builds \
    > "$work/plugin-builds.out" 2>&1
inside sh -c 'dpkg-deb --fsys-tarfile /debs/ingestlayer_*.deb |
    tar xO ./etc/ingestlayer/ingestlayer.conf > /etc/ingestlayer/ingestlayer.conf'
inside env AUTOPKGTEST_TMP=/tests/tmp /tests/first-event \
    > "$work/first-event.out" 2>&1
grep '^one event, one row' "$work/first-event.out"
inside env AUTOPKGTEST_TMP=/tests/tmp /tests/first-webhook \
    > "$work/first-webhook.out" 2>&1
grep '^one event, one webhook' "$work/first-webhook.out"

step "purged: state stays, and goes only when that was asked for"
apt purge ingestlayer ingestlayer-plugin-warehouse-pg \
    ingestlayer-plugin-webhook-out ingestlayer-plugin-stream-nats
inside test -d /var/lib/ingestlayer/spool
inside test ! -e /etc/ingestlayer/ingestlayer.conf
apt install /next/*.deb
inside test -d /var/lib/ingestlayer/spool
apt install debconf
echo "ingestlayer ingestlayer/purge_state boolean true" |
    inside debconf-set-selections
apt purge ingestlayer ingestlayer-plugin-warehouse-pg \
    ingestlayer-plugin-webhook-out ingestlayer-plugin-stream-nats
inside test ! -e /var/lib/ingestlayer
step="all of it"
echo "all is well"

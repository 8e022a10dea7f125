#!/bin/sh
# SPDX-License-Identifier: MIT
# check-systemd.sh DIR: the packages in DIR under a systemd that lives, in a
# container with Debian 12: installed, reloaded, upgraded and restarted under load,
# watched, stopped, removed.  under-systemd.py is what runs inside.
#
# ROOT=PATH copies a root that debootstrap made before, with $needs.
set -eu
debs=$(cd "$1" && pwd)
needs=systemd,systemd-sysv,dbus,procps,python3,util-linux
skip() {
    echo "check-systemd: $*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in debootstrap systemd-nspawn dpkg-deb; do
    command -v $tool >/dev/null || skip "needs $tool"
done
work=$(mktemp -d)
root=$work/root
finish() {
    status=$?
    ! mountpoint -q "$root/proc" || umount "$root/proc"
    [ $status = 0 ] || [ $status = 77 ] || tail -n 20 "$work"/*.out
    rm -rf --one-file-system "$work"
}
trap finish EXIT
inside() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}
# later FOLDER SUFFIX: the packages once more, as a version that came later: new
# only in their names and in what they ask of each other.
later() {
    mkdir "$root/$1"
    for deb in "$root"/debs/*.deb; do
        rm -rf "$work/unpacked"
        dpkg-deb -R "$deb" "$work/unpacked"
        old=$(sed -n 's/^Version: //p' "$work/unpacked/DEBIAN/control")
        sed -i "s/^Version: .*/&$2/; s/(= $old)/(= $old$2)/g" \
            "$work/unpacked/DEBIAN/control"
        dpkg-deb --root-owner-group -b "$work/unpacked" "$root/$1/" > /dev/null
    done
}

echo "--- a fresh root"
if [ -n "${ROOT-}" ]; then
    cp -a "$ROOT" "$root"
else
    debootstrap --variant=minbase --include=$needs bookworm "$root" \
        > "$work/debootstrap.out" 2>&1
fi
mount -t proc proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mkdir "$root/debs"
cp "$debs"/*.deb "$root/debs/"
rm -f "$root"/debs/*-dbgsym_*
later next .1
later after .2
# What the packages need stays; they themselves are installed where systemd runs.
{
    inside apt-get -qq -y update
    inside sh -c 'apt-get -qq -y -o Dpkg::Use-Pty=0 install \
        --no-install-recommends postgresql /debs/*.deb'
    inside dpkg --purge ingestlayer-plugin-warehouse-pg \
        ingestlayer-plugin-webhook-out ingestlayer-plugin-stream-nats \
        ingestlayer-dev ingestlayer
} > "$work/apt.out" 2>&1
rm -rf "$root/usr/sbin/policy-rc.d" "$root/var/lib/ingestlayer" "$root/etc/ingestlayer"
umount "$root/proc"

mkdir "$root/check"
cp "$IL_SRCDIR/tests/packaging/under-systemd.py" "$IL_SRCDIR/tests/lib/load.py" "$root/check/"
cat > "$root/etc/systemd/system/check.service" <<END
[Service]
Type=exec
ExecStart=/bin/sh -c 'PYTHONDONTWRITEBYTECODE=1 python3 /check/under-systemd.py > /check/out 2>&1; \
    echo \$? > /check/code; journalctl --no-pager > /check/journal 2>&1; systemctl poweroff'
[Install]
WantedBy=multi-user.target
END
ln -s ../check.service "$root/etc/systemd/system/multi-user.target.wants/"
# It has a network of its own, in which the ports of the default config are free.
timeout -k 30 "${LIMIT-900}" systemd-nspawn -q --register=no --keep-unit --private-network \
    -D "$root" -b --console=read-only > "$work/console.out" 2>&1 < /dev/null || true
[ -e "$root/check/out" ] || {
    tail -n 3 "$work/console.out"
    skip "systemd does not start in a container here"
}
cat "$root/check/out"
code=$(cat "$root/check/code" 2>/dev/null || echo 1)
[ "$code" = 0 ] || tail -n "${LINES-60}" "$root/check/journal" 2>/dev/null
exit "$code"

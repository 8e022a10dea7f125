#!/bin/sh
# SPDX-License-Identifier: MIT
# deb.sh TARBALL VERSION: build Debian's packages from a release, in a folder
# that holds nothing else.  They land in deb/, beside lintian's opinion.
set -eu
tarball=$1 version=$2

for tool in dpkg-buildpackage dh; do
    command -v $tool >/dev/null || {
        echo "make deb: $tool is missing; install dpkg-dev and debhelper" >&2
        exit 1
    }
done
rm -rf deb
mkdir deb
cp "$tarball" "deb/ingestlayer_$version.orig.tar.gz"
cd deb
tar xzf "ingestlayer_$version.orig.tar.gz"
cd "ingestlayer-$version"
dpkg-checkbuilddeps || {
    echo "make deb: install these first (apt-get build-dep ./ does)" >&2
    exit 1
}
dpkg-buildpackage -us -uc
cd ..
rm -rf "ingestlayer-$version"
if command -v lintian >/dev/null; then
    lintian --fail-on error,warning --allow-root ./*.changes
else
    echo "make deb: lintian is missing: nothing was asked of it"
fi
ls -l ./*.deb

#!/bin/sh
# SPDX-License-Identifier: MIT
# Prepare a checkout for building: autoreconf, then ./configure with the
# arguments given here.
#
#   ./autogen.sh [--install-deps] [configure arguments]
#
# --install-deps first installs what build-aux/packages lists and is missing
# (Debian and relatives; elsewhere the packages are printed by name), the build
# tools of the TypeScript SDK included.  NOCONFIGURE=1 stops before configure.
# Without --install-deps neither network nor root is needed.
set -eu
cd "$(dirname "$0")"

install_deps() {
    missing=
    while read -r package command _; do
        case $package in ''|'#'*) continue ;; esac
        if [ "$command" != - ]; then
            command -v "$command" >/dev/null 2>&1 && continue
        fi
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' && continue
        missing="$missing $package"
    done < build-aux/packages

    if [ -n "$missing" ]; then
        sudo=
        if [ "$(id -u)" != 0 ]; then
            command -v sudo >/dev/null 2>&1 || {
                echo "autogen.sh: not root and no sudo; install by hand:$missing" >&2
                exit 1
            }
            sudo=sudo
        fi
        echo "autogen.sh: installing:$missing"
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
        # shellcheck disable=SC2086 # a list of words
        $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends $missing
    fi
    for package in sdk/typescript tests/clients tests/webhooks; do
        (cd "$package" && npm ci --no-audit --no-fund)
    done
}

if [ "${1-}" = --install-deps ]; then
    shift
    if command -v apt-get >/dev/null 2>&1; then
        install_deps
    else
        echo "autogen.sh: --install-deps knows apt only; install the equivalents of:" >&2
        sed -n 's/^\([a-z0-9][^ ]*\) .*/  \1/p' build-aux/packages >&2
        exit 1
    fi
fi

autoreconf --install --warnings=all,no-obsolete
if [ -n "${NOCONFIGURE-}" ]; then
    exit 0
fi
./configure "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
# The templates build and are tested with what `make install` puts in place and
# nothing else, and the daemon takes what they install.
set -u
command -v pkg-config >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The test host's library asks for the sanitizers that it was built with.
sanitizers=$(sed -n 's/^#define IL_SANITIZED "\(.*\)"/\1/p' "$IL_BUILDDIR/config.h")
CFLAGS="-g -O1${sanitizers:+ -fsanitize=$sanitizers} -Wall -Wextra -Werror"

# Install the development files, and have pkg-config look there.
unset MAKEFLAGS MAKELEVEL MFLAGS
make -s -C "$IL_BUILDDIR" DESTDIR="$dir/root" install-ilincludeHEADERS \
    install-testhostlibDATA install-pkgconfigDATA \
    install-dist_template_sourceDATA install-dist_template_stepDATA \
    install-dist_template_destinationDATA >"$dir/log" 2>&1 || {
    cat "$dir/log"
    exit 1
}
PKG_CONFIG_PATH=$(dirname "$(find "$dir/root" -name ingestlayer-plugin.pc)")
for pc in plugin testhost; do
    sed "s,^\([a-z]*dir\|prefix\|exec_prefix\)=\(/.*\),\1=$dir/root\2," \
        "$PKG_CONFIG_PATH/ingestlayer-$pc.pc" >"$dir/pc" &&
        cp "$dir/pc" "$PKG_CONFIG_PATH/ingestlayer-$pc.pc"
done
export PKG_CONFIG_PATH
cp -R "$(pkg-config --variable=templatedir ingestlayer-plugin)" "$dir/template" ||
    exit 1
plugindir=$(pkg-config --variable=plugindir ingestlayer-plugin)

# builds KIND NAME SHOWN: what `plugins NAME` begins with
builds() {
    # -lm stands for a library that the plugin needs.
    make -s -C "$dir/template/$1" CFLAGS="$CFLAGS" LDLIBS=-lm check install ||
        exit 1
    [ -f "$(pkg-config --variable=mandir ingestlayer-plugin)/man5/$2.5" ] || {
        echo "$2: its manual is not installed"
        exit 1
    }
    out=$(INGESTLAYER_PLUGIN_PATH=$plugindir "$IL_BUILDDIR/ingestlayer" \
        plugins "$2") || exit 1
    case $out in
    "$2 1.0, a $1: $3"*) ;;
    *) echo "plugins shows: $out"; exit 1 ;;
    esac
    # The manual names each option.
    for option in $(INGESTLAYER_PLUGIN_PATH=$plugindir \
        "$IL_BUILDDIR/ingestlayer" plugins --dump "$2" |
        sed -n 's/^option\.\([a-z_]*\)\.type=.*/\1/p'); do
        grep -q "^\.It Ic $option\$" "$dir/template/$1/$2.5" || {
            echo "$2.5: without the option $option"
            exit 1
        }
    done
}

builds source template.tail 'Take the lines of a file as events.'
builds step template.upper 'Write a text field in capitals.'
builds destination template.file 'Append events to a file.'

#!/bin/sh
# SPDX-License-Identifier: MIT
# A stranger's plugin builds and is tested with what `make install` puts in
# place and nothing else.
set -u
command -v pkg-config >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The test host's library asks for the sanitizers that it was built with.
sanitizers=$(sed -n 's/^#define IL_SANITIZED "\(.*\)"/\1/p' "$IL_BUILDDIR/config.h")
CFLAGS="-g -O1${sanitizers:+ -fsanitize=$sanitizers}"

# Install into a folder, with pkg-config files that point there.
mkdir -p "$dir/include/ingestlayer" "$dir/lib" "$dir/pc" "$dir/template"
cp "$IL_SRCDIR/sdk/plugin/ingestlayer/plugin.h" \
    "$IL_SRCDIR/sdk/plugin/testhost/testhost.h" "$dir/include/ingestlayer/"
cp "$IL_BUILDDIR/sdk/plugin/testhost/libingestlayer-testhost.a" "$dir/lib/"
for pc in plugin testhost; do
    sed "s|^includedir=.*|includedir=$dir/include|; s|^libdir=.*|libdir=$dir/lib|
        s|^plugindir=.*|plugindir=$dir/plugins|" \
        "$IL_BUILDDIR/sdk/plugin/ingestlayer-$pc.pc" > "$dir/pc/ingestlayer-$pc.pc"
done
cp "$IL_SRCDIR"/sdk/plugin/template/* "$dir/template/"
chmod -R u+w "$dir/template"
PKG_CONFIG_PATH=$dir/pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
unset MAKEFLAGS MAKELEVEL MFLAGS

make -s -C "$dir/template" CFLAGS="$CFLAGS -Wall -Wextra -Werror" check install ||
    exit 1
out=$(INGESTLAYER_PLUGIN_PATH=$dir/plugins "$IL_BUILDDIR/ingestlayer" \
    plugins template.upper) || exit 1
case $out in
'template.upper 1.0, a step: Write a text field in capitals.'*) ;;
*) echo "plugins shows: $out"; exit 1 ;;
esac

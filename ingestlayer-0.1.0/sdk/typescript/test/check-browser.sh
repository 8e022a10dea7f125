#!/bin/sh
# SPDX-License-Identifier: MIT
# The TypeScript SDK in headless Chromium, against the daemon.
sdk=${IL_BUILDDIR:?}/sdk/typescript
skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null 2>&1 || skip "node is missing"
[ -f "$sdk/dist/esm/index.js" ] ||
    skip "the SDK is not built (npm ci in sdk/typescript, then configure and make)"
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] ||
    skip "plugin sdk.event was not built"
for CHROMIUM in chromium chromium-browser google-chrome; do
    command -v "$CHROMIUM" >/dev/null 2>&1 && break
    CHROMIUM=
done
[ -n "$CHROMIUM" ] || skip "chromium is missing"
IL_SDK=$sdk
export IL_SDK IL_BUILDDIR CHROMIUM
cd "${IL_SRCDIR:?}/sdk/typescript" && exec node --test test/in-browser.mjs test/across-origins.mjs

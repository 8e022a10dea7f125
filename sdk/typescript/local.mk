# @ingestlayer/sdk: built where node and the tools of package-lock.json are
# (npm ci); what npm publishes is put together in the build tree.
TYPESCRIPT_SRC = \
	sdk/typescript/src/client.ts \
	sdk/typescript/src/compress.ts \
	sdk/typescript/src/encode.ts \
	sdk/typescript/src/error.ts \
	sdk/typescript/src/events.ts \
	sdk/typescript/src/id.ts \
	sdk/typescript/src/index.ts \
	sdk/typescript/src/lifecycle.ts \
	sdk/typescript/src/loss.ts \
	sdk/typescript/src/options.ts \
	sdk/typescript/src/queue.ts \
	sdk/typescript/src/queue_options.ts \
	sdk/typescript/src/store.ts \
	sdk/typescript/src/tally.ts \
	sdk/typescript/src/transport.ts
TYPESCRIPT_PACKAGE = \
	$(srcdir)/sdk/typescript/README.md \
	sdk/typescript/build.mjs \
	$(srcdir)/sdk/typescript/package.json \
	sdk/typescript/tsconfig.json
EXTRA_DIST += $(TYPESCRIPT_SRC) $(TYPESCRIPT_PACKAGE) \
	sdk/README.md \
	sdk/typescript/package-lock.json \
	sdk/typescript/examples/browser.ts \
	sdk/typescript/examples/events.d.ts \
	sdk/typescript/examples/express.ts \
	sdk/typescript/examples/nextjs.ts \
	sdk/typescript/test/across-origins.mjs \
	sdk/typescript/test/batch.test.mjs \
	sdk/typescript/test/check-browser.sh \
	sdk/typescript/test/check.sh \
	sdk/typescript/test/chromium.mjs \
	sdk/typescript/test/daemon.mjs \
	sdk/typescript/test/daemon.test.mjs \
	sdk/typescript/test/declared.test.mjs \
	sdk/typescript/test/examples.test.mjs \
	sdk/typescript/test/generated/bad.ts \
	sdk/typescript/test/generated/events.conf \
	sdk/typescript/test/generated/good.ts \
	sdk/typescript/test/gzip.test.mjs \
	sdk/typescript/test/in-browser.mjs \
	sdk/typescript/test/ingest.test.mjs \
	sdk/typescript/test/matrix.test.mjs \
	sdk/typescript/test/package.test.mjs \
	sdk/typescript/test/page.test.mjs \
	sdk/typescript/test/plain-http.test.mjs \
	sdk/typescript/test/process.test.mjs \
	sdk/typescript/test/project.mjs \
	sdk/typescript/test/queue.test.mjs \
	sdk/typescript/test/runtimes.mjs \
	sdk/typescript/test/runtimes/package.json \
	sdk/typescript/test/server.mjs \
	sdk/typescript/test/stand-ins/next-server.d.ts \
	sdk/typescript/test/types/declared-bad.ts \
	sdk/typescript/test/types/declared-good.ts \
	sdk/typescript/test/types/undeclared-bad.ts \
	sdk/typescript/test/types/undeclared-good.ts

if HAVE_TYPESCRIPT
noinst_DATA += sdk/typescript/dist/built
endif
sdk/typescript/dist/built: $(TYPESCRIPT_SRC) $(TYPESCRIPT_PACKAGE)
	$(AM_V_GEN)$(NODE) '$(abs_srcdir)/sdk/typescript/build.mjs' \
		'$(abs_builddir)/sdk/typescript' && touch $@

TESTS += sdk/typescript/test/check.sh sdk/typescript/test/check-browser.sh

clean-local: clean-typescript
clean-typescript:
	rm -rf sdk/typescript/dist sdk/typescript/LICENSE
	test '$(srcdir)' = . || \
		rm -f sdk/typescript/package.json sdk/typescript/README.md
.PHONY: clean-typescript

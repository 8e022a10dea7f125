# webhook.in against the daemon.  What the vendors' libraries sign (npm ci in
# this folder; ./autogen.sh --install-deps does it) is skipped without them.
WEBHOOK_SYSTEM_TESTS = \
	tests/webhooks/test-hostile-webhooks-are-refused.py \
	tests/webhooks/test-vendors-webhooks-arrive.py
EXTRA_DIST += $(WEBHOOK_SYSTEM_TESTS) tests/webhooks/send.mjs \
	tests/webhooks/package.json tests/webhooks/package-lock.json
if PLUGIN_WEBHOOK_IN
if PLUGIN_WAREHOUSE_PG
TESTS += $(WEBHOOK_SYSTEM_TESTS)
endif
endif

# And by webhook.out, verified by the libraries of those who wrote the standard.
EXTRA_DIST += tests/webhooks/test-libraries-verify-our-signatures.py \
	tests/webhooks/verify.mjs
if PLUGIN_WEBHOOK_OUT
TESTS += tests/webhooks/test-libraries-verify-our-signatures.py
endif

# sdk.event against the clients of other systems (npm ci in this folder;
# ./autogen.sh --install-deps does it); skipped without them.
CLIENT_TESTS = tests/clients/test-other-clients-arrive.py
EXTRA_DIST += $(CLIENT_TESTS) tests/clients/send.mjs \
	tests/clients/package.json tests/clients/package-lock.json
if PLUGIN_WAREHOUSE_PG
TESTS += $(CLIENT_TESTS)
endif

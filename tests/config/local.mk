# Configs, right and wrong, and the life of the daemon without a database.
CONFIG_TESTS = \
	tests/config/test-a-changed-recipe-fails-its-tests.py \
	tests/config/test-a-broken-config-hides-no-daemon.sh \
	tests/config/test-a-source-without-end-stops.sh \
	tests/config/test-check-refuses-what-run-refuses.sh \
	tests/config/test-check-touches-nothing.sh \
	tests/config/test-conf-integers-do-not-wrap.sh \
	tests/config/test-conf-listen-is-an-address.sh \
	tests/config/test-conf-names-are-used-once.sh \
	tests/config/test-conf-reports-everything.sh \
	tests/config/test-conf-secrets-stay-secret.sh \
	tests/config/test-conf-tls-pairs-fit.sh \
	tests/config/test-comparisons-fit-what-is-declared.sh \
	tests/config/test-conf-undeclared-names.sh \
	tests/config/test-conf-unknown-key.sh \
	tests/config/test-conf-unknown-kind.sh \
	tests/config/test-conf-wrong-declarations.sh \
	tests/config/test-default-config-loads.sh \
	tests/config/test-derived-events-go-round-nowhere.sh \
	tests/config/test-drain-has-a-limit.sh \
	tests/config/test-sources-stop-in-order.sh \
	tests/config/test-steps-of-a-destination.sh \
	tests/config/test-guarantees-name-tests-that-exist.py \
	tests/config/test-host-options-yield.sh \
	tests/config/test-little-memory-is-no-crash.sh \
	tests/config/test-options-are-in-manuals.sh \
	tests/config/test-recipes-pass-their-tests.sh \
	tests/config/test-run-binds-before-it-connects.sh \
	tests/config/test-run-delivers-and-stops.sh \
	tests/config/test-tests-of-the-manual-pass.sh \
	tests/config/test-trials-tell-what-came.py \
	tests/config/test-types-need-only-events.sh \
	tests/config/test-usage.sh \
	tests/config/test-wrong-tests-are-named.sh
EXTRA_DIST += $(CONFIG_TESTS) tests/config/lib.sh
TESTS += $(CONFIG_TESTS)

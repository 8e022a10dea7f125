# end-to-end tests

# The whole daemon against a real Postgres; one behaviour each.
SYSTEM_TESTS = \
	tests/end-to-end/test-a-full-spool-takes-retries.py \
	tests/end-to-end/test-bad-row-is-a-dead-letter.py \
	tests/end-to-end/test-branches-by-plan.py \
	tests/end-to-end/test-clocks-that-jump.py \
	tests/end-to-end/test-copied-state-dir-is-fenced.py \
	tests/end-to-end/test-dead-letters-are-retried-once.py \
	tests/end-to-end/test-dead-show-redacts.py \
	tests/end-to-end/test-declared-orders-arrive.py \
	tests/end-to-end/test-demo-leaves-nothing.sh \
	tests/end-to-end/test-duplicates-stay-one-across-kill.py \
	tests/end-to-end/test-entities-enrich-over-http.py \
	tests/end-to-end/test-every-body-shape-arrives.py \
	tests/end-to-end/test-every-key-is-known.py \
	tests/end-to-end/test-exact-values-reach-the-table.py \
	tests/end-to-end/test-full-disk-is-503.py \
	tests/end-to-end/test-left-lane-keeps-its-events.py \
	tests/end-to-end/test-a-warning-of-postgres-is-logged.py \
	tests/end-to-end/test-missing-table-heals.py \
	tests/end-to-end/test-one-lane-does-not-hold-another.py \
	tests/end-to-end/test-operations-page.py \
	tests/end-to-end/test-outage-in-the-middle-loses-nothing.py \
	tests/end-to-end/test-paused-lane-keeps-its-place.py \
	tests/end-to-end/test-postgres-away-at-start.py \
	tests/end-to-end/test-recipe-alerts-on-few.py \
	tests/end-to-end/test-recipe-free-users-to-slack.py \
	tests/end-to-end/test-recipe-masked-chat.py \
	tests/end-to-end/test-state-is-shown.py \
	tests/end-to-end/test-throttle-delays.py \
	tests/end-to-end/test-clock-ticks-once.py \
	tests/end-to-end/test-state-memory-is-kept.py \
	tests/end-to-end/test-ten-million-keys.py \
	tests/end-to-end/test-entities-are-waited-for.py \
	tests/end-to-end/test-stale-entities-are-waited-for.py \
	tests/end-to-end/test-recipe-noisy-errors.py \
	tests/end-to-end/test-recipe-plan-changes.py \
	tests/end-to-end/test-recipe-third-export.py \
	tests/end-to-end/test-recipe-users-latest.py \
	tests/end-to-end/test-recipe-usage-by-account.py \
	tests/end-to-end/test-recorded-cases-are-tests.py \
	tests/end-to-end/test-refusals-are-kept.py \
	tests/end-to-end/test-refusals-can-be-sent-again.py \
	tests/end-to-end/test-renamed-lane-goes-on.py \
	tests/end-to-end/test-restored-backup-skips-nothing.py \
	tests/end-to-end/test-second-daemon-is-refused.py \
	tests/end-to-end/test-sigterm-delivers-what-is-there.py \
	tests/end-to-end/test-sigterm-with-postgres-away-loses-nothing.py \
	tests/end-to-end/test-source-limit-is-503.py \
	tests/end-to-end/test-spool-commands.py \
	tests/end-to-end/test-spool-limit-is-503.py \
	tests/end-to-end/test-stalled-senders-hold-up-nobody.py \
	tests/end-to-end/test-control-waits-for-nobody.py \
	tests/end-to-end/test-stops-keep-what-is-not-delivered.py \
	tests/end-to-end/test-torn-tail-is-cut.py \
	tests/end-to-end/test-upgrade-goes-back.py \
	tests/end-to-end/test-upgrade-refuses-nobody.py \
	tests/end-to-end/test-traits-are-told-once.py \
	tests/end-to-end/test-what-was-decided-travels.py \
	tests/end-to-end/test-why-online-finds-rows.py \
	tests/end-to-end/test-why-online-tells-of-a-key.py \
	tests/end-to-end/test-windows-are-told-of-once.py
EXTRA_DIST += $(SYSTEM_TESTS)
if PLUGIN_WAREHOUSE_PG
TESTS += $(SYSTEM_TESTS)
endif

SHELL_TESTS = \
	tests/end-to-end/test-cut-stores-hold-up-nobody.sh \
	tests/end-to-end/test-entity-command.sh \
	tests/end-to-end/test-results-travel.py \
	tests/end-to-end/test-root-acts-as-the-owner.sh \
	tests/end-to-end/test-admin-refuses-other-names.sh
PLAIN_TESTS = \
	tests/end-to-end/test-a-drain-says-how-far.py \
	tests/end-to-end/test-graph-draws-what-flows.py \
	tests/end-to-end/test-long-commands-show-how-far.py \
	tests/end-to-end/test-config-is-shown.py \
	tests/end-to-end/test-naughty-plugins-are-named.py \
	tests/end-to-end/test-origins-stay.py \
	tests/end-to-end/test-parked-chains-go-on-after-a-drop.py \
	tests/end-to-end/test-parked-events-are-listed-and-retried.py \
	tests/end-to-end/test-parked-lanes-move-and-are-forgotten.py \
	tests/end-to-end/test-renamed-source-knows-its-keys.py \
	tests/end-to-end/test-reload-at-the-gate.py \
	tests/end-to-end/test-reload-changes-lanes.py \
	tests/end-to-end/test-replay-decides-as-the-lane-did.py \
	tests/end-to-end/test-replay-mends-rows.py \
	tests/end-to-end/test-requests-are-http.py \
	tests/end-to-end/test-socket-unit-refuses-nobody.py \
	tests/end-to-end/test-tap-shows-what-passes.py \
	tests/end-to-end/test-top-shows-what-happens.py \
	tests/end-to-end/test-upgrade-tells-systemd.py \
	tests/end-to-end/test-upgrade-tells-tls-to-go.py \
	tests/end-to-end/test-why-answers-for-each-fate.py \
	tests/end-to-end/test-why-equals-the-oracle.py \
	tests/end-to-end/test-why-goes-by-what-is-noted.py
TESTS += $(SHELL_TESTS) $(PLAIN_TESTS)
EXTRA_DIST += $(SHELL_TESTS) $(PLAIN_TESTS)

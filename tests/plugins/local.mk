# Fake ends for tests and benches; never installed.  ./ingestlayer finds them.
FAKE_LINK = $(PLUGIN_LINK) -rpath /nowhere

check_LTLIBRARIES += tests/source.list.la tests/destination.null.la
tests_source_list_la_SOURCES = tests/plugins/source.list.c
tests_source_list_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_source_list_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_source_list_la_LDFLAGS = $(FAKE_LINK)
tests_destination_null_la_SOURCES = tests/plugins/destination.null.c
tests_destination_null_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_destination_null_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_destination_null_la_LDFLAGS = $(FAKE_LINK)

# What no plugin may do, once for each kind.
check_LTLIBRARIES += tests/source.naughty.la tests/step.naughty.la \
	tests/destination.naughty.la
tests_source_naughty_la_SOURCES = tests/plugins/naughty.c
tests_source_naughty_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DNAUGHTY_SOURCE
tests_source_naughty_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_source_naughty_la_LDFLAGS = $(FAKE_LINK)
tests_step_naughty_la_SOURCES = tests/plugins/naughty.c
tests_step_naughty_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DNAUGHTY_STEP
tests_step_naughty_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_step_naughty_la_LDFLAGS = $(FAKE_LINK)
tests_destination_naughty_la_SOURCES = tests/plugins/naughty.c
tests_destination_naughty_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DNAUGHTY_DESTINATION
tests_destination_naughty_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_destination_naughty_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/step.redact.la
tests_step_redact_la_SOURCES = tests/plugins/step.redact.c
tests_step_redact_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_step_redact_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_step_redact_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/step.later.la
tests_step_later_la_SOURCES = tests/plugins/step.later.c
tests_step_later_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_step_later_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_step_later_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/destination.own.la
tests_destination_own_la_SOURCES = tests/plugins/destination.own.c
tests_destination_own_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_destination_own_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_destination_own_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/source.count.la
tests_source_count_la_SOURCES = tests/plugins/source.count.c
tests_source_count_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_source_count_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_source_count_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/destination.each.la
tests_destination_each_la_SOURCES = tests/plugins/destination.each.c
tests_destination_each_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_destination_each_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_destination_each_la_LDFLAGS = $(FAKE_LINK)

check_LTLIBRARIES += tests/step.nth.la
tests_step_nth_la_SOURCES = tests/plugins/step.nth.c
tests_step_nth_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
tests_step_nth_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_step_nth_la_LDFLAGS = $(FAKE_LINK)

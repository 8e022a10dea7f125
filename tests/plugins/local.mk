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

# dedupe
plugin_LTLIBRARIES += plugins/dedupe/dedupe.la
plugins_dedupe_dedupe_la_SOURCES = plugins/dedupe/dedupe.c \
	plugins/dedupe/keyed.h
plugins_dedupe_dedupe_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_dedupe_dedupe_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_dedupe_dedupe_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/dedupe/dedupe.5
EXTRA_DIST += plugins/dedupe/dedupe.conf

if HAVE_CHECK
check_PROGRAMS += plugins/dedupe/tests/test-dedupe
TESTS += plugins/dedupe/tests/test-dedupe
plugins_dedupe_tests_test_dedupe_SOURCES = plugins/dedupe/tests/test-dedupe.c \
	plugins/dedupe/tests/keyed-test.h
plugins_dedupe_tests_test_dedupe_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(CHECK_CFLAGS)
plugins_dedupe_tests_test_dedupe_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/dedupe/tests/test-dedupe-check.sh
EXTRA_DIST += plugins/dedupe/tests/test-dedupe-check.sh

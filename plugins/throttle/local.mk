# throttle
plugin_LTLIBRARIES += plugins/throttle/throttle.la
plugins_throttle_throttle_la_SOURCES = plugins/throttle/throttle.c \
	plugins/throttle/summary.c plugins/throttle/summary.h \
	plugins/dedupe/keyed.h
plugins_throttle_throttle_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_throttle_throttle_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_throttle_throttle_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/throttle/throttle.5
EXTRA_DIST += plugins/throttle/throttle.conf

if HAVE_CHECK
check_PROGRAMS += plugins/throttle/tests/test-throttle
TESTS += plugins/throttle/tests/test-throttle
plugins_throttle_tests_test_throttle_SOURCES = plugins/throttle/tests/test-throttle.c \
	plugins/dedupe/tests/keyed-test.h
plugins_throttle_tests_test_throttle_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(CHECK_CFLAGS)
plugins_throttle_tests_test_throttle_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/throttle/tests/test-throttle-check.sh
EXTRA_DIST += plugins/throttle/tests/test-throttle-check.sh

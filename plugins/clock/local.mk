# clock
plugin_LTLIBRARIES += plugins/clock/clock.la
plugins_clock_clock_la_SOURCES = plugins/clock/clock.c
plugins_clock_clock_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_clock_clock_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_clock_clock_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/clock/clock.5
EXTRA_DIST += plugins/clock/clock.conf

if HAVE_CHECK
check_PROGRAMS += plugins/clock/tests/test-clock
TESTS += plugins/clock/tests/test-clock
plugins_clock_tests_test_clock_SOURCES = plugins/clock/tests/test-clock.c
plugins_clock_tests_test_clock_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(CHECK_CFLAGS)
plugins_clock_tests_test_clock_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/clock/tests/test-clock-check.sh
EXTRA_DIST += plugins/clock/tests/test-clock-check.sh

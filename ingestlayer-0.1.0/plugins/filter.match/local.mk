# filter.match
plugin_LTLIBRARIES += plugins/filter.match/filter.match.la
plugins_filter_match_filter_match_la_SOURCES = plugins/filter.match/match.c
plugins_filter_match_filter_match_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_filter_match_filter_match_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_filter_match_filter_match_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/filter.match/filter.match.5
EXTRA_DIST += plugins/filter.match/filter.match.conf \
	plugins/filter.match/tests/test-match-check.sh
TESTS += plugins/filter.match/tests/test-match-check.sh

if HAVE_CHECK
check_PROGRAMS += plugins/filter.match/tests/test-match
TESTS += plugins/filter.match/tests/test-match
plugins_filter_match_tests_test_match_SOURCES = \
	plugins/filter.match/tests/test-match.c
plugins_filter_match_tests_test_match_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS)
plugins_filter_match_tests_test_match_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

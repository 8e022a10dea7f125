# count
plugin_LTLIBRARIES += plugins/count/count.la
plugins_count_count_la_SOURCES = plugins/count/count.c \
	plugins/count/cell.c plugins/count/cell.h plugins/count/sum.c \
	plugins/count/sum.h plugins/dedupe/keyed.h
plugins_count_count_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(GNUTLS_CFLAGS)
plugins_count_count_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_count_count_la_LDFLAGS = $(PLUGIN_LINK)
plugins_count_count_la_LIBADD = $(GNUTLS_LIBS)
dist_man_MANS += plugins/count/count.5
EXTRA_DIST += plugins/count/count.conf

if HAVE_CHECK
check_PROGRAMS += plugins/count/tests/test-count
TESTS += plugins/count/tests/test-count
plugins_count_tests_test_count_SOURCES = plugins/count/tests/test-count.c \
	plugins/dedupe/tests/keyed-test.h
plugins_count_tests_test_count_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(CHECK_CFLAGS)
plugins_count_tests_test_count_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/count/tests/test-count-check.sh
EXTRA_DIST += plugins/count/tests/test-count-check.sh

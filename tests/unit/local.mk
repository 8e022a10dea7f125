# unit tests

check_PROGRAMS += tests/unit/test-metrics
TESTS += tests/unit/test-metrics
tests_unit_test_metrics_SOURCES = tests/unit/test-metrics.c
tests_unit_test_metrics_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_metrics_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-dead
TESTS += tests/unit/test-dead
tests_unit_test_dead_SOURCES = tests/unit/test-dead.c tests/unit/tempdir.h
tests_unit_test_dead_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dead_LDADD = $(UNIT_LIBS)

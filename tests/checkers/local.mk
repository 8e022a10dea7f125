# The whole suite with address and undefined behaviour sanitizer, with thread
# sanitizer, under valgrind: each in a build tree of its own below checked/.
#   make check-asan TESTS="tests/unit/test-json"     one test
#   make check-asan RESUME=1                         those that have not passed
LOG_DRIVER = $(SHELL) $(top_srcdir)/tests/checkers/driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)

EXTRA_DIST += tests/checkers/driver.sh tests/checkers/run.sh \
	tests/checkers/valgrind.sh tests/checkers/lsan.supp tests/checkers/tsan.supp tests/checkers/valgrind.supp \
	tests/checkers/test-reports-fail-a-test.sh
TESTS += tests/checkers/test-reports-fail-a-test.sh

check-asan check-tsan check-valgrind:
	+@MAKE='$(MAKE)' SHELL='$(SHELL)' SRCDIR='$(srcdir)' \
	RESUME='$(RESUME)' CONFIGURE_ARGS="`./config.status --config`" \
	$(SHELL) $(srcdir)/tests/checkers/run.sh $(@:check-%=%)
.PHONY: check-asan check-tsan check-valgrind

clean-local: clean-checked
clean-checked:
	rm -rf checked
.PHONY: clean-checked

# What is built and installed, not what it does.
PACKAGING_TESTS = \
	tests/packaging/test-builds-are-reproducible.sh \
	tests/packaging/test-completions-know-every-option.sh \
	tests/packaging/test-monitoring-names-what-exists.py \
	tests/packaging/test-one-list-has-every-package.py \
	tests/packaging/test-package-upgrades-in-place.sh \
	tests/packaging/test-packages-hold-what-is-installed.py \
	tests/packaging/test-programs-are-hardened.sh \
	tests/packaging/test-unit-is-tight.sh \
	tests/packaging/test-version-is-one.sh
EXTRA_DIST += $(PACKAGING_TESTS) tests/packaging/alerts.test.yml \
	tests/packaging/check-packages.sh tests/packaging/check-systemd.sh \
	tests/packaging/under-systemd.py
TESTS += $(PACKAGING_TESTS)

# Debian's packages in a root of their own: installed, upgraded while the
# daemon runs, purged.  Needs root, debootstrap and a mirror.
check-packages: deb
	$(AM_TESTS_ENVIRONMENT) $(SHELL) \
	    '$(srcdir)/tests/packaging/check-packages.sh' deb
# The same under a systemd that lives, in a container: reloaded, upgraded and
# restarted under load, watched, stopped.  Needs systemd-nspawn, too.
check-systemd: deb
	$(AM_TESTS_ENVIRONMENT) $(SHELL) \
	    '$(srcdir)/tests/packaging/check-systemd.sh' deb
.PHONY: check-packages check-systemd

# The recipes an operator copies, and the demo that runs one.
recipesdir = $(docdir)/recipes
dist_recipes_DATA = conf/recipes/alerts.conf conf/recipes/alerts.tests.conf \
	conf/recipes/feature-usage.conf conf/recipes/feature-usage.tests.conf \
	conf/recipes/feature-usage-mirror.conf \
	conf/recipes/feature-usage-mirror.tests.conf \
	conf/recipes/free-users.conf conf/recipes/free-users.tests.conf \
	conf/recipes/masked-chat.conf conf/recipes/masked-chat.tests.conf \
	conf/recipes/noisy-errors.conf conf/recipes/noisy-errors.tests.conf \
	conf/recipes/plan-changes.conf conf/recipes/plan-changes.tests.conf \
	conf/recipes/third-export.conf conf/recipes/third-export.tests.conf \
	conf/recipes/usage-by-account.conf \
	conf/recipes/usage-by-account.tests.conf \
	conf/recipes/usage-by-account.sql \
	conf/recipes/users-latest.conf conf/recipes/users-latest.tests.conf
EXTRA_DIST += conf/recipes/demo.sh conf/recipes/demo-alert.conf \
	conf/recipes/demo-receive.mjs conf/recipes/demo-send.mjs \
	conf/recipes/demo-users.csv

demo: all
	@$(AM_TESTS_ENVIRONMENT) KEEP='$(KEEP)' MIRROR='$(MIRROR)' \
	    $(SHELL) $(srcdir)/conf/recipes/demo.sh
.PHONY: demo

# The config of an operator is never overwritten, and goes only if it is still
# ours.
EXTRA_DIST += conf/ingestlayer.conf conf/ingestlayer.service.in \
	conf/ingestlayer.sysusers conf/ingestlayer.tmpfiles \
	conf/rpm/ingestlayer.spec
install-data-local: install-service-user
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/ingestlayer'
	test -f '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf' || \
	    $(INSTALL_DATA) '$(srcdir)/conf/ingestlayer.conf' \
	        '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf'
uninstall-local: uninstall-service-user
	! cmp -s '$(srcdir)/conf/ingestlayer.conf' \
	    '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf' || \
	    rm -f '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf'

unitdir = $(prefix)/lib/systemd/system
nodist_unit_DATA = conf/ingestlayer.service
dist_unit_DATA = conf/ingestlayer.socket
CLEANFILES += conf/ingestlayer.service
conf/ingestlayer.service: conf/ingestlayer.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's|[@]bindir@|$(bindir)|g' \
	    -e 's|[@]sysconfdir@|$(sysconfdir)|g' \
	    -e 's|[@]notify@|$(SERVICE_TYPE)|' \
	    '$(srcdir)/conf/ingestlayer.service.in' > $@

# Both are named in their folders as the daemon is.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
install-service-user:
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)'
	$(INSTALL_DATA) '$(srcdir)/conf/ingestlayer.sysusers' \
	    '$(DESTDIR)$(sysusersdir)/ingestlayer.conf'
	$(INSTALL_DATA) '$(srcdir)/conf/ingestlayer.tmpfiles' \
	    '$(DESTDIR)$(tmpfilesdir)/ingestlayer.conf'
uninstall-service-user:
	rm -f '$(DESTDIR)$(sysusersdir)/ingestlayer.conf' \
	    '$(DESTDIR)$(tmpfilesdir)/ingestlayer.conf'
.PHONY: install-service-user uninstall-service-user

# Alerts and a dashboard for the daemon's metrics.
monitoringdir = $(docdir)/monitoring
dist_monitoring_DATA = conf/monitoring/alerts.yml \
	conf/monitoring/dashboard.json conf/monitoring/prometheus.yml

# The completions are printed by the fresh command; where that cannot run, a
# shell may ask the installed one (ingestlayer completion --help).
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
if !CROSS_COMPILING
nodist_bashcompletion_DATA = conf/completions/ingestlayer
nodist_zshcompletion_DATA = conf/completions/_ingestlayer
nodist_fishcompletion_DATA = conf/completions/ingestlayer.fish
endif
CLEANFILES += conf/completions/ingestlayer conf/completions/_ingestlayer \
	conf/completions/ingestlayer.fish
COMPLETION = $(AM_V_GEN)$(MKDIR_P) conf/completions && \
	core/ingestlayer completion
conf/completions/ingestlayer: core/ingestlayer$(EXEEXT)
	$(COMPLETION) bash > $@
conf/completions/_ingestlayer: core/ingestlayer$(EXEEXT)
	$(COMPLETION) zsh > $@
conf/completions/ingestlayer.fish: core/ingestlayer$(EXEEXT)
	$(COMPLETION) fish > $@

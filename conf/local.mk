# The recipes an operator copies, and the demo that runs one.
recipesdir = $(docdir)/recipes
dist_recipes_DATA = conf/recipes/feature-usage.conf
EXTRA_DIST += conf/recipes/demo.sh conf/recipes/demo-send.mjs \
	conf/recipes/demo-users.csv

demo: all
	@$(AM_TESTS_ENVIRONMENT) KEEP='$(KEEP)' $(SHELL) $(srcdir)/conf/recipes/demo.sh
.PHONY: demo

# The config of an operator is never overwritten, and goes only if it is still
# ours.
EXTRA_DIST += conf/ingestlayer.conf conf/ingestlayer.service.in
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/ingestlayer'
	test -f '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf' || \
	    $(INSTALL_DATA) '$(srcdir)/conf/ingestlayer.conf' \
	        '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf'
uninstall-local:
	! cmp -s '$(srcdir)/conf/ingestlayer.conf' \
	    '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf' || \
	    rm -f '$(DESTDIR)$(sysconfdir)/ingestlayer/ingestlayer.conf'

unitdir = $(prefix)/lib/systemd/system
nodist_unit_DATA = conf/ingestlayer.service
CLEANFILES += conf/ingestlayer.service
conf/ingestlayer.service: conf/ingestlayer.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's|[@]bindir@|$(bindir)|g' \
	    -e 's|[@]sysconfdir@|$(sysconfdir)|g' \
	    -e 's|[@]notify@|$(SERVICE_TYPE)|' \
	    '$(srcdir)/conf/ingestlayer.service.in' > $@

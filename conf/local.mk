# The recipes an operator copies, and the demo that runs one.
recipesdir = $(docdir)/recipes
dist_recipes_DATA = conf/recipes/feature-usage.conf
EXTRA_DIST += conf/recipes/demo.sh conf/recipes/demo-send.mjs \
	conf/recipes/demo-users.csv

demo: all
	@$(AM_TESTS_ENVIRONMENT) KEEP='$(KEEP)' $(SHELL) $(srcdir)/conf/recipes/demo.sh
.PHONY: demo

ilincludedir = $(includedir)/ingestlayer
ilinclude_HEADERS = sdk/plugin/ingestlayer/plugin.h \
	sdk/plugin/testhost/testhost.h

# A source, a step and a destination to begin one's own with, each complete in
# its folder: plugin, manual, test, Makefile.
templatedir = $(datadir)/ingestlayer/template
template_sourcedir = $(templatedir)/source
dist_template_source_DATA = sdk/plugin/template/source/Makefile \
	sdk/plugin/template/source/template.tail.5 \
	sdk/plugin/template/source/template.tail.c \
	sdk/plugin/template/source/test-tail.c
template_stepdir = $(templatedir)/step
dist_template_step_DATA = sdk/plugin/template/step/Makefile \
	sdk/plugin/template/step/template.upper.5 \
	sdk/plugin/template/step/template.upper.c \
	sdk/plugin/template/step/test-upper.c
template_destinationdir = $(templatedir)/destination
dist_template_destination_DATA = sdk/plugin/template/destination/Makefile \
	sdk/plugin/template/destination/template.file.5 \
	sdk/plugin/template/destination/template.file.c \
	sdk/plugin/template/destination/test-file.c

# Steps in other languages, beside the templates.
examplesdir = $(datadir)/ingestlayer/examples
examples_cxxdir = $(examplesdir)/cxx
dist_examples_cxx_DATA = sdk/plugin/examples/cxx/example.length.cc
examples_rustdir = $(examplesdir)/rust
dist_examples_rust_DATA = sdk/plugin/examples/rust/example.sample.rs \
	sdk/plugin/examples/rust/ingestlayer.rs

dist_man_MANS += sdk/plugin/ingestlayer-plugin.3
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = sdk/plugin/ingestlayer-plugin.pc \
	sdk/plugin/ingestlayer-testhost.pc

# The test host reads options, events and expressions with the daemon's own
# code, so its library holds that code as well: one archive to link.
noinst_LIBRARIES += sdk/plugin/testhost/libtesthost.a
sdk_plugin_testhost_libtesthost_a_SOURCES = \
	sdk/plugin/testhost/around.c \
	sdk/plugin/testhost/batches.c \
	sdk/plugin/testhost/delivery.c \
	sdk/plugin/testhost/checks.c \
	sdk/plugin/testhost/emission.c \
	sdk/plugin/testhost/entities.c \
	sdk/plugin/testhost/mirrors.c \
	sdk/plugin/testhost/memory.c \
	sdk/plugin/testhost/objects.c \
	sdk/plugin/testhost/private.h \
	sdk/plugin/testhost/sources.c \
	sdk/plugin/testhost/testhost.c \
	sdk/plugin/testhost/testhost.h \
	sdk/plugin/testhost/verify.c
sdk_plugin_testhost_libtesthost_a_CPPFLAGS = $(core_libcore_a_CPPFLAGS) \
	-I$(top_srcdir)/sdk/plugin/testhost

testhostlibdir = $(libdir)
testhostlib_DATA = sdk/plugin/testhost/libingestlayer-testhost.a
CLEANFILES += sdk/plugin/testhost/libingestlayer-testhost.a
sdk/plugin/testhost/libingestlayer-testhost.a: core/libcore.a \
		sdk/plugin/testhost/libtesthost.a
	$(AM_V_AR)rm -f $@ && \
	printf 'create %s\naddlib %s\naddlib %s\nsave\nend\n' $@ \
		core/libcore.a sdk/plugin/testhost/libtesthost.a | $(AR) -M

# For tests in this tree: TESTHOST_CPPFLAGS and TESTHOST_LIBS.
TESTHOST_CPPFLAGS = $(PLUGIN_CPPFLAGS) -I$(top_srcdir)/sdk/plugin/testhost
TESTHOST_LIBS = sdk/plugin/testhost/libtesthost.a $(CORE_LIBS)

include sdk/typescript/local.mk

check_PROGRAMS += sdk/plugin/testhost/tests/test-testhost
TESTS += sdk/plugin/testhost/tests/test-testhost
sdk_plugin_testhost_tests_test_testhost_SOURCES = \
	sdk/plugin/testhost/tests/test-testhost.c
sdk_plugin_testhost_tests_test_testhost_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	-DNULL_PLUGIN='"$(abs_top_builddir)/tests/.libs/destination.null.so"' \
	-DLATER_PLUGIN='"$(abs_top_builddir)/tests/.libs/step.later.so"' \
	-DLIST_PLUGIN='"$(abs_top_builddir)/tests/.libs/source.list.so"'
sdk_plugin_testhost_tests_test_testhost_LDADD = $(TESTHOST_LIBS)

check_PROGRAMS += sdk/plugin/testhost/tests/test-testhost-faults
TESTS += sdk/plugin/testhost/tests/test-testhost-faults
sdk_plugin_testhost_tests_test_testhost_faults_SOURCES = \
	sdk/plugin/testhost/tests/test-testhost-faults.c
sdk_plugin_testhost_tests_test_testhost_faults_CPPFLAGS = \
	$(TESTHOST_CPPFLAGS) \
	-DSTEP='"$(abs_top_builddir)/tests/.libs/step.naughty.so"' \
	-DDESTINATION='"$(abs_top_builddir)/tests/.libs/destination.naughty.so"'
sdk_plugin_testhost_tests_test_testhost_faults_LDADD = $(TESTHOST_LIBS)

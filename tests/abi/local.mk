# The plugin interface: what is refused, and what other headers may rely on.
check_LTLIBRARIES += \
	tests/abi/bad.each.la tests/abi/bad.flag.la tests/abi/bad.needs.la tests/abi/bad.optionflag.la \
	tests/abi/bad.reserved.la tests/abi/bad.table.la tests/abi/bad.threads.la \
	tests/abi/bad.callback.la tests/abi/bad.kind.la \
	tests/abi/bad.major.la tests/abi/bad.minor.la tests/abi/bad.name.la \
	tests/abi/bad.option.la tests/abi/bad.size.la \
	tests/abi/bad.stride.la tests/abi/bad.symbol.la
tests_abi_bad_callback_la_SOURCES = tests/abi/bad.c
tests_abi_bad_callback_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_CALLBACK \
	-DBAD_FILE='"bad.callback"'
tests_abi_bad_callback_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_callback_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_kind_la_SOURCES = tests/abi/bad.c
tests_abi_bad_kind_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_KIND \
	-DBAD_FILE='"bad.kind"'
tests_abi_bad_kind_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_kind_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_major_la_SOURCES = tests/abi/bad.c
tests_abi_bad_major_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_MAJOR \
	-DBAD_FILE='"bad.major"'
tests_abi_bad_major_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_major_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_minor_la_SOURCES = tests/abi/bad.c
tests_abi_bad_minor_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_MINOR \
	-DBAD_FILE='"bad.minor"'
tests_abi_bad_minor_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_minor_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_name_la_SOURCES = tests/abi/bad.c
tests_abi_bad_name_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_NAME \
	-DBAD_FILE='"bad.name"'
tests_abi_bad_name_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_name_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_option_la_SOURCES = tests/abi/bad.c
tests_abi_bad_option_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_OPTION \
	-DBAD_FILE='"bad.option"'
tests_abi_bad_option_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_option_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_size_la_SOURCES = tests/abi/bad.c
tests_abi_bad_size_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_SIZE \
	-DBAD_FILE='"bad.size"'
tests_abi_bad_size_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_size_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_stride_la_SOURCES = tests/abi/bad.c
tests_abi_bad_stride_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_STRIDE \
	-DBAD_FILE='"bad.stride"'
tests_abi_bad_stride_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_stride_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_each_la_SOURCES = tests/abi/bad.c
tests_abi_bad_each_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_EACH \
	-DBAD_FILE='"bad.each"'
tests_abi_bad_each_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_each_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_flag_la_SOURCES = tests/abi/bad.c
tests_abi_bad_flag_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_FLAG \
	-DBAD_FILE='"bad.flag"'
tests_abi_bad_flag_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_flag_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_needs_la_SOURCES = tests/abi/bad.c
tests_abi_bad_needs_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_NEEDS \
	-DBAD_FILE='"bad.needs"'
tests_abi_bad_needs_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_needs_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_optionflag_la_SOURCES = tests/abi/bad.c
tests_abi_bad_optionflag_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_OPTION_FLAG \
	-DBAD_FILE='"bad.optionflag"'
tests_abi_bad_optionflag_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_optionflag_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_reserved_la_SOURCES = tests/abi/bad.c
tests_abi_bad_reserved_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_RESERVED \
	-DBAD_FILE='"bad.reserved"'
tests_abi_bad_reserved_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_reserved_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_table_la_SOURCES = tests/abi/bad.c
tests_abi_bad_table_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_TABLE \
	-DBAD_FILE='"bad.table"'
tests_abi_bad_table_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_table_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_threads_la_SOURCES = tests/abi/bad.c
tests_abi_bad_threads_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_THREADS \
	-DBAD_FILE='"bad.threads"'
tests_abi_bad_threads_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_threads_la_LDFLAGS = $(FAKE_LINK)
tests_abi_bad_symbol_la_SOURCES = tests/abi/bad.c
tests_abi_bad_symbol_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) -DBAD_SYMBOL \
	-DBAD_FILE='"bad.symbol"'
tests_abi_bad_symbol_la_CFLAGS = $(PLUGIN_CFLAGS)
tests_abi_bad_symbol_la_LDFLAGS = $(IL_SAN_FLAGS) -module -avoid-version -shared -rpath /nowhere

ABI_TESTS = \
	tests/abi/test-bad-plugins-are-refused.sh \
	tests/abi/test-header-compiles-alone.sh \
	tests/abi/test-manual-examples-run.sh \
	tests/abi/test-plugins-are-verified.sh \
	tests/abi/test-plugins-export-one-symbol.sh \
	tests/abi/test-skew-fails-closed.sh \
	tests/abi/test-step-in-cxx.sh \
	tests/abi/test-step-in-rust.sh \
	tests/abi/test-template-builds-outside.sh
check_PROGRAMS += tests/abi/languages
tests_abi_languages_SOURCES = tests/abi/languages.c
tests_abi_languages_CPPFLAGS = $(TESTHOST_CPPFLAGS)
tests_abi_languages_LDADD = $(TESTHOST_LIBS)
EXTRA_DIST += $(ABI_TESTS) tests/abi/skew.c
TESTS += $(ABI_TESTS)

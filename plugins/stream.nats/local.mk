# stream.nats.  Its library has threads that outlive the last connection, so it
# stays mapped.
plugin_LTLIBRARIES += plugins/stream.nats/stream.nats.la
plugins_stream_nats_stream_nats_la_SOURCES = \
	plugins/stream.nats/bundle.c \
	plugins/stream.nats/bundle.h \
	plugins/stream.nats/confirmed.c \
	plugins/stream.nats/confirmed.h \
	plugins/stream.nats/frame.c \
	plugins/stream.nats/frame.h \
	plugins/stream.nats/link.c \
	plugins/stream.nats/link.h \
	plugins/stream.nats/nats.c
plugins_stream_nats_stream_nats_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) \
	$(NATS_CFLAGS) $(XXHASH_CFLAGS)
plugins_stream_nats_stream_nats_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_stream_nats_stream_nats_la_LDFLAGS = $(PLUGIN_LINK) -Wl,-z,nodelete
plugins_stream_nats_stream_nats_la_LIBADD = $(NATS_LIBS)
dist_man_MANS += plugins/stream.nats/stream.nats.5 \
	plugins/stream.nats/ingestlayer-bundles.5

EXTRA_DIST += plugins/stream.nats/local.mk \
	plugins/stream.nats/stream.nats.conf
stream_nats_tests = \
	plugins/stream.nats/tests/test-nats-loses-nothing.py \
	plugins/stream.nats/tests/test-nats-who-may-publish.py
EXTRA_DIST += $(stream_nats_tests)
TESTS += $(stream_nats_tests)

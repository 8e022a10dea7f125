# Everything of the host but main(): linked by the daemon and by the tests.
noinst_LIBRARIES += core/libcore.a
core_libcore_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONFIG_CFLAGS) $(MHD_CFLAGS) \
	$(LMDB_CFLAGS) $(PCRE2_CFLAGS) $(XXHASH_CFLAGS) $(ZLIB_CFLAGS) \
	$(SYSTEMD_CFLAGS)
CORE_LIBS = core/libcore.a $(CONFIG_LIBS) $(MHD_LIBS) $(LMDB_LIBS) \
	$(PCRE2_LIBS) $(ZLIB_LIBS) $(SYSTEMD_LIBS)
core_libcore_a_SOURCES = \
	core/arena.c \
	core/arena.h \
	core/batch.c \
	core/batch.h \
	core/batch_entity.c \
	core/clock.c \
	core/clock.h \
	core/command.h \
	core/csv.c \
	core/csv.h \
	core/cursor.c \
	core/cursor.h \
	core/dead.c \
	core/conf.c \
	core/conf.h \
	core/conf_scan.c \
	core/conf_scan.h \
	core/conf_token.c \
	core/conf_token.h \
	core/cursor.c \
	core/cursor.h \
	core/dead.c \
	core/dead.h \
	core/dead_queue.c \
	core/dead_record.c \
	core/dead_store.c \
	core/dead_store.h \
	core/dead_walk.c \
	core/entity.c \
	core/entity.h \
	core/entity_api.c \
	core/entity_api.h \
	core/entity_api_write.c \
	core/entity_bulk.c \
	core/entity_bulk.h \
	core/command_entity.c \
	core/entity_import.c \
	core/entity_import.h \
	core/entity_merge.c \
	core/entity_read.c \
	core/entity_store.c \
	core/entity_store.h \
	core/event.c \
	core/event.h \
	core/expr.h \
	core/gate.h \
	core/handshake.c \
	core/handshake.h \
	core/host_api.h \
	core/host_slot.c \
	core/http.c \
	core/http.h \
	core/http_body.c \
	core/http_listen.c \
	core/http_loop.c \
	core/http_private.h \
	core/idem.h \
	core/instance.c \
	core/instance.h \
	core/instance_api.c \
	core/json.h \
	core/json_keys.c \
	core/json_number.c \
	core/json_private.h \
	core/json_read.c \
	core/json_string.c \
	core/json_value.c \
	core/json_write.c \
	core/lane.c \
	core/lane.h \
	core/lane_begin.c \
	core/lane_private.h \
	core/lane_read.c \
	core/lane_settle.c \
	core/lane_status.c \
	core/loader.c \
	core/loader.h \
	core/log.c \
	core/log.h \
	core/metrics.c \
	core/metrics.h \
	core/msgcheck.c \
	core/msgcur.c \
	core/msgcur.h \
	core/msgout.c \
	core/msgput.h \
	core/msgread.c \
	core/msgread.h \
	core/nearest.c \
	core/option_value.c \
	core/options.c \
	core/options.h \
	core/ref.h \
	core/request.c \
	core/scan.h \
	core/schema.c \
	core/schema.h \
	core/spool.c \
	core/spool.h \
	core/spool_damage.c \
	core/spool_found.c \
	core/spool_found.h \
	core/spool_group.c \
	core/spool_id.c \
	core/spool_list.c \
	core/spool_private.h \
	core/spool_read.c \
	core/spool_recover.c \
	core/spool_retain.c \
	core/spool_segment.c \
	core/spool_write.c \
	core/template.h \
	core/text.c \
	core/text.h \
	core/time.c \
	core/timers.c \
	core/timers.h \
	core/wtf8.c \
	core/wtf8.h

bin_PROGRAMS += core/ingestlayer
core_ingestlayer_SOURCES = core/main.c
core_ingestlayer_LDADD = $(CORE_LIBS)
